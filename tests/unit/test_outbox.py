"""What one reader gets from a room, told by a sink that takes as many bytes as the test lets it."""

import asyncio
from collections.abc import Callable

import pytest

from chatroom.frames import (
    AnyServerFrame,
    Delta,
    EndFrame,
    Floor,
    Ok,
    PostedFrame,
    ServerFrame,
    Snap,
    Start,
    decode_server,
)
from chatroom.messages import Audience, Speaker
from chatroom.server.bounds import Bounds
from chatroom.server.broadcast import Broadcast
from chatroom.server.outbox import Outbox
from chatroom.server.peer import packed
from chatroom.server.rates import Rates

ANN = Speaker(id="~ann", name="Ann", kind="person")
MARA = Speaker(id="mara", name="Mara Vell", kind="role")
BOUNDS = Bounds(unsent_shed=1000, unsent_cut=4000, unsent_early=500, stalled=15.0)
WELCOME = packed(Floor(room="tavern", seq=0, busy=False))


class Sink:
    """A socket whose peer reads only when told to."""

    def __init__(self, *, reads: bool = True) -> None:
        self.reads = reads
        self.writes: list[bytes] = []
        self.waiting = 0
        self.arrived = asyncio.Event()
        self.aborts = 0

    def write(self, raw: bytes) -> None:
        self.writes.append(raw)
        self.arrived.set()
        self.waiting += 0 if self.reads else len(raw)

    def unsent(self) -> int:
        return self.waiting

    def abort(self) -> None:
        self.aborts += 1

    def frames(self) -> list[AnyServerFrame]:
        return [frame for raw in self.writes for frame in unpacked(raw)]


def unpacked(raw: bytes) -> list[AnyServerFrame]:
    """Splits what was written into frames again, by the lengths that RFC 6455 puts before them."""
    found = []
    while raw:
        assert raw[0] == 0x81
        start, length = (4, int.from_bytes(raw[2:4], "big")) if raw[1] == 126 else (2, raw[1])
        frame = decode_server(raw[start : start + length])
        assert frame is not None
        found.append(frame)
        raw = raw[start + length :]
    return found


def reader(sink: Sink, id: str = "~ann", *, bounds: Bounds = BOUNDS, opened: bool = True) -> Outbox:
    outbox = Outbox(sink, bounds)
    outbox.reader = id
    if opened:
        outbox.open(WELCOME)
        sink.writes.clear()
    return outbox


def posted(seq: int, text: str = "hello") -> PostedFrame:
    return PostedFrame(room="tavern", seq=seq, prev=seq - 1, at=1.0, id=f"m{seq}", author=ANN, text=text)


def begun(audience: Audience | None = None) -> Start:
    return Start(room="tavern", turn="t1", author=MARA, audience=audience)


def piece(offset: int, text: str, turn: str = "t1") -> Delta:
    return Delta(room="tavern", turn=turn, offset=offset, text=text)


def ended(text: str) -> EndFrame:
    return EndFrame(room="tavern", seq=9, prev=8, at=1.0, id="t1", author=MARA, text=text, status="complete")


@pytest.fixture
async def broadcast() -> Broadcast:
    return Broadcast(BOUNDS)


@pytest.fixture
def say(broadcast: Broadcast) -> Callable[..., None]:
    """Publishes frames and sends them at once."""

    def publish(*frames: ServerFrame, audience: Audience | None = None) -> None:
        for frame in frames:
            broadcast.publish("tavern", frame, audience)
        broadcast.flush()

    return publish


Say = Callable[..., None]


async def test_one_write_carries_many_frames(broadcast: Broadcast, say: Say) -> None:
    sinks = [Sink(), Sink()]
    for sink in sinks:
        broadcast.join("tavern", reader(sink))
    say(posted(1), posted(2), posted(3))
    assert [len(sink.writes) for sink in sinks] == [1, 1]
    assert sinks[0].writes[0] is sinks[1].writes[0]
    assert sinks[0].frames() == [posted(1), posted(2), posted(3)]


async def test_frames_leave_without_being_flushed(broadcast: Broadcast) -> None:
    sink = Sink()
    broadcast.join("tavern", reader(sink))
    for frame in (posted(1), piece(0, "The lamp")):
        sink.arrived.clear()
        broadcast.publish("tavern", frame, None)
        assert not sink.arrived.is_set()
        await asyncio.wait_for(sink.arrived.wait(), 10)


async def test_deltas_of_one_turn_merge(broadcast: Broadcast, say: Say) -> None:
    sink = Sink()
    broadcast.join("tavern", reader(sink))
    say(piece(0, "The "), piece(0, "What", "t2"), piece(4, "lamp"), piece(4, " now?", "t2"), piece(8, " is"))
    assert sink.frames() == [piece(0, "The lamp is"), piece(0, "What now?", "t2")]


async def test_merging_crosses_no_other_frame(broadcast: Broadcast, say: Say) -> None:
    sink = Sink()
    broadcast.join("tavern", reader(sink))
    frames = [piece(0, "The "), posted(1), piece(4, "lamp"), piece(99, "a gap")]
    say(*frames)
    assert sink.frames() == frames


async def test_welcome_comes_before_what_waited(broadcast: Broadcast, say: Say) -> None:
    early, late = Sink(), Sink()
    outbox = reader(late, opened=False)
    broadcast.join("tavern", reader(early))
    broadcast.publish("tavern", posted(1), None)
    broadcast.join("tavern", outbox)
    say(posted(2))
    assert late.writes == []
    outbox.open(WELCOME)
    assert late.frames() == [*unpacked(WELCOME), posted(2)]
    assert early.frames() == [posted(1), posted(2)]


async def test_audience_is_kept_for_every_frame(broadcast: Broadcast, say: Say) -> None:
    ann, bob = Sink(), Sink()
    broadcast.join("tavern", reader(ann, "~ann"))
    broadcast.join("tavern", reader(bob, "~bob"))
    whisper = frozenset({"~ann"})
    broadcast.publish("tavern", posted(1), None)
    for frame in (begun(whisper), piece(0, "psst"), ended("psst")):
        broadcast.publish("tavern", frame, whisper)
    say(posted(2))
    assert bob.frames() == [posted(1), posted(2)]
    assert ann.frames() == [posted(1), begun(whisper), piece(0, "psst"), ended("psst"), posted(2)]


async def test_who_left_gets_nothing_more(broadcast: Broadcast, say: Say) -> None:
    sink = Sink()
    outbox = reader(sink)
    broadcast.join("tavern", outbox)
    broadcast.leave("tavern", outbox)
    broadcast.leave("attic", outbox)
    say(posted(1))
    assert sink.writes == []


async def test_slow_reader_misses_deltas_only(broadcast: Broadcast, say: Say) -> None:
    sink = Sink(reads=False)
    broadcast.join("tavern", reader(sink))
    say(begun(), posted(1, "x" * 1100))
    say(piece(0, "The lamp"), posted(2))
    say(piece(8, " is lit."))
    assert sink.frames() == [begun(), posted(1, "x" * 1100), posted(2)]
    assert sink.aborts == 0


async def test_snap_heals_what_was_shed(broadcast: Broadcast, say: Say) -> None:
    sink = Sink(reads=False)
    broadcast.join("tavern", reader(sink))
    say(begun(), posted(1, "x" * 1100))
    say(piece(0, "The lamp"))
    sink.waiting = 700  # below the bound, but not yet well below
    say(piece(8, " is"))
    sink.writes.clear()
    sink.waiting = 0
    say(piece(11, " lit"))
    say(piece(15, "."))
    assert sink.frames() == [Snap(room="tavern", turn="t1", author=MARA, text="The lamp is lit"), piece(15, ".")]


async def test_quiet_turn_is_healed_by_time(broadcast: Broadcast, say: Say) -> None:
    sink = Sink(reads=False)
    outbox = reader(sink)
    broadcast.join("tavern", outbox)
    say(begun(), posted(1, "x" * 1100))
    say(piece(0, "The lamp"))
    sink.writes.clear()
    outbox.check(now=1.0)
    assert sink.writes == []
    sink.waiting = 0
    outbox.check(now=2.0)
    assert sink.frames() == [Snap(room="tavern", turn="t1", author=MARA, text="The lamp")]


async def test_end_needs_no_snap(broadcast: Broadcast, say: Say) -> None:
    sink = Sink(reads=False)
    outbox = reader(sink)
    broadcast.join("tavern", outbox)
    say(begun(), posted(1, "x" * 1100))
    say(piece(0, "The lamp"))
    sink.writes.clear()
    sink.waiting = 0
    say(ended("The lamp is lit."))
    outbox.check(now=1.0)
    assert sink.frames() == [ended("The lamp is lit.")]


async def test_backlog_beyond_bounds_is_cut(broadcast: Broadcast, say: Say) -> None:
    sink, other = Sink(reads=False), Sink()
    broadcast.join("tavern", reader(sink))
    broadcast.join("tavern", reader(other))
    for seq in range(1, 4):
        say(posted(seq, "x" * 1100))
    assert sink.aborts == 0
    say(posted(4, "x" * 1100))
    assert sink.aborts == 1
    assert len(other.frames()) == 4
    assert other.aborts == 0


async def test_big_answers_are_no_backlog(broadcast: Broadcast, say: Say) -> None:
    sink = Sink(reads=False)
    outbox = reader(sink)
    broadcast.join("tavern", outbox)
    outbox.answer(packed(Ok(cid="c" * 9000)))
    say(posted(1))
    outbox.check(now=1.0)
    assert sink.aborts == 0


async def test_early_backlog_is_cut_sooner() -> None:
    sink = Sink(reads=False)
    outbox = reader(sink, opened=False)
    sink.waiting = 501
    outbox.check(now=1.0)
    assert sink.aborts == 1


async def test_only_standing_still_is_stalled(broadcast: Broadcast, say: Say) -> None:
    sink = Sink(reads=False)
    outbox = reader(sink)
    broadcast.join("tavern", outbox)
    say(posted(1))
    for now in (0.0, 14.0):
        outbox.check(now)
    sink.waiting -= 1
    for now in (20.0, 34.0):
        outbox.check(now)
    assert sink.aborts == 0
    outbox.check(now=36.0)
    assert sink.aborts == 1


async def test_broken_text_costs_one_frame(broadcast: Broadcast, say: Say) -> None:
    sink = Sink()
    broadcast.join("tavern", reader(sink))
    say(posted(1), piece(0, "\ud800"), posted(2))
    assert sink.frames() == [posted(1), posted(2)]


def test_rate_lets_bursts_then_waits() -> None:
    rates = Rates(burst=2, per_second=4.0)
    assert [rates.take("~ann", now=0.0) for _ in range(3)] == [0, 0, 250]
    assert rates.take("~bob", now=0.0) == 0
    assert rates.take("~ann", now=0.25) == 0
    rates.forget(now=0.5)
    assert rates.take("~ann", now=0.5) == 0
    assert rates.take("~ann", now=0.5) > 0
