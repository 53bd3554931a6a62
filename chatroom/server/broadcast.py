"""Brings a room's frames to those who sit there: encoded once, gathered, one write per reader.

`publish` only notes a frame and makes sure that a flush is coming: soon for what people said, within a tick for the
pieces of a running turn, of which those that follow each other become one. Order is kept. Knows outboxes, no sockets.
"""

import asyncio
import logging
from collections.abc import Sequence

from chatroom.frames import Delta, EndFrame, ServerFrame, Snap, Start
from chatroom.messages import Audience, Speaker
from chatroom.server.bounds import Bounds
from chatroom.server.outbox import Batch, Outbox, Packet
from chatroom.server.peer import packed

log = logging.getLogger(__name__)

Published = tuple[ServerFrame, Audience | None]


class Broadcast:
    """All rooms' channels. `publish` is what the room manager is given; call it in the event loop only."""

    def __init__(self, bounds: Bounds | None = None) -> None:
        self._tick = (bounds or Bounds()).delta_tick
        self._channels: dict[str, Channel] = {}

    def publish(self, room: str, frame: ServerFrame, audience: Audience | None) -> None:
        """Sends a frame to those of the audience who sit in the room; never blocks."""
        self._channel(room).publish(frame, audience)

    def join(self, room: str, outbox: Outbox) -> None:
        """From now on, what is published reaches this outbox; what was published before does not."""
        channel = self._channel(room)
        channel.flush()
        channel.members.add(outbox)

    def leave(self, room: str, outbox: Outbox) -> None:
        """Ends what `join` began; harmless if it had not."""
        if room in self._channels:
            self._channels[room].members.discard(outbox)

    def flush(self) -> None:
        """Sends at once what waits for its tick."""
        for channel in self._channels.values():
            channel.flush()

    def _channel(self, room: str) -> "Channel":
        if room not in self._channels:
            self._channels[room] = Channel(room, self._tick)
        return self._channels[room]


class Channel:
    """One room: who listens, what waits, and the words of the turns under way (for those who missed some)."""

    def __init__(self, room: str, tick: float) -> None:
        self.members: set[Outbox] = set()
        self._room, self._tick = room, tick
        self._pending: list[Published] = []
        self._timer: asyncio.TimerHandle | None = None
        self._turns: dict[str, Words] = {}

    def publish(self, frame: ServerFrame, audience: Audience | None) -> None:
        self._follow(frame, audience)
        if self.members:
            self._pending.append((frame, audience))
            self._schedule(self._tick if isinstance(frame, Delta) else 0.0)

    def flush(self) -> None:
        """Encodes what is pending and hands it to every member."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        pending, self._pending = self._pending, []
        batch = Batch([packet for one in _merged(pending) if (packet := _pack(*one))], self)
        if batch.packets:
            for member in tuple(self.members):
                member.deliver(batch)

    def snap(self, turn: str) -> bytes | None:
        """All of a running turn so far, packed."""
        words = self._turns.get(turn)
        if words is None:
            return None
        text = "".join(words.pieces)
        return packed(Snap(room=self._room, turn=turn, author=words.author, text=text, audience=words.audience))

    def _follow(self, frame: ServerFrame, audience: Audience | None) -> None:
        match frame:
            case Start():
                self._turns[frame.turn] = Words(frame.author, audience)
            case Delta() if frame.turn in self._turns:
                self._turns[frame.turn].pieces.append(frame.text)
            case EndFrame():
                self._turns.pop(frame.id, None)

    def _schedule(self, delay: float) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + delay
        if self._timer is not None and self._timer.when() <= due:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(due, self.flush)


class Words:
    """What a running turn has said."""

    def __init__(self, author: Speaker, audience: Audience | None) -> None:
        self.author, self.audience = author, audience
        self.pieces: list[str] = []


def _merged(published: Sequence[Published]) -> list[Published]:
    """Joins deltas of one turn that nothing but other turns' deltas stands between."""
    merged: list[Published] = []
    places: dict[str, int] = {}
    for frame, audience in published:
        if not isinstance(frame, Delta):
            places.clear()
        elif (place := places.get(frame.turn)) is not None and (joined := _joined(merged[place][0], frame)):
            merged[place] = (joined, audience)
            continue
        else:
            places[frame.turn] = len(merged)
        merged.append((frame, audience))
    return merged


def _joined(first: ServerFrame, second: Delta) -> Delta | None:
    if not isinstance(first, Delta) or first.offset + len(first.text) != second.offset:
        return None
    return Delta(room=first.room, turn=first.turn, offset=first.offset, text=first.text + second.text)


def _pack(frame: ServerFrame, audience: Audience | None) -> Packet | None:
    delta = frame.turn if isinstance(frame, Delta) else ""
    end = frame.id if isinstance(frame, EndFrame) else ""
    try:
        return Packet(raw=packed(frame), audience=audience, delta=delta, end=end)
    except UnicodeEncodeError:  # half a surrogate pair from an engine: it must not cost the room its other frames
        log.warning("left out a %s frame that is not valid text", type(frame).__name__)
        return None
