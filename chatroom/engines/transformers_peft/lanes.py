"""The lanes: transcripts that stay encoded between turns.

A lane is (weights, view) with the ids it holds and their keys and values. Invariant: while nobody uses it, its cache
holds exactly `ids`, all of them of a shared part; tails and replies are gone. Taking a lane cuts it back to the
longest common prefix with what is wanted: there is no other invalidation, so retry, edit and trim are no special
cases. Knows no prompt and no adapter beyond its fingerprint.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from transformers.cache_utils import Cache

from chatroom.engines.transformers_peft.cache import GrowingLayer, cache_bytes

Key = tuple[str, str]
"""Fingerprint of an ordinary LoRA, or "" for the bare base and every aLoRA; then the prompt's view."""


class Lane:
    """One encoded transcript. Made by `Lanes` only."""

    def __init__(self, key: Key, empty_cache: Callable[[], Any]) -> None:
        self.key, self.busy = key, False
        self.ids: list[int] = []
        self._empty_cache = empty_cache
        self.cache = empty_cache()

    @property
    def nbytes(self) -> int:
        return cache_bytes(self.cache)

    def cut(self, length: int) -> None:
        """Drops all that stands behind the first `length` positions; a cache that can't is begun anew."""
        held = self.cache.get_seq_length()
        if held > length:
            if self.croppable:
                self.cache.crop(length - held)
            else:
                self.cache, length = self._empty_cache(), 0
        del self.ids[length:]

    def clear(self) -> None:
        """Forgets everything: after a failed step the layers may hold different lengths."""
        self.cache, self.ids = self._empty_cache(), []

    def fork(self, length: int) -> "Lane":
        """Copies the first positions into a lane that belongs to nobody else."""
        copy = Lane(self.key, self._empty_cache)
        if self.croppable:
            copy.cache = Cache(layers=[layer.copy_of(length) for layer in self.cache.layers])
            copy.ids = self.ids[:length]
        return copy

    @property
    def croppable(self) -> bool:
        return all(isinstance(layer, GrowingLayer) for layer in self.cache.layers)


class Lanes:
    """All lanes of a base, within a bound of bytes.

    Args:
        empty_cache: Makes a cache for the base.
        memory: Most bytes that lanes may keep between turns.
    """

    def __init__(self, empty_cache: Callable[[], Any], memory: int) -> None:
        self._empty_cache, self._memory = empty_cache, memory
        self._lanes: OrderedDict[Key, Lane] = OrderedDict()  # least recently used first

    @contextmanager
    def lane(self, key: Key, ids: Sequence[int], *, spare: bool = False) -> Iterator[Lane]:
        """Gives a lane that holds a prefix of `ids`, for one turn alone; tail and reply are cut off afterwards.

        A second turn on a lane in use gets a copy. With `spare`, so does one that wants only the beginning of what
        the lane holds: a question about the premise must not throw the transcript away.
        """
        lane = self._take(key, ids, spare)
        try:
            yield lane
        except Exception:
            lane.clear()
            raise
        finally:
            self._give_back(lane)

    def held(self, key: Key) -> Sequence[int]:
        """Ids that a lane holds now."""
        lane = self._lanes.get(key)
        return lane.ids if lane else ()

    def forget(self, fingerprint: str) -> None:
        """Drops the lanes of an adapter that is gone."""
        for key in [key for key in self._lanes if key[0] == fingerprint]:
            del self._lanes[key]

    @property
    def nbytes(self) -> int:
        return sum(lane.nbytes for lane in self._lanes.values())

    def _take(self, key: Key, ids: Sequence[int], spare: bool) -> Lane:
        if key not in self._lanes:
            self._lanes[key] = Lane(key, self._empty_cache)
        self._lanes.move_to_end(key)
        lane = self._lanes[key]
        common = _common(lane.ids, ids)
        if lane.busy or (spare and common == len(ids) < len(lane.ids)):
            lane = lane.fork(common)
        lane.cut(common)
        lane.busy = True
        return lane

    def _give_back(self, lane: Lane) -> None:
        lane.cut(len(lane.ids))
        lane.busy = False
        if lane.nbytes > self._memory and self._lanes.get(lane.key) is lane:
            del self._lanes[lane.key]  # it alone is too much: no other lane should go for it
        while self.nbytes > self._memory:
            oldest = next((other for other in self._lanes.values() if not other.busy), None)
            if oldest is None:
                break
            del self._lanes[oldest.key]


def _common(held: Sequence[int], wanted: Sequence[int]) -> int:
    """Length of the common prefix."""
    shorter = min(len(held), len(wanted))
    if held[:shorter] == wanted[:shorter]:
        return shorter
    return next(at for at in range(shorter) if held[at] != wanted[at])
