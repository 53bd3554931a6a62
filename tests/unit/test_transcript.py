"""Frames folded into what a screen shows."""

from chatroom.clients._transcript import Transcript
from chatroom.frames import (
    Delta,
    DurableFrame,
    EndFrame,
    Floor,
    JoinedFrame,
    LeftFrame,
    Limits,
    PostedFrame,
    Presence,
    RetriedFrame,
    RoomState,
    Seated,
    Snap,
    Start,
    TypingFrame,
    Welcome,
)
from chatroom.messages import Speaker

ANN = Speaker(id="~ann", name="Ann", kind="person")
MARA = Speaker(id="mara", name="Mara", kind="role")
TOBIN = Speaker(id="tobin", name="Tobin", kind="role")


def posted(seq: int, text: str) -> PostedFrame:
    return PostedFrame(room="r", seq=seq, prev=seq - 1, at=0, id=f"p{seq}", author=ANN, text=text)


def end(seq: int, text: str, turn: str = "", status: str = "complete", error: str = "") -> EndFrame:
    id_ = turn or f"e{seq}"
    return EndFrame(room="r", seq=seq, prev=seq - 1, at=0, id=id_, author=MARA, text=text, status=status, error=error)


def retried(seq: int, id_: str) -> RetriedFrame:
    return RetriedFrame(room="r", seq=seq, prev=seq - 1, at=0, supersedes=id_, by="~ann")


def delta(offset: int, text: str, turn: str = "t") -> Delta:
    return Delta(room="r", turn=turn, offset=offset, text=text)


def welcome(
    *events: DurableFrame,
    epoch: str = "e",
    recovered: bool = False,
    busy: bool = False,
    running: tuple[Snap, ...] = (),
    more: bool = False,
) -> Welcome:
    state = RoomState(
        room="r",
        name="Room",
        premise="A room.",
        epoch=epoch,
        head=events[-1].seq if events else 0,
        roster=(Seated(who=MARA), Seated(who=TOBIN), Seated(who=ANN)),
        recovered=recovered,
        events=events,
        more=more,
        busy=busy,
        running=running,
    )
    return Welcome(you=ANN, session="s", server="v", limits=Limits(), rooms=(state,))


def joined(*events: DurableFrame, **state: object) -> Transcript:
    transcript = Transcript()
    transcript.fold(welcome(*events, **state))
    return transcript


def texts(transcript: Transcript) -> list[str]:
    return [row.text for row in transcript.rows]


def test_messages_stand_in_order_of_seq() -> None:
    transcript = joined(posted(4, "four"))
    transcript.fold(end(5, "five"))
    transcript.fold_earlier([posted(2, "two"), end(3, "three")], more=True)
    assert texts(transcript) == ["two", "three", "four", "five"]
    assert transcript.more_before


def test_a_message_seen_twice_stands_once() -> None:
    transcript = joined(posted(1, "one"))
    assert transcript.fold(posted(1, "one")).added == ()
    assert texts(transcript) == ["one"]


def test_deltas_grow_the_running_turn() -> None:
    transcript = joined()
    transcript.fold(Start(room="r", turn="t", author=MARA))
    transcript.fold(delta(0, "Good "))
    change = transcript.fold(delta(5, "evening"))
    assert transcript.running["t"].text == "Good evening"
    assert change.turns == ("t",)


def test_a_doubled_delta_is_ignored() -> None:
    transcript = joined()
    transcript.fold(Start(room="r", turn="t", author=MARA))
    transcript.fold(delta(0, "Good "))
    assert transcript.fold(delta(0, "Good ")).turns == ()
    transcript.fold(delta(3, "d eve"))
    assert transcript.running["t"].text == "Good eve"


def test_a_gap_waits_for_the_snap() -> None:
    transcript = joined()
    transcript.fold(Start(room="r", turn="t", author=MARA))
    transcript.fold(delta(5, "evening"))
    assert transcript.running["t"].text == ""
    transcript.fold(Snap(room="r", turn="t", author=MARA, text="Good evening"))
    transcript.fold(delta(12, "!"))
    assert transcript.running["t"].text == "Good evening!"


def test_the_end_brings_the_whole_text() -> None:
    transcript = joined()
    transcript.fold(Start(room="r", turn="t", author=MARA))
    transcript.fold(delta(9, "lost"))
    change = transcript.fold(end(1, "All of it.", turn="t"))
    assert not transcript.running
    assert [row.text for row in change.added] == ["All of it."]
    assert change.turns == ("t",)


def test_deltas_after_the_end_change_nothing() -> None:
    transcript = joined(end(1, "Done.", turn="t"))
    transcript.fold(delta(5, " more"))
    assert not transcript.running


def test_a_retried_message_goes_away() -> None:
    transcript = joined(posted(1, "hello"), end(2, "no", turn="t"))
    assert transcript.fold(retried(3, "t")).removed == ("t",)
    transcript.fold(end(4, "yes", turn="u"))
    assert texts(transcript) == ["hello", "yes"]


def test_a_retried_message_on_an_earlier_page_stays_away() -> None:
    transcript = joined(retried(3, "t"), end(4, "yes", turn="u"), more=True)
    transcript.fold_earlier([posted(1, "hello"), end(2, "no", turn="t")], more=False)
    assert texts(transcript) == ["hello", "yes"]


def test_a_failed_turn_tells_its_reason() -> None:
    transcript = joined()
    transcript.fold(end(1, "", status="failed", error="the engine is gone"))
    (row,) = transcript.rows
    assert (row.kind, row.error) == ("failed", "the engine is gone")


def test_speakers_think_then_speak() -> None:
    transcript = joined()
    mara, tobin, _ = transcript.roster
    transcript.fold(Floor(room="r", seq=1, busy=True, next="mara"))
    assert (transcript.state_of(mara), transcript.state_of(tobin)) == ("thinking", "idle")
    transcript.fold(Start(room="r", turn="t", author=MARA))
    assert transcript.state_of(mara) == "thinking"
    transcript.fold(delta(0, "Well"))
    assert transcript.state_of(mara) == "speaking"
    transcript.fold(end(2, "Well.", turn="t"))
    assert transcript.state_of(mara) == "idle"


def test_absence_and_fault_are_told() -> None:
    transcript = joined()
    transcript.fold(Presence(room="r", roster=(Seated(who=MARA, fault="no adapter"), Seated(who=ANN, online=False))))
    assert [transcript.state_of(seated) for seated in transcript.roster] == ["fault", "offline"]


def test_old_comings_and_goings_seat_nobody() -> None:
    eve = Speaker(id="~eve", name="Eve", kind="person")
    transcript = joined(
        JoinedFrame(room="r", seq=1, prev=0, at=0, who=eve), LeftFrame(room="r", seq=2, prev=1, at=0, who=TOBIN)
    )
    transcript.fold(JoinedFrame(room="r", seq=3, prev=2, at=0, who=eve))
    assert [seated.who.id for seated in transcript.roster] == ["mara", "tobin", "~ann"]
    assert [row.kind for row in transcript.rows] == ["joined", "left", "joined"]


def test_a_table_of_the_broken_and_the_gone_is_silent() -> None:
    transcript = joined()
    assert transcript.anybody_else("~ann")
    broken, gone = Seated(who=MARA, fault="no adapter"), Seated(who=TOBIN, online=False)
    transcript.fold(Presence(room="r", roster=(broken, gone, Seated(who=ANN))))
    assert not transcript.anybody_else("~ann")
    assert transcript.faults == ("Mara can't speak: no adapter",)


def test_silence_counts_from_its_event() -> None:
    transcript = joined(posted(1, "one"), busy=True)
    assert not transcript.is_silent_after(1)
    transcript.fold(Floor(room="r", seq=2, busy=False))
    assert transcript.is_silent_after(2)
    assert not transcript.is_silent_after(3)


def test_a_quiet_room_is_silent_at_once() -> None:
    assert joined(posted(7, "one")).is_silent_after(7)


def test_a_recovered_room_goes_on() -> None:
    transcript = joined(posted(1, "one"))
    change = transcript.fold(welcome(posted(2, "two"), recovered=True))
    assert not change.cleared
    assert texts(transcript) == ["one", "two"]


def test_a_new_epoch_clears_the_room() -> None:
    transcript = joined(posted(1, "one"), posted(2, "two"))
    change = transcript.fold(welcome(posted(1, "other"), epoch="f", recovered=True))
    assert change.cleared
    assert texts(transcript) == ["other"]


def test_an_unrecovered_room_is_cleared() -> None:
    transcript = joined(posted(1, "one"))
    assert transcript.fold(welcome(posted(9, "nine"), recovered=False)).cleared
    assert texts(transcript) == ["nine"]


def test_turns_that_vanished_while_away_stop() -> None:
    transcript = joined(running=(Snap(room="r", turn="t", author=MARA, text="Well"),), busy=True)
    assert transcript.running["t"].text == "Well"
    assert "t" in transcript.fold(welcome(recovered=True)).turns
    assert not transcript.running


def test_other_rooms_and_kinds_change_nothing() -> None:
    transcript = joined()
    before = texts(transcript)
    transcript.fold(PostedFrame(room="elsewhere", seq=1, prev=0, at=0, id="x", author=ANN, text="hi"))
    transcript.fold(TypingFrame(room="r", who=ANN))
    assert texts(transcript) == before
