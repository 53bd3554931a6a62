"""What every engine owes the room, whatever is behind it.

A new engine is found by itself; `SETUPS` says how to set it up for a test. Those that need another program or a GPU
keep the same promises in tests of their own.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from chatroom import plugins
from chatroom.engines import base as contract
from chatroom.engines.base import EngineOptions
from chatroom.engines.scripted import Engine, Gate, Reply
from chatroom.errors import EngineError
from chatroom.messages import Adapter, Line, Prompt, Sampling, Usage
from tests.stand_in.lmdeploy_process import StandIn as LmdeployStandIn
from tests.stand_in.openai import StandIn
from tests.tiny import make_base

pytestmark = pytest.mark.asyncio(loop_scope="module")

KIND = "chatroom.engines"
SHORT = Sampling(max_tokens=8, seed=1)
NOWHERE = Adapter(path="nowhere", fingerprint="none", invocation=())


@asynccontextmanager
async def scripted(folder: Path) -> AsyncIterator[EngineOptions]:
    script = folder / "replies.txt"
    script.write_text(" The lamp is lit, mind the third step.\n", "utf-8")
    yield EngineOptions(base=str(script), context=1024)


@asynccontextmanager
async def embedded(folder: Path) -> AsyncIterator[EngineOptions]:
    yield EngineOptions(base=str(make_base(folder / "base")), context=1024, threads=1)


@asynccontextmanager
async def remote(folder: Path) -> AsyncIterator[EngineOptions]:
    async with StandIn() as server:
        yield EngineOptions(base="", context=1024, address=server.address)


@asynccontextmanager
async def with_loras(folder: Path) -> AsyncIterator[EngineOptions]:
    command = LmdeployStandIn(folder).command()
    yield EngineOptions(base=str(make_base(folder / "base")), context=1024, command=command, logs=str(folder / "logs"))


Setup = Callable[[Path], AbstractAsyncContextManager[EngineOptions]]
SETUPS: dict[str, Setup] = {
    "scripted": scripted,
    "transformers_peft": embedded,
    "openai_api": remote,
    "lmdeploy_lora": with_loras,
}
ELSEWHERE = {"turbomind"}


@pytest_asyncio.fixture(
    params=[name for name in plugins.names(KIND) if name not in ELSEWHERE], scope="module", loop_scope="module"
)
async def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[contract.Engine]:
    async with SETUPS[request.param](tmp_path_factory.mktemp(request.param)) as options:
        engine: contract.Engine = plugins.load(KIND, request.param).Engine(options)
        yield engine
        await engine.close()


@pytest_asyncio.fixture(loop_scope="module")
async def engine(shared: contract.Engine) -> contract.Engine:
    """The one engine of its kind, running: loading a model for every test would take most of the time."""
    await shared.start()
    return shared


def prompt(view: str = "all", lines: int = 3) -> Prompt:
    said = tuple(Line(text=f"Tobin: I roll the dice, number {number}.") for number in range(lines))
    return Prompt(view=view, premise="A bar by the sea.", lines=said, tail=("You are Mara.",), start="Mara:")


async def reply(engine: contract.Engine, asked: Prompt, adapter: Adapter | None = None) -> list[str]:
    return [piece async for piece in engine.stream(asked, adapter=adapter, sampling=SHORT)]


async def test_start_twice_gives_same_facts(engine: contract.Engine) -> None:
    first, second = await asyncio.gather(engine.start(), engine.start())
    assert first == second
    assert 0 < first.context <= 1024


async def test_pieces_are_never_empty(engine: contract.Engine) -> None:
    pieces = await reply(engine, prompt())
    assert pieces
    assert all(pieces)


async def test_same_seed_gives_same_reply(engine: contract.Engine) -> None:
    assert await reply(engine, prompt()) == await reply(engine, prompt())


async def test_closed_stream_leaves_engine_usable(engine: contract.Engine) -> None:
    whole = await reply(engine, prompt())
    async with aclosing(engine.stream(prompt(), sampling=SHORT)) as pieces:
        first = await anext(pieces)
    assert first == whole[0]
    assert await reply(engine, prompt()) == whole


async def test_concurrent_streams_do_not_mix(engine: contract.Engine) -> None:
    views = [prompt("all"), prompt("whispers", 5), prompt("all")]
    alone = [await reply(engine, view) for view in views]
    assert await asyncio.gather(*(reply(engine, view) for view in views)) == alone


async def test_count_grows_with_the_text(engine: contract.Engine) -> None:
    short, long, again = await engine.count(["Mara: Hello.", "Mara: Hello there, traveller.", "Mara: Hello."])
    assert 0 < short < long
    assert again == short


async def test_unknown_adapter_is_clear_error(engine: contract.Engine) -> None:
    if not engine.supports_adapters:
        pytest.skip("this engine knows no adapters")
    with pytest.raises(EngineError, match="nowhere") as raised:
        await reply(engine, prompt(), NOWHERE)
    assert raised.value.code == "no_adapter"
    assert await reply(engine, prompt())


async def test_scores_are_one_per_continuation(engine: contract.Engine) -> None:
    if not engine.can_score:
        pytest.skip("this engine can't score")
    values = await engine.score(prompt(), ["Mara:", "Tobin:", "Mara:"])
    assert len(values) == 3
    assert values[0] == pytest.approx(values[2], abs=1e-4)
    assert all(value <= 0 for value in values)


async def test_warming_changes_no_reply(engine: contract.Engine) -> None:
    cold = await reply(engine, prompt())
    await engine.warm(prompt(lines=40))
    await engine.warm(prompt())
    assert await reply(engine, prompt()) == cold


async def test_closing_twice_is_fine(engine: contract.Engine) -> None:
    await engine.close()
    await engine.close()
    with pytest.raises(EngineError):
        await reply(engine, prompt())


async def test_closed_engine_starts_again(engine: contract.Engine) -> None:
    before = await reply(engine, prompt())
    await engine.close()
    await engine.start()
    assert await reply(engine, prompt()) == before


# --- what tests ask of the scripted engine beyond the contract --------------------------------------------------------


async def test_script_comes_before_echo(tmp_path: Path) -> None:
    engine = Engine(EngineOptions(base=str(tmp_path)))
    await engine.start()
    engine.script.append(Reply(text=" One two ", error=EngineError("gone", code="engine_lost")))
    stream = engine.stream(prompt(), sampling=SHORT)
    assert [await anext(stream), await anext(stream)] == [" One", " two "]
    with pytest.raises(EngineError, match="gone"):
        await anext(stream)
    assert "".join(await reply(engine, prompt())) == " I heard: Tobin: I roll the dice, number"  # eight pieces
    assert [asked.prompt for asked in engine.asked] == [prompt(), prompt()]


async def test_gate_holds_a_reply_back(tmp_path: Path) -> None:
    engine, gate = Engine(EngineOptions(base=str(tmp_path))), Gate()
    await engine.start()
    engine.script.append(Reply(text=" One two three", gate=gate, after=1))
    telling = asyncio.create_task(reply(engine, prompt()))
    await gate.reached.wait()
    assert engine.told == 1
    gate.opened.set()
    assert await telling == [" One", " two", " three"]


async def test_script_file_can_fail_turns(tmp_path: Path) -> None:
    (tmp_path / "script").write_text(" Hello.\n!too_long it is too long\n", "utf-8")
    engine = Engine(EngineOptions(base=str(tmp_path / "script")))
    await engine.start()
    assert await reply(engine, prompt()) == [" Hello."]
    with pytest.raises(EngineError, match="it is too long") as raised:
        await reply(engine, prompt())
    assert raised.value.code == "too_long"
    assert await reply(engine, prompt()) == [" Hello."]


async def test_what_a_prompt_cost_is_told_once(engine: contract.Engine) -> None:
    """Or never, where the engine does not know it."""
    told: list[Usage] = []
    for number in (3, 4):
        stream = engine.stream(prompt(lines=number), sampling=SHORT, told=told.append)
        assert [piece async for piece in stream]
    assert len(told) in (0, 2)
    assert all(0 <= usage.cached <= usage.prompt for usage in told)
