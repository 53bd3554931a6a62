"""Does TurboMind say what transformers says? Greedy, the same ids, at every place of replies that were written by hand.

Each place is asked by itself, behind the reply's own words so far, so that one difference does not make all later ones
differ. Beside that: how many whole greedy replies are the same. Compared with transformers in 32 bit and in the GPU's
16 bit: what these two differ in is rounding, and TurboMind may differ about as much. Int4 weights are compared with
transformers over the same int4 numbers too: what differs there is TurboMind's, not the quantization's.
"""

import asyncio
from collections.abc import Sequence
from itertools import islice, takewhile
from pathlib import Path

from benchmarks.gpu import texts
from benchmarks.gpu.asking import Asker
from benchmarks.gpu.bench import Bench
from benchmarks.gpu.reference import Place, Reference
from benchmarks.gpu.rows import Part, Row
from benchmarks.gpu.servers import Served
from chatroom.engines._lmdeploy.local_base import LocalBase

QUESTION = "How often is TurboMind's likeliest next id that of transformers?"
AT_ONCE = 16
LONGEST = 48
BEFORE = 6
"""Lines of transcript before each reply."""


class Agreed(Row, frozen=True, kw_only=True):
    """One comparison.

    Args:
        places: Compared.
        same: Share of them with the same id.
        same_where_sure: Of those at which transformers is sure.
        replies: Whole greedy replies that are the same, of all.
    """

    weights: str
    against: str
    places: int
    same: float
    same_where_sure: float
    replies: str


Case = tuple[list[int], list[int]]
"""Ids of a prompt and of the reply that was written to it."""


def cases(base: LocalBase, count: int) -> list[Case]:
    """Replies of the bundled world, each behind a few lines."""
    found = []
    for number, (_, name, reply) in enumerate(islice(texts.exchanges(), 7, 7 + count)):
        asked = texts.prompt(f"room {number}", texts.transcript(BEFORE, start=number), name)
        found.append((base.prompt_ids(asked), base.tokenizer.encode(f" {reply}", add_special_tokens=False)))
    return found


class Judged:
    """What transformers says to all cases, in one number format.

    Args:
        adapter: Folder of an ordinary LoRA over the base.
        int4: Folder of int4 weights whose numbers it computes with.
    """

    def __init__(
        self,
        base: LocalBase,
        all_: Sequence[Case],
        bench: Bench,
        dtype: str,
        *,
        adapter: Path | None = None,
        int4: Path | None = None,
    ) -> None:
        model = Reference(bench.base, device=bench.device, dtype=dtype, adapter=adapter, int4=int4)
        self.name = f"transformers {dtype}{', int4 numbers' if int4 else ''}"
        self._base = base
        try:
            self.places = [model.places(*case) for case in all_]
            self.replies = [tuple(model.greedy(prompt, longest(bench), base.stop_ids)) for prompt, _ in all_]
        finally:
            model.free()

    def compared(self, name: str, said: Sequence[Sequence[int | None]], whole: Sequence[tuple[int, ...]]) -> Agreed:
        """A row: what was said at each place (None: the end), and the whole replies."""
        pairs = [pair for one, other in zip(self.places, said, strict=True) for pair in zip(one, other, strict=True)]
        same = [(place, self._is(place, id_)) for place, id_ in pairs]
        sure = [hit for place, hit in same if place.sure]
        equal = sum(one == other for one, other in zip(self.replies, whole, strict=True))
        return Agreed(
            weights=name,
            against=self.name,
            places=len(same),
            same=share([hit for _, hit in same]),
            same_where_sure=share(sure),
            replies=f"{equal} of {len(whole)}",
        )

    def said(self) -> list[list[int | None]]:
        """Its own words, to be compared with those of another number format."""
        return [[None if place.id in self._base.stop_ids else place.id for place in each] for each in self.places]

    def _is(self, place: Place, id_: int | None) -> bool:
        return place.id in self._base.stop_ids if id_ is None else place.id == id_


async def asked(asker: Asker, base: LocalBase, all_: Sequence[Case]) -> list[list[int | None]]:
    """What a server says at every place; None where it ends the reply."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def at(ids: list[int]) -> int | None:
        async with gate:
            spoken = await asker.greedy(ids, 1)
        id_ = next(iter(spoken.ids), None)
        return None if id_ in base.stop_ids else id_

    places = [[[*prompt, *reply[:length]] for length in range(len(reply) + 1)] for prompt, reply in all_]
    return [list(await asyncio.gather(*map(at, each))) for each in places]


async def whole(asker: Asker, base: LocalBase, all_: Sequence[Case], most: int) -> list[tuple[int, ...]]:
    """Its greedy replies."""
    told = await asyncio.gather(*(asker.greedy(prompt, most) for prompt, _ in all_))
    return [tuple(takewhile(lambda id_: id_ not in base.stop_ids, spoken.ids)) for spoken in told]


async def run(part: Part, bench: Bench, served: Served, name: str) -> None:
    """Compares one server with transformers over the 16 bit weights."""
    all_, int4 = cases(served.base, bench.replies), served.want.weights == bench.int4
    exact = await asyncio.to_thread(Judged, served.base, all_, bench, "float32")
    other = await asyncio.to_thread(_other, served.base, all_, bench, int4)
    part.rows.append(exact.compared(other.name, other.said(), other.replies))
    said = await asked(served.asker, served.base, all_)
    replies = await whole(served.asker, served.base, all_, longest(bench))
    part.rows += [judged.compared(name, said, replies) for judged in (exact, other)]


def _other(base: LocalBase, all_: Sequence[Case], bench: Bench, int4: bool) -> Judged:
    """What the server should be nearest to: the same rounding, or the same int4 numbers."""
    if int4:
        return Judged(base, all_, bench, "float32", int4=bench.int4)
    return Judged(base, all_, bench, bench.dtype)


def longest(bench: Bench) -> int:
    """Ids of a whole reply that is compared."""
    return min(LONGEST, bench.tokens)


def share(hits: Sequence[bool]) -> float:
    """Part of them that is true."""
    return round(sum(hits) / len(hits), 4) if hits else 0.0
