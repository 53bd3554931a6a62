"""What a screen shows of one room, folded from the frames that came: pure, the same for every client.

Rows stand in order of seq; running turns stand after them, as they have none yet. It knows no connection and no
widget: it is handed decoded frames, in the order in which the connection gave them, and tells what they changed.
"""

from bisect import insort
from collections.abc import Iterable
from typing import Literal

import msgspec

from chatroom.frames import (
    AnyServerFrame,
    Delta,
    DurableFrame,
    EndFrame,
    Floor,
    JoinedFrame,
    LeftFrame,
    PostedFrame,
    Presence,
    RetriedFrame,
    RoomState,
    Seated,
    Snap,
    Start,
    Welcome,
)
from chatroom.messages import Audience, Passage, Speaker, Status, Usage

State = Literal["idle", "thinking", "speaking", "offline", "fault"]
Kind = Literal["said", "failed", "joined", "left"]


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message, a turn that failed, or a notice that somebody came or went."""

    seq: int
    id: str
    author: Speaker
    kind: Kind = "said"
    text: str = ""
    status: Status = "complete"
    error: str = ""
    audience: Audience | None = None
    passages: tuple[Passage, ...] = ()
    usage: Usage | None = None


class RunningTurn(msgspec.Struct, frozen=True, kw_only=True):
    """A reply that is still coming."""

    id: str
    author: Speaker
    text: str = ""
    audience: Audience | None = None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What a frame changed. `cleared` means: forget all that was shown, what is here now is in the transcript."""

    cleared: bool = False
    added: tuple[Row, ...] = ()
    removed: tuple[str, ...] = ()
    turns: tuple[str, ...] = ()
    roster: bool = False


NOTHING = Change()


class Transcript:
    """One room as one reader sees it."""

    def __init__(self, room: str = "") -> None:
        self.room, self.name, self.premise, self.epoch = room, "", "", ""
        self.rows: list[Row] = []
        self.running: dict[str, RunningTurn] = {}
        self.roster: tuple[Seated, ...] = ()
        self.busy, self.silent_after, self.thinking = False, 0, ""
        self.more_before = False
        self._gone: set[str] = set()
        self._seqs: set[int] = set()

    def fold(self, frame: AnyServerFrame) -> Change:
        """Takes in one frame; one of another room, or of a kind that shows nothing, changes nothing."""
        if isinstance(frame, Welcome):
            return self._enter(frame)
        if getattr(frame, "room", None) != self.room:
            return NOTHING
        match frame:
            case PostedFrame() | EndFrame() | RetriedFrame() | JoinedFrame() | LeftFrame():
                return self._commit(frame)
            case Start() | Snap() | Delta():
                return self._grow(frame)
            case Floor():
                return self._pass_floor(frame)
            case Presence():
                self.roster = frame.roster
                return Change(roster=True)
            case _:
                return NOTHING

    def fold_earlier(self, events: Iterable[DurableFrame], *, more: bool) -> tuple[Row, ...]:
        """Takes in a page of history from before the first row; returns its rows."""
        self.more_before = more
        rows = self._rows_of(events)
        for row in rows:
            self._insert(row)
        return rows

    def state_of(self, seated: Seated) -> State:
        """What a speaker is doing."""
        if seated.fault:
            return "fault"
        if not seated.online:
            return "offline"
        turns = [turn for turn in self.running.values() if turn.author.id == seated.who.id]
        if any(turn.text for turn in turns):
            return "speaking"
        return "thinking" if turns or self.thinking == seated.who.id else "idle"

    @property
    def faults(self) -> tuple[str, ...]:
        """A sentence for each role that can't speak."""
        return tuple(presence_of(seated) for seated in self.roster if seated.fault)

    def anybody_else(self, you: str) -> bool:
        """Whether somebody is here who could answer you."""
        return any(seated.online and not seated.fault and seated.who.id != you for seated in self.roster)

    @property
    def replies(self) -> list[Row]:
        """What roles said, oldest first: what one can ask the reason of."""
        return [row for row in self.rows if row.kind == "said" and row.author.kind == "role"]

    def is_silent_after(self, seq: int) -> bool:
        """Whether the room has fallen silent after that event."""
        return not self.busy and self.silent_after >= seq

    def _enter(self, welcome: Welcome) -> Change:
        state = next((room for room in welcome.rooms if room.room == self.room or not self.room), None)
        if state is None:
            return NOTHING
        cleared = not state.recovered or state.epoch != self.epoch
        if cleared:
            self._clear(state)
        self.room, self.name, self.premise, self.epoch = state.room, state.name, state.premise, state.epoch
        self.roster, self.busy, self.thinking = state.roster, state.busy, ""
        self.silent_after = self.silent_after if state.busy else max(self.silent_after, state.head)
        before = set(self.running)
        self.running = {snap.turn: _turn(snap) for snap in state.running}
        changes = [self._commit(event) for event in state.events]
        return Change(
            cleared=cleared,
            added=tuple(row for change in changes for row in change.added),
            removed=tuple(id_ for change in changes for id_ in change.removed),
            turns=tuple(before | set(self.running)),
            roster=True,
        )

    def _clear(self, state: RoomState) -> None:
        self.rows, self._gone, self._seqs = [], set(), set()
        self.silent_after, self.more_before = 0, state.more

    def _commit(self, frame: DurableFrame) -> Change:
        rows = self._rows_of([frame])
        for row in rows:
            self._insert(row)
        turns: tuple[str, ...] = ()
        roster = False
        match frame:
            case RetriedFrame():
                self.rows = [row for row in self.rows if row.id != frame.supersedes]
                return Change(removed=(frame.supersedes,))
            case EndFrame():
                turns = (frame.id,) if self.running.pop(frame.id, None) else ()
                self.thinking = "" if self.thinking == frame.author.id else self.thinking
                roster = True
            case PostedFrame() | JoinedFrame() | LeftFrame():
                pass  # who is here now is for the presence frame to say: these may be old
        return Change(added=rows, turns=turns, roster=roster)

    def _rows_of(self, events: Iterable[DurableFrame]) -> tuple[Row, ...]:
        """Rows for events not seen before, those that a retry took away left out."""
        events = [event for event in events if event.seq not in self._seqs]
        self._seqs.update(event.seq for event in events)
        self._gone.update(event.supersedes for event in events if isinstance(event, RetriedFrame))
        rows = (_row(event) for event in events)
        return tuple(row for row in rows if row is not None and row.id not in self._gone)

    def _insert(self, row: Row) -> None:
        if not self.rows or self.rows[-1].seq < row.seq:
            self.rows.append(row)
        else:
            insort(self.rows, row, key=lambda other: other.seq)

    def _grow(self, frame: Start | Snap | Delta) -> Change:
        if isinstance(frame, Delta):
            return self._append(frame)
        self.running[frame.turn] = _turn(frame)
        return Change(turns=(frame.turn,), roster=True)

    def _append(self, delta: Delta) -> Change:
        turn = self.running.get(delta.turn)
        if turn is None or delta.offset > len(turn.text):
            return NOTHING  # words are missing before these: the next snap or end brings them all
        fresh = delta.text[len(turn.text) - delta.offset :]
        if not fresh:
            return NOTHING
        self.running[delta.turn] = msgspec.structs.replace(turn, text=turn.text + fresh)
        return Change(turns=(delta.turn,), roster=not turn.text)

    def _pass_floor(self, floor: Floor) -> Change:
        self.busy, self.thinking = floor.busy, floor.next if floor.busy else ""
        if not floor.busy:
            self.silent_after = max(self.silent_after, floor.seq)
        return Change(roster=True)


def presence_of(seated: Seated) -> str:
    """A sentence that tells whether somebody is here."""
    if seated.fault:
        return f"{seated.who.name} can't speak: {seated.fault}"
    return f"{seated.who.name} is {'here' if seated.online else 'away'}"


def _turn(frame: Start | Snap) -> RunningTurn:
    text = frame.text if isinstance(frame, Snap) else ""
    return RunningTurn(id=frame.turn, author=frame.author, text=text, audience=frame.audience)


def _row(event: DurableFrame) -> Row | None:
    match event:
        case PostedFrame():
            return Row(seq=event.seq, id=event.id, author=event.author, text=event.text, audience=event.audience)
        case EndFrame():
            return _reply(event)
        case JoinedFrame():
            return Row(seq=event.seq, id=f"joined-{event.seq}", author=event.who, kind="joined")
        case LeftFrame():
            return Row(seq=event.seq, id=f"left-{event.seq}", author=event.who, kind="left")
        case _:
            return None


def _reply(event: EndFrame) -> Row:
    return Row(
        seq=event.seq,
        id=event.id,
        author=event.author,
        kind="failed" if event.status == "failed" else "said",
        text=event.text,
        status=event.status,
        error=(event.error or event.code) if event.status == "failed" else "",
        audience=event.audience,
        passages=event.passages,
        usage=event.usage,
    )
