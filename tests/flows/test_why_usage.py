"""How much of a prompt was still in memory: from the engine, through the log, to whoever asks why."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from chatroom.engines import base as contract
from chatroom.engines._lmdeploy.frames import read_frame
from chatroom.engines.base import EngineOptions
from chatroom.engines.openai_api import Engine as Remote
from chatroom.engines.scripted import Gate, Reply
from chatroom.engines.transformers_peft import Engine as Embedded
from chatroom.engines.turbomind import Engine as TurboMind
from chatroom.errors import EngineError
from chatroom.frames import EndFrame
from chatroom.history.base import EVERYTHING
from chatroom.history.sqlite import History
from chatroom.messages import Adapter, Ended, Line, Prompt, Running, Sampling, Speaker, Usage
from tests.flows.scripted_server import ANN, MARA, ScriptedServer, serving
from tests.flows.test_plain_client import GREETING, Keyboard, hear, let_in, running, said, silent
from tests.stand_in.lmdeploy_process import StandIn as LmdeployStandIn
from tests.stand_in.openai import StandIn, Trouble
from tests.table import Table, table
from tests.tiny import make_adapter, make_base

SHORT = Sampling(max_tokens=6, seed=1)
TOLD = Usage(prompt=356, cached=312)
HEARTH = Path(__file__).parents[2] / "models/hearth"


def prompt(lines: int, name: str = "Mara", *, view: str = "inn/") -> Prompt:
    heard = tuple(Line(text=f"Tobin: I roll the dice, number {number}.") for number in range(lines))
    return Prompt(view=view, premise="A bar.", lines=heard, tail=(f"You are {name}.",), start=f"{name}:")


async def usage_of(engine: contract.Engine, asked: Prompt, adapter: Adapter | None = None) -> list[Usage]:
    """What a whole turn was told to take."""
    told: list[Usage] = []
    stream = engine.stream(asked, adapter=adapter, sampling=SHORT, told=told.append)
    assert "".join([piece async for piece in stream])
    return told


# --- engines ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def embedded(base: Path) -> AsyncIterator[Embedded]:
    """One for all: loading torch takes most of the time. Every test has a view of its own."""
    engine = Embedded(EngineOptions(base=str(base), context=2048, threads=1, dtype="float32", device="cpu"))
    await engine.start()
    yield engine
    await engine.close()


@pytest.mark.asyncio(loop_scope="module")
async def test_change_of_speaker_reads_new_lines_only(embedded: Embedded, base: Path, tmp_path: Path) -> None:
    (first,) = await usage_of(embedded, prompt(20))
    (second,) = await usage_of(embedded, prompt(22, "Tobin"))
    (third,) = await usage_of(embedded, prompt(22), make_adapter(tmp_path / "mara", base, activated=True))
    (apart,) = await usage_of(embedded, prompt(22), make_adapter(tmp_path / "plain", base, activated=False))
    assert first.cached == apart.cached == 0
    assert first.prompt // 2 < second.cached < first.prompt
    assert second.cached < third.cached < third.prompt
    assert sum(await embedded.count(["A bar.", *(line.text for line in prompt(22).lines)])) == third.cached


@pytest.mark.asyncio(loop_scope="module")
async def test_warm_lane_is_found_in_memory(embedded: Embedded) -> None:
    await embedded.warm(prompt(20, view="warmed"))
    (usage,) = await usage_of(embedded, prompt(20, view="warmed"))
    assert usage.cached > usage.prompt // 2


@pytest.mark.asyncio(loop_scope="module")
async def test_a_reply_cut_short_is_known_already(embedded: Embedded) -> None:
    told: list[Usage] = []
    async with aclosing(embedded.stream(prompt(3, view="cut"), sampling=SHORT, told=told.append)) as pieces:
        await anext(pieces)
    assert [usage.cached for usage in told] == [0]


async def remote_usage(server: StandIn, asked: Prompt | None = None) -> list[Usage]:
    engine = Remote(EngineOptions(base="", address=server.address))
    await engine.start()
    try:
        return await usage_of(engine, asked or prompt(1))
    finally:
        await engine.close()


OPENAI = {"usage": {"prompt_tokens": 356, "prompt_tokens_details": {"cached_tokens": 312}}}


@pytest.mark.parametrize("layout", ["room", "chat"])
async def test_a_server_is_asked_what_it_held(layout: str) -> None:
    async with StandIn() as server:
        server.usage = OPENAI
        asked = Prompt(view="", premise="A bar.", lines=prompt(1).lines, layout="chat" if layout == "chat" else "room")
        assert await remote_usage(server, asked) == [TOLD]


async def test_a_server_that_says_nothing_is_believed() -> None:
    async with StandIn() as server:
        assert await remote_usage(server) == []
        server.usage = {"usage": {"prompt_tokens": 356}}
        assert await remote_usage(server) == []


async def test_a_server_that_refuses_to_say_still_answers() -> None:
    async with StandIn(refuses=frozenset({"stream_options"})) as server:
        server.usage = OPENAI
        assert await remote_usage(server) == []
        assert "stream_options" not in server.posts()[-1].body


async def test_a_reply_cut_by_its_stop_is_unknown() -> None:
    async with StandIn() as server:
        server.usage = OPENAI
        server.replies.append(" Ten.\nTobin: Twelve, and that was all of it.")
        assert await remote_usage(server) == []


async def test_llamacpp_says_it_before_the_first_word() -> None:
    async with StandIn() as server:
        server.models[0]["owned_by"] = "llamacpp"
        server.progress = {"prompt_progress": {"total": 356, "cache": 312, "processed": 340}}
        server.usage = {"timings": {"cache_n": 1, "prompt_n": 355}}
        server.replies.append(" Ten.\nTobin: Twelve, and that was all of it.")
        assert await remote_usage(server) == [TOLD]


async def test_what_was_told_before_trouble_counts() -> None:
    async with StandIn() as server:
        server.models[0]["owned_by"] = "llamacpp"
        server.progress = {"prompt_progress": {"total": 356, "cache": 312}}
        server.troubles.append(Trouble(cut=True, after=2))
        engine = Remote(EngineOptions(base="", address=server.address))
        await engine.start()
        told: list[Usage] = []
        with pytest.raises(EngineError, match="broke"):
            [piece async for piece in engine.stream(prompt(1), sampling=SHORT, told=told.append)]
        assert told == [TOLD]
        await engine.close()


@asynccontextmanager
async def on_turbomind(folder: Path, *faults: str, **options: Any) -> AsyncIterator[TurboMind]:
    command = LmdeployStandIn(folder).command(*faults)
    engine = TurboMind(EngineOptions(base=str(HEARTH), context=1024, command=command, **options))
    try:
        await engine.start()
        yield engine
    finally:
        await engine.close()


async def test_lmdeploy_says_it_at_every_end(tmp_path: Path) -> None:
    async with on_turbomind(tmp_path) as engine:
        (first,) = await usage_of(engine, prompt(20))
        (second,) = await usage_of(engine, prompt(22, "Tobin"))
        assert first.cached == 0
        assert first.prompt // 2 < second.cached < second.prompt
        told: list[Usage] = []
        async with aclosing(engine.stream(prompt(3), sampling=SHORT, told=told.append)) as pieces:
            await anext(pieces)
        assert [usage.cached for usage in told] == [0]


@pytest.mark.parametrize(("fault", "flags"), [("no_usage", ()), ("", ("--disable-metrics",))])
async def test_lmdeploy_may_not_know_it(tmp_path: Path, fault: str, flags: tuple[str, ...]) -> None:
    async with on_turbomind(tmp_path, fault, flags=flags) as engine:
        assert await usage_of(engine, prompt(20)) == []


def test_lmdeploy_without_details_knows_nothing() -> None:
    frame = read_frame(b'{"choices": [], "usage": {"prompt_tokens": 356, "completion_tokens": 9}}')
    assert frame.usage is not None
    assert (frame.usage.prompt, frame.usage.cached) == (356, None)


# --- the log and the wire ---------------------------------------------------------------------------------------------


def ends(at: Table) -> list[EndFrame]:
    return [frame for frame, _ in at.told if isinstance(frame, EndFrame)]


async def logged(at: Table) -> list[Usage | None]:
    """What the log says of each reply."""
    entries = await at.room._history.view("inn", EVERYTHING)
    return [entry.event.usage for entry in entries if isinstance(entry.event, Ended)]


async def test_the_log_keeps_what_was_told(tmp_path: Path) -> None:
    async with table(tmp_path) as at:
        ann = await at.enter("Ann")
        at.script(Reply(text=" So it is.", usage=TOLD), " And so it stays.")
        for text in ("Mara?", "Mara!"):
            await at.say(ann, text)
        assert [end.usage for end in ends(at)] == await logged(at) == [TOLD, None]


async def test_a_second_try_forgets_the_first(tmp_path: Path) -> None:
    async with table(tmp_path) as at:
        ann = await at.enter("Ann")
        at.script(Reply(usage=TOLD), " So it is.")
        await at.say(ann, "Mara?")
        assert await logged(at) == [None]


async def test_a_failed_turn_keeps_what_it_took(tmp_path: Path) -> None:
    async with table(tmp_path) as at:
        ann = await at.enter("Ann")
        at.script(Reply(text=" So", usage=TOLD, error=EngineError("out of breath")))
        await at.say(ann, "Mara?")
        assert [(end.status, end.usage) for end in ends(at)] == [("failed", TOLD)]


async def test_a_stopped_turn_may_be_unknown(tmp_path: Path) -> None:
    async with table(tmp_path) as at:
        ann = await at.enter("Ann")
        gate = Gate()
        at.script(Reply(text=" So it is", usage=TOLD, gate=gate, after=2))
        ok = await at.room.say("Mara?", ann, cid="c1")
        await gate.reached.wait()
        assert at.room._conductor.stop()
        await at.silence(ok.seq)
        assert [(end.status, end.usage) for end in ends(at)] == [("stopped", None)]


async def test_whispers_hide_the_length_of_prompts(tmp_path: Path) -> None:
    async with table(tmp_path) as at:
        ann, ben = await at.enter("Ann"), await at.enter("Ben")
        at.script(*(Reply(text=" So it is.", usage=TOLD) for _ in range(4)))
        await at.say(ben, "Mara?")
        await at.say(ann, "Mara, the map is in the bell.", audience=frozenset({"mara", ann.id}))
        await at.say(ben, "Mara, what is it?")
        await at.say(ben, "And you, Tobin?")
        assert [end.usage for end in ends(at)] == [TOLD, TOLD, None, TOLD]
        kept = await logged(at)
        assert [usage is not None and (usage.prompt, usage.cached) for usage in kept] == [(356, 312)] * 4


async def test_a_crash_keeps_what_was_told(tmp_path: Path) -> None:
    log = History(tmp_path)
    await log.open_room("inn")
    mara = Speaker(id="mara", name="Mara", kind="role")
    await log.checkpoint("inn", Running(id="t1", author=mara, text="So", usage=TOLD))
    await log.close()
    again = History(tmp_path)
    await again.open_room("inn")
    (entry,) = await again.view("inn", EVERYTHING)
    assert isinstance(entry.event, Ended)
    assert (entry.event.status, entry.event.usage) == ("interrupted", TOLD)
    await again.close()


# --- whoever asks why -------------------------------------------------------------------------------------------------


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ScriptedServer]:
    async with serving(tmp_path / "s") as scripted:
        yield scripted


@pytest.mark.parametrize(
    ("usage", "line"),
    [(TOLD, "312 of 356 tokens were in memory"), (None, "how many tokens were in memory is not known")],
)
async def test_why_tells_what_was_in_memory(server: ScriptedServer, usage: Usage | None, line: str) -> None:
    async with running(server, Keyboard(["Is it lit?", "/why"])) as mode:
        peer = await let_in(server, GREETING)
        await hear(peer, 2, "Is it lit?", said(3, MARA, "It is.", usage=usage), silent(3))
        assert await mode.status() == 0
        assert line in mode.err.getvalue() + mode.out.getvalue()
        assert "nothing was looked up" in mode.err.getvalue() + mode.out.getvalue()


async def test_why_without_a_reply_says_so(server: ScriptedServer) -> None:
    async with running(server, Keyboard(["/why"])) as mode:
        await let_in(server, said(1, ANN, "Hello?"))
        assert await mode.status() == 0
        assert "nobody has said anything yet" in mode.err.getvalue() + mode.out.getvalue()
