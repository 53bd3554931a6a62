"""What must not happen in a room: leaks by retry, lost lines, turns that hang, decisions made twice."""

import asyncio
from pathlib import Path

import pytest

from chatroom.engines.scripted import Gate, Reply
from chatroom.errors import EngineError, RefusedError
from chatroom.frames import Delta, EndFrame, Invite, JoinedFrame, Ok, Retry, Say, Stop
from chatroom.messages import Speaker
from chatroom.speaking import TurnLimits
from tests.table import Table, table, write_role


def ends(at: Table) -> list[EndFrame]:
    return [frame for frame, _ in at.told if isinstance(frame, EndFrame)]


async def send(at: Table, person: Speaker, text: str) -> Ok:
    ok = await at.manager.receive(Say(cid=f"c{len(at.told)}", room="inn", text=text), person)
    assert ok is not None
    return ok


async def test_a_retried_whisper_stays_a_whisper(tmp_path: Path) -> None:
    gate = Gate()
    async with table(tmp_path) as at:
        ann, ben = await at.enter("Ann"), await at.enter("Ben")
        secret = frozenset({ann.id, "mara"})
        at.script(Reply(text=" I keep it.", gate=gate, after=1), " In the bell, as you said.")
        whisper = await at.room.say("The map is in the bell.", ann, cid="w", audience=secret)
        await gate.reached.wait()
        await send(at, ben, "Ann, good evening.")
        gate.opened.set()
        await at.silence(whisper.seq)
        again = await at.manager.receive(Retry(cid="r", room="inn"), ann)
        assert again is not None
        await at.until(lambda: len(ends(at)) == 2)
        assert ends(at)[1].text == "In the bell, as you said."
        spoken = [heard for frame, heard in at.told if isinstance(frame, Delta | EndFrame)]
        assert all(heard is not None and heard <= secret for heard in spoken)


async def test_a_turn_handed_on_is_taken(tmp_path: Path) -> None:
    async with table(tmp_path) as at:
        ann = await at.enter("Ann")
        at.script("Tobin: I row.", " I row, friend.", " So he does.")
        answers = await at.say(ann, "Mara, who rows?")
        assert answers[0].author.id == "tobin"


async def test_a_stop_drops_nobody_elses_line(tmp_path: Path) -> None:
    gate = Gate()
    async with table(tmp_path) as at:
        ann, ben = await at.enter("Ann"), await at.enter("Ben")
        at.script(Reply(text=" One two three.", gate=gate, after=1), " I did, Ben.")
        await send(at, ann, "Mara, count.")
        await gate.reached.wait()
        await send(at, ben, "Tobin, did you hear?")
        await at.manager.receive(Stop(cid="s", room="inn"), ann)
        await at.until(lambda: len(ends(at)) == 2)
        assert [(end.author.id, end.status) for end in ends(at)] == [("mara", "stopped"), ("tobin", "complete")]


async def test_two_lines_during_a_turn_are_both_answered(tmp_path: Path) -> None:
    gate = Gate()
    async with table(tmp_path, ("mara", "tobin", "ilse")) as at:
        ann, ben = await at.enter("Ann"), await at.enter("Ben")
        at.script(Reply(text=" One two.", gate=gate, after=1), " It is.", " I did.")
        await send(at, ann, "Ilse, count.")
        await gate.reached.wait()
        await send(at, ann, "Mara, is it lit?")
        last = await send(at, ben, "Tobin, did you hear?")
        gate.opened.set()
        await at.silence(last.seq)
        assert [end.author.id for end in ends(at)] == ["ilse", "mara", "tobin"]


async def test_a_whisper_does_not_end_public_talk(tmp_path: Path) -> None:
    gate = Gate()
    async with table(tmp_path) as at:
        ann, ben = await at.enter("Ann"), await at.enter("Ben")
        at.script(Reply(text=" Here.", gate=gate), " Here too.")
        await send(at, ann, "Mara? Tobin?")
        await gate.reached.wait()
        whisper = await at.room.say("Ann, later.", ben, cid="w", audience=frozenset({ann.id, ben.id}))
        gate.opened.set()
        await at.silence(whisper.seq)
        assert [end.author.id for end in ends(at)] == ["mara", "tobin"]


async def test_half_a_character_does_not_stop_the_room(tmp_path: Path) -> None:
    async with table(tmp_path) as at:
        ann = await at.enter("Ann")
        at.script(" Yes \ud83d.", Reply(error=EngineError("no file \udcff", code="engine")))
        assert [m.text for m in await at.say(ann, "Mara?")] == ["Yes ?."]
        await at.say(ann, "Mara?")
        assert ends(at)[1].error == "no file ?"


@pytest.mark.parametrize("ask", ["count", "score"])
async def test_a_stuck_engine_fails_the_turn_only(tmp_path: Path, ask: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with table(tmp_path, turns="director", limits=TurnLimits(token_gap=0.05)) as at:
        ann = await at.enter("Ann")
        await at.say(ann, "Mara?")

        async def never(*_: object) -> None:
            await asyncio.Event().wait()

        with monkeypatch.context() as stuck:
            stuck.setattr(at.engine, ask, never)
            await at.say(ann, "So.")
        assert any(end.code in {"timeout", ""} for end in ends(at)[1:])
        assert [m.author.id for m in await at.say(ann, "Mara?")][:1] == ["mara"]


async def test_what_two_ask_at_once_happens_once(tmp_path: Path) -> None:
    write_role(tmp_path / "roles", "ilse", extra='greeting = "Good evening."')
    async with table(tmp_path) as at:
        ann = await at.enter("Ann")
        await at.say(ann, "Mara?")
        asked = [at.manager.receive(Invite(cid=f"i{i}", room="inn", role="ilse"), ann) for i in range(2)]
        got = await asyncio.gather(*asked, return_exceptions=True)
        assert sorted(type(each) is RefusedError for each in got) == [False, True]
        assert sum(isinstance(frame, JoinedFrame) and frame.who.id == "ilse" for frame, _ in at.told) == 1
        await asyncio.gather(at.enter("Wen"), at.enter("Wen"))
        assert sum(isinstance(frame, JoinedFrame) and frame.who.name == "Wen" for frame, _ in at.told) <= 1


async def test_guests_who_left_are_no_candidates(tmp_path: Path) -> None:
    async with table(tmp_path, turns="director") as at:
        for number in range(80):
            guest = await at.enter(f"Guest {number}")
            at.manager.leave("inn", guest)
        view = at.room.room.view([], [], None)
        assert view.persons == ()


async def test_a_restart_does_not_begin_to_talk(tmp_path: Path) -> None:
    async with table(tmp_path, turns="lively") as at:
        ann = await at.enter("Ann")
        await at.say(ann, "Mara?")
        head = at.room.room.head
    async with table(tmp_path, turns="lively") as at:
        assert at.room.room.waiting() == []
        assert at.room.room.head == head


async def test_an_end_that_nobody_hears_is_told(tmp_path: Path) -> None:
    gate = Gate()
    async with table(tmp_path) as at:
        ann = await at.enter("Ann")
        at.script(Reply(text=" One two.", gate=gate, after=1))
        await send(at, ann, "Mara?")
        await gate.reached.wait()
        at.manager.leave("inn", ann)
        gate.opened.set()
        await at.until(lambda: ends(at))
        assert [heard for frame, heard in at.told if isinstance(frame, EndFrame)] == [frozenset()]


async def test_only_those_who_hear_a_turn_stop_it(tmp_path: Path) -> None:
    gate = Gate()
    async with table(tmp_path) as at:
        ann, ben = await at.enter("Ann"), await at.enter("Ben")
        at.script(Reply(text=" One two.", gate=gate, after=1))
        await at.room.say("Count.", ann, cid="w", audience=frozenset({ann.id, "mara"}))
        await gate.reached.wait()
        with pytest.raises(RefusedError, match="nobody is speaking"):
            await at.manager.receive(Stop(cid="b", room="inn"), ben)
        await at.manager.receive(Stop(cid="a", room="inn"), ann)
        await at.until(lambda: ends(at))
        assert ends(at)[0].status == "stopped"
