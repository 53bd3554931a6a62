"""A room from a person's line to silence, with the real log and the scripted engine."""

from pathlib import Path

import pytest

from chatroom.engines.scripted import Gate, Reply
from chatroom.errors import EngineError, RefusedError
from chatroom.frames import (
    Delta,
    Dismiss,
    EndFrame,
    Floor,
    History,
    Invite,
    PostedFrame,
    Presence,
    Retry,
    Say,
    Seat,
    Start,
    Stop,
)
from chatroom.messages import Speaker
from chatroom.rooms import RoomFile
from chatroom.speaking import TurnLimits
from tests.table import Table, table, write_role


def ends(at: Table) -> list[EndFrame]:
    return [frame for frame, _ in at.told if isinstance(frame, EndFrame)]


async def test_who_is_addressed_answers_streaming(tmp_path: Path) -> None:
    async with table(tmp_path) as at:
        ann = await at.enter("Ann")
        at.script(" Lit since six.")
        answers = await at.say(ann, "Is it lit, Mara?")
        assert [(m.author.name, m.text) for m in answers] == [("Mara", "Lit since six.")]
        turn = ends(at)[-1].id
        streamed = "".join(f.text for f, _ in at.told if isinstance(f, Delta) and f.turn == turn)
        assert streamed == "Lit since six."
        kinds = [type(f) for f, _ in at.told if isinstance(f, PostedFrame | Start | Delta | EndFrame)]
        assert (kinds[0], kinds[1], kinds[-1]) == (PostedFrame, Start, EndFrame)


async def test_durable_frames_carry_a_chain(tmp_path: Path) -> None:
    async with table(tmp_path) as at:
        ann = await at.enter("Ann")
        await at.say(ann, "Mara, Tobin?")
        chain = [(f.prev, f.seq) for f, _ in at.told if isinstance(f, PostedFrame | EndFrame)]
        assert [prev for prev, _ in chain[1:]] == [seq for _, seq in chain[:-1]]


async def test_characters_answer_each_other_then_stop(tmp_path: Path) -> None:
    async with table(tmp_path, limits=TurnLimits(without_person=3)) as at:
        ann = await at.enter("Ann")
        at.script(" Ask Tobin. Tobin?", " Mara, you tell it.", " No, Tobin.", " Mara!")
        answers = await at.say(ann, "Mara, who rows?")
        assert [m.author.id for m in answers] == ["mara", "tobin", "mara"]


async def test_a_stolen_line_is_cut_and_given_back(tmp_path: Path) -> None:
    async with table(tmp_path) as at:
        ann = await at.enter("Ann")
        at.script(" I say no.\nTobin: And I say yes.", " My own words.")
        answers = await at.say(ann, "Mara, yes or no?")
        assert [(m.author.id, m.text) for m in answers] == [("mara", "I say no."), ("tobin", "My own words.")]


async def test_speech_during_a_turn_is_heard_next(tmp_path: Path) -> None:
    gate = Gate()
    async with table(tmp_path) as at:
        ann, ben = await at.enter("Ann"), await at.enter("Ben")
        at.script(Reply(text=" One two three.", gate=gate, after=1), " Yes, Ben.")
        said = await at.manager.receive(Say(cid="a", room="inn", text="Mara, count."), ann)
        await gate.reached.wait()
        meant = await at.manager.receive(Say(cid="b", room="inn", text="Tobin, did you hear?"), ben)
        gate.opened.set()
        assert said is not None
        assert meant is not None
        await at.silence(meant.seq)
        await at.until(lambda: len(ends(at)) == 2)
        assert [m.text for m in at.room.room.messages[-4:]] == [
            "Mara, count.",
            "Tobin, did you hear?",
            "One two three.",
            "Yes, Ben.",
        ]
        assert "Ben: Tobin, did you hear?" in [line.text for line in at.prompts[-1].lines]


async def test_a_stop_keeps_what_was_said(tmp_path: Path) -> None:
    gate = Gate()
    async with table(tmp_path) as at:
        ann = await at.enter("Ann")
        at.script(Reply(text=" One two three four.", gate=gate, after=2))
        await at.manager.receive(Say(cid="a", room="inn", text="Mara, count."), ann)
        await gate.reached.wait()
        await at.manager.receive(Stop(cid="s", room="inn"), ann)
        await at.until(lambda: ends(at))
        assert (ends(at)[0].status, ends(at)[0].text) == ("stopped", "One two")
        assert at.engine.told == 2
        with pytest.raises(RefusedError, match="nobody is speaking"):
            await at.manager.receive(Stop(cid="s2", room="inn"), ann)


async def test_a_retry_replaces_the_reply(tmp_path: Path) -> None:
    async with table(tmp_path) as at:
        ann = await at.enter("Ann")
        at.script(" First.", " Second.")
        await at.say(ann, "Mara?")
        ok = await at.manager.receive(Retry(cid="r", room="inn", id=ends(at)[0].id), ann)
        assert ok is not None
        await at.silence(ok.seq)
        assert [m.text for m in at.room.room.messages] == ["Mara?", "Second."]
        first, second = (asked.sampling.seed for asked in at.engine.asked)
        assert first != second
        assert at.prompts[0].lines == at.prompts[1].lines


async def test_a_failed_turn_is_told_and_passed(tmp_path: Path) -> None:
    async with table(tmp_path) as at:
        ann = await at.enter("Ann")
        at.script(Reply(text=" Well", error=EngineError("the engine died", code="engine_lost")), " Here.")
        answers = await at.say(ann, "Mara? Tobin?")
        failed = ends(at)[0]
        assert (failed.status, failed.code, failed.error, failed.text) == (
            "failed",
            "engine_lost",
            "the engine died",
            "Well",
        )
        assert [m.author.id for m in answers] == ["mara", "tobin"]


async def test_an_empty_reply_is_asked_for_again(tmp_path: Path) -> None:
    async with table(tmp_path) as at:
        ann = await at.enter("Ann")
        at.script("  ", " Something.")
        assert [m.text for m in await at.say(ann, "Mara?")] == ["Something."]
        at.script("", "")
        await at.say(ann, "Mara?")
        assert [(end.status, end.code, end.author.id) for end in ends(at)[1:]] == [
            ("failed", "empty", "mara"),
            ("complete", "", "tobin"),
        ]


async def test_a_silent_engine_runs_out_of_time(tmp_path: Path) -> None:
    async with table(tmp_path, limits=TurnLimits(first_token=0.01)) as at:
        ann = await at.enter("Ann")
        at.script(Reply(text=" Never.", gate=Gate()))
        await at.say(ann, "Mara?")
        assert (ends(at)[0].status, ends(at)[0].code) == ("failed", "timeout")


async def test_whispers_reach_only_their_audience(tmp_path: Path) -> None:
    async with table(tmp_path) as at:
        ann, ben = await at.enter("Ann"), await at.enter("Ben")
        secret = frozenset({ann.id, "mara"})
        at.script(" I will keep it.", " What?", " Aye.")
        await at.say(ann, "The map is in the bell.", audience=secret)
        whispered = [(f, audience) for f, audience in at.told if isinstance(f, PostedFrame | EndFrame | Delta | Start)]
        assert all(audience is not None and ben.id not in audience for _, audience in whispered)
        answers = await at.say(ben, "Tobin, Mara, what is it?")
        assert [m.author.id for m in answers] == ["tobin", "mara"]
        tobin, mara = at.prompts[-2:]
        assert "bell" not in str(tobin.lines) + str(tobin.tail)
        assert "Ann: The map is in the bell." in mara.tail[0]
        assert tobin.lines == mara.lines[: len(tobin.lines)]
        bens = [f for f, audience in at.told if isinstance(f, PostedFrame) and (audience is None or ben.id in audience)]
        assert bens[-1].prev == bens[-1].seq - 3


async def test_a_returning_reader_gets_what_it_missed(tmp_path: Path) -> None:
    async with table(tmp_path) as at:
        ann = await at.enter("Ann")
        await at.say(ann, "Mara?")
        state = await at.manager.enter(Seat(room="inn"), ann, lambda: None)
        assert not state.recovered
        assert state.events[-1].seq == state.head
        await at.say(ann, "Tobin?")
        again = await at.manager.enter(Seat(room="inn", epoch=state.epoch, seq=state.head), ann, lambda: None)
        assert again.recovered
        assert again.events[0].prev == state.head
        assert [e.seq for e in again.events] == list(range(state.head + 1, again.head + 1))


@pytest.mark.parametrize("seat", [Seat(room="inn", epoch="other", seq=1), Seat(room="inn", epoch="", seq=9999)])
async def test_a_foreign_past_is_not_recovered(tmp_path: Path, seat: Seat) -> None:
    async with table(tmp_path) as at:
        state = await at.manager.enter(seat, at.manager.admit("Ann"), lambda: None)
        assert not state.recovered


async def test_history_is_paged_both_ways(tmp_path: Path) -> None:
    async with table(tmp_path) as at:
        ann = await at.enter("Ann")
        for text in ("Mara, one?", "Mara, two?", "Mara, three?"):
            await at.say(ann, text)
        head = at.room.room.head
        back = await at.manager.receive(History(cid="h", room="inn", before=head, limit=2), ann)
        assert back is not None
        assert ([e.seq for e in back.events], back.more) == ([head - 2, head - 1], True)
        on = await at.manager.receive(History(cid="i", room="inn", after=head - 2, limit=5), ann)
        assert on is not None
        assert ([e.seq for e in on.events], on.more) == ([head - 1, head], False)


async def test_saying_twice_posts_once(tmp_path: Path) -> None:
    async with table(tmp_path) as at:
        ann = await at.enter("Ann")
        first = await at.manager.receive(Say(cid="same", room="inn", text="Mara?"), ann)
        again = await at.manager.receive(Say(cid="same", room="inn", text="Mara?"), ann)
        assert first is not None
        assert again is not None
        assert (again.seq, again.id, again.dup) == (first.seq, first.id, True)
        with pytest.raises(RefusedError) as refused:
            await at.manager.receive(Say(cid="same", room="inn", text="Other."), ann)
        assert refused.value.code == "cid_conflict"


async def test_roles_are_invited_greet_and_leave(tmp_path: Path) -> None:
    write_role(tmp_path / "roles", "ilse", extra='greeting = "Good evening."')
    async with table(tmp_path) as at:
        ann = await at.enter("Ann")
        await at.say(ann, "Mara, Tobin?")
        await at.manager.receive(Invite(cid="i", room="inn", role="Ilse"), ann)
        assert at.room.room.messages[-1].text == "Good evening."
        assert not at.room._conductor.busy
        await at.say(ann, "Ilse, sit.")
        assert "Ilse sits down at the table." in [line.text for line in at.prompts[-1].lines]
        await at.manager.receive(Dismiss(cid="d", room="inn", role="ilse"), ann)
        assert "ilse" not in at.room.room.seats


async def test_an_edited_role_counts_from_the_next_turn(tmp_path: Path) -> None:
    async with table(tmp_path) as at:
        ann = await at.enter("Ann")
        await at.say(ann, "Mara?")
        write_role(tmp_path / "roles", "mara", persona="Mara has a new coat today.")
        await at.say(ann, "Mara?")
        assert "new coat" in str(at.prompts[-1].tail)
        (tmp_path / "roles/mara/role.toml").write_text("name = 7", "utf-8")
        answers = await at.say(ann, "Mara? Tobin?")
        assert [m.author.id for m in answers] == ["tobin"]
        failed = ends(at)[-2]
        assert (failed.author.id, failed.code) == ("mara", "bad_folder")
        assert "role.toml: name" in failed.error
        await at.until(lambda: any(isinstance(f, Presence) and f.roster[0].fault for f, _ in at.told))


async def test_a_broken_role_is_not_asked_unaddressed(tmp_path: Path) -> None:
    async with table(tmp_path, turns="round_robin") as at:
        ann = await at.enter("Ann")
        (tmp_path / "roles/mara/role.toml").write_text("name = 7", "utf-8")
        assert [m.author.id for m in await at.say(ann, "So.")] == ["tobin"]


async def test_a_broken_role_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "roles/bad").mkdir(parents=True)
    (tmp_path / "roles/bad/role.toml").write_text("name = ", "utf-8")
    async with table(tmp_path, ("mara", "bad")) as at:
        ann = await at.enter("Ann")
        assert list(at.room.room.seats) == ["mara"]
        assert [m.author.id for m in await at.say(ann, "Hello?")] == ["mara"]


@pytest.mark.parametrize("absence", ["told", "unheard"])
async def test_who_comes_late_hears_by_the_rooms_rule(tmp_path: Path, absence: str) -> None:
    write_role(tmp_path / "roles", "ilse")
    async with table(tmp_path, absence=absence) as at:
        ann = await at.enter("Ann")
        await at.say(ann, "Mara, an old secret.")
        await at.manager.receive(Invite(cid="i", room="inn", role="ilse"), ann)
        await at.say(ann, "Ilse, what do you know?")
        prompt = at.prompts[-1]
        assert ("an old secret" in str(prompt.lines)) == (absence == "told")
        assert prompt.view == ("inn/" if absence == "told" else "inn/ilse")


async def test_scores_let_the_model_choose(tmp_path: Path) -> None:
    async with table(tmp_path, ("mara", "tobin", "ilse"), turns="director") as at:
        ann = await at.enter("Ann")
        at.script(*[" Aye."] * 8)
        first = await at.say(ann, "Mara, hello.")
        assert first[0].author.id == "mara"
        assert len(first) <= 4


@pytest.mark.parametrize("name", ["", "  ", "Mara", "ｍａｒａ", "A\nB", "A\u202eB", "x" * 60, "a:b"])
async def test_bad_names_are_refused(tmp_path: Path, name: str) -> None:
    async with table(tmp_path) as at:
        with pytest.raises(RefusedError):
            at.manager.admit(name)


async def test_a_room_comes_back_as_it_was(tmp_path: Path) -> None:
    async with table(tmp_path) as at:
        ann = await at.enter("Ann")
        await at.say(ann, "Mara?")
        said, prompt = list(at.room.room.messages), at.prompts[-1]
    async with table(tmp_path) as at:
        assert at.room.room.messages == said
        ann = await at.enter("Ann")
        await at.say(ann, "Tobin?")
        assert at.prompts[-1].lines[: len(prompt.lines)] == prompt.lines


async def test_closing_ends_a_turn_as_interrupted(tmp_path: Path) -> None:
    gate = Gate()
    async with table(tmp_path) as at:
        ann = await at.enter("Ann")
        at.script(Reply(text=" One two three.", gate=gate, after=2))
        await at.manager.receive(Say(cid="a", room="inn", text="Mara?"), ann)
        await gate.reached.wait()
    async with table(tmp_path) as at:
        assert at.room.room.messages[-1].text == "One two"
        assert at.room.room.waiting() == []


async def test_floor_tells_who_thinks(tmp_path: Path) -> None:
    async with table(tmp_path) as at:
        ann = await at.enter("Ann")
        assert isinstance(ann, Speaker)
        await at.say(ann, "Mara?")
        floors = [(f.busy, f.next) for f, _ in at.told if isinstance(f, Floor)]
        assert floors == [(True, "mara"), (False, "")]


async def test_a_line_said_during_a_turn_is_owed_an_answer(tmp_path: Path) -> None:
    gate = Gate()
    async with table(tmp_path) as at:
        ann = await at.enter("Ann")
        at.script(Reply(text=" To the first.", gate=gate, after=1), " To the second.")
        await at.manager.receive(Say(cid="a", room="inn", text="First."), ann)
        await gate.reached.wait()
        second = await at.manager.receive(Say(cid="b", room="inn", text="Second."), ann)
        gate.opened.set()
        assert second is not None
        await at.until(lambda: len(ends(at)) == 2)
        assert [end.text for end in ends(at)] == ["To the first.", "To the second."]


@pytest.mark.parametrize("name", ["../outside", "nobody", "/etc", "mara/../mara", "x" * 100])
async def test_only_roles_of_the_folder_are_invited(tmp_path: Path, name: str) -> None:
    write_role(tmp_path, "outside")
    async with table(tmp_path) as at:
        ann = await at.enter("Ann")
        with pytest.raises(RefusedError) as refused:
            await at.manager.receive(Invite(cid="i", room="inn", role=name), ann)
        assert refused.value.code == "bad_role"


async def test_a_room_made_meanwhile_is_found(tmp_path: Path) -> None:
    made = RoomFile(id="attic", name="Attic", roles=("mara",))
    async with table(tmp_path) as at:
        with pytest.raises(RefusedError, match="there are: inn"):
            await at.manager.enter(Seat(room="attic"), at.manager.admit("Ann"), lambda: None)
    async with table(tmp_path, find={"attic": made}.__getitem__) as at:
        state = await at.manager.enter(Seat(room="attic"), at.manager.admit("Ann"), lambda: None)
        assert state.name == "Attic"
