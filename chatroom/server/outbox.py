"""What one reader gets, and what happens when it reads too slowly. Knows bytes, turns and audiences; no socket.

Invariants: the welcome comes first, then what was published since the reader was subscribed; a durable frame is never
left out while the connection lives: deltas are, and a `snap` heals them; beyond the last bound the connection is cut,
and the reader catches up from the log when it is back.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from chatroom.messages import Audience
from chatroom.server.bounds import Bounds


class Sink(Protocol):
    """Where bytes go: a socket, never waited for."""

    def write(self, raw: bytes) -> None: ...
    def unsent(self) -> int: ...
    def abort(self) -> None: ...


class Packet(msgspec.Struct, frozen=True, kw_only=True):
    """An encoded frame; `delta` or `end` is the id of the turn that it is a piece or the end of."""

    raw: bytes
    audience: Audience | None = None
    delta: str = ""
    end: str = ""


class Snaps(Protocol):
    """Tells a running turn as a whole: all of its words so far as a packed frame, None if it is over."""

    def snap(self, turn: str) -> bytes | None: ...


class Batch:
    """Packets of one room that go out together, joined once for all readers who get every one of them."""

    def __init__(self, packets: Sequence[Packet], snaps: Snaps) -> None:
        self.packets = packets
        self.snaps = snaps
        self.whole = b"".join(packet.raw for packet in packets)
        self.private = any(packet.audience is not None for packet in packets)


class Outbox:
    """The way to one reader. `reader` is a person's id, known after hello."""

    def __init__(self, sink: Sink, bounds: Bounds) -> None:
        self._sink, self._bounds = sink, bounds
        self.reader = ""
        self._held: list[bytes] | None = []
        self._missed: dict[str, Snaps] = {}
        self._written = 0
        self._allowed = 0
        self._taken = 0
        self._taken_at: float | None = None

    @property
    def is_open(self) -> bool:
        return self._held is None

    def open(self, welcome: bytes) -> None:
        """Sends the welcome, then what was published since the subscription."""
        held, self._held = self._held or [], None
        self.answer(b"".join([welcome, *held]))

    def answer(self, raw: bytes) -> None:
        """Sends what this reader asked for. A big page is no sign of slowness: it does not count as backlog."""
        self._allowed = max(self._allowed, len(raw))
        self._write(raw)

    def deliver(self, batch: Batch) -> None:
        """Sends what this reader may see of a room's frames, in one write."""
        shedding = self._sheds()
        is_whole = not (batch.private or shedding or self._missed)
        raw = batch.whole if is_whole else b"".join(self._chosen(batch, shedding))
        if self._held is not None:
            self._held.append(raw)
        elif raw:
            self._write(raw)
        self._cut_off()

    def check(self, now: float) -> None:
        """What time alone brings: heals what was shed, cuts a peer that takes nothing."""
        self._cut_off()
        if self._missed and not self._sheds():
            self._write(b"".join(self._heal()))
        taken = self._written - self._sink.unsent()
        if self._taken_at is None or taken > self._taken or not self._sink.unsent():
            self._taken, self._taken_at = taken, now
        elif now - self._taken_at > self._bounds.stalled:
            self._sink.abort()

    def _chosen(self, batch: Batch, shedding: bool) -> list[bytes]:
        chosen = []
        for packet in batch.packets:
            if packet.audience is not None and self.reader not in packet.audience:
                continue
            if packet.delta and (shedding or packet.delta in self._missed):
                self._missed[packet.delta] = batch.snaps
                continue
            self._missed.pop(packet.end, None)
            chosen.append(packet.raw)
        return chosen if shedding else chosen + self._heal()

    def _heal(self) -> list[bytes]:
        snaps = [snaps.snap(turn) for turn, snaps in self._missed.items()]
        self._missed.clear()
        return [snap for snap in snaps if snap]

    def _sheds(self) -> bool:
        """Who has missed something must first be well below the bound, or a snap would only push it over again."""
        return self._sink.unsent() > self._bounds.unsent_shed // (2 if self._missed else 1)

    def _cut_off(self) -> None:
        unsent = self._sink.unsent()
        if unsent <= self._bounds.unsent_shed:
            self._allowed = 0
        bound = self._bounds.unsent_cut + self._allowed if self.is_open else self._bounds.unsent_early
        if unsent > bound or sum(map(len, self._held or ())) > self._bounds.unsent_cut:
            self._sink.abort()

    def _write(self, raw: bytes) -> None:
        self._written += len(raw)
        self._sink.write(raw)
