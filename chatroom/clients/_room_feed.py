"""One room's frames put in order: what was seen, what is a repetition, what is missing.

Invariant: what `take` and `fill` return, joined, holds every durable frame of this reader once and in order of seq.
Pure: it says from which seq history must be asked, and the connection asks.
"""

from chatroom.frames import (
    AnyServerFrame,
    DurableFrame,
    EndFrame,
    JoinedFrame,
    LeftFrame,
    PostedFrame,
    RetriedFrame,
    RoomState,
    Seat,
)

_DURABLE = (PostedFrame, EndFrame, RetriedFrame, JoinedFrame, LeftFrame)


class RoomFeed:
    def __init__(self, room: str) -> None:
        self.room, self.epoch, self.seq = room, "", 0
        self.filling = False
        """Whether something is missing: frames are held back until `fill` brings it."""
        self._held: list[AnyServerFrame] = []

    @property
    def seat(self) -> Seat:
        """What to say in hello, so that the server goes on from here."""
        return Seat(room=self.room, epoch=self.epoch, seq=self.seq)

    def enter(self, state: RoomState) -> None:
        """Begins or goes on with the room as the server describes it."""
        resumed = state.recovered and state.epoch == self.epoch
        if not resumed:
            self.epoch, self.seq = state.epoch, 0
        last = state.events[-1].seq if state.events else 0
        # A part of the log that this reader may not see needs no asking: unless more is announced, head is reached.
        self.seq = max(self.seq, last if resumed and state.more else max(last, state.head))
        self.filling, self._held = resumed and state.more, []

    def take(self, frame: AnyServerFrame) -> list[AnyServerFrame]:
        """Takes a frame of this room; returns those that may be shown now."""
        if isinstance(frame, _DURABLE) and not self.filling:
            if frame.seq <= self.seq:
                return []
            self.filling = frame.prev > self.seq
        if self.filling:
            self._held.append(frame)
            return []
        return self._advance(frame)

    def fill(self, events: tuple[DurableFrame, ...], *, more: bool) -> list[AnyServerFrame]:
        """Takes a page of what was missing; `filling` stays set while more must be asked for."""
        found = [frame for event in events for frame in self._advance(event)]
        if more and found:
            return found
        return found + self.release()

    def release(self) -> list[AnyServerFrame]:
        """Gives what was held back, whether or not all that was missing has come."""
        self.filling = False
        held, self._held = self._held, []
        return [frame for frame in held for frame in self._advance(frame)]

    def _advance(self, frame: AnyServerFrame) -> list[AnyServerFrame]:
        if isinstance(frame, _DURABLE):
            if frame.seq <= self.seq:
                return []
            self.seq = frame.seq
        return [frame]
