"""TurboMind over a process that speaks LMDeploy's protocol: promises, faults, and nobody left behind."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
import pytest_asyncio
from transformers import AutoTokenizer

from chatroom.chat_template import ChatTemplate
from chatroom.engines._cache_share import CUDA_CONTEXT
from chatroom.engines._lmdeploy.limits import Limits
from chatroom.engines.base import EngineOptions
from chatroom.engines.turbomind.engine import Engine
from chatroom.errors import EngineError
from chatroom.messages import Adapter, Line, Prompt, Sampling, Usage
from tests.contracts.test_engines import (  # noqa: F401  the promises of every engine
    test_closed_engine_starts_again,
    test_closed_stream_leaves_engine_usable,
    test_closing_twice_is_fine,
    test_concurrent_streams_do_not_mix,
    test_count_grows_with_the_text,
    test_pieces_are_never_empty,
    test_same_seed_gives_same_reply,
    test_start_twice_gives_same_facts,
    test_warming_changes_no_reply,
)
from tests.stand_in.lmdeploy_process import StandIn, alive, is_alive, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROOT = Path(__file__).parents[2]
BASE = ROOT / "models/hearth"
QUICK = Limits(start=120, poll=0.05, grace=2, pauses=(0,))
SHORT = Sampling(max_tokens=8, seed=1)


@pytest.fixture
def stand_in(tmp_path: Path) -> StandIn:
    return StandIn(tmp_path)


@asynccontextmanager
async def running(
    stand_in: StandIn,
    *faults: str,
    start: bool = True,
    limits: Limits = QUICK,
    more: dict[str, object] | None = None,
    base: Path = BASE,
    **options: Any,
) -> AsyncIterator[Engine]:
    command = stand_in.command(*faults, **(more or {}))
    logs = str(stand_in.record.parent / "logs")
    engine = Engine(EngineOptions(base=str(base), context=1024, command=command, logs=logs, **options), limits=limits)
    try:
        if start:
            await engine.start()
        yield engine
    finally:
        await engine.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Engine]:
    async with running(StandIn(tmp_path_factory.mktemp("shared"))) as engine:
        yield engine


@pytest_asyncio.fixture(loop_scope="module")
async def engine(shared: Engine) -> Engine:
    await shared.start()
    return shared


def prompt(view: str = "all", lines: int = 3) -> Prompt:
    said = tuple(Line(text=f"Tobin: I roll the dice, number {number}.") for number in range(lines))
    return Prompt(view=view, premise="A bar by the sea.", lines=said, tail=("You are Mara.",), start="Mara:")


async def reply(engine: Engine, asked: Prompt, sampling: Sampling = SHORT) -> str:
    return "".join([piece async for piece in engine.stream(asked, sampling=sampling)])


async def usage_of(engine: Engine, asked: Prompt) -> Usage:
    """What a whole turn's prompt cost."""
    told: list[Usage] = []
    assert [piece async for piece in engine.stream(asked, sampling=SHORT, told=told.append)]
    (usage,) = told
    return usage


def guard_of(stand_in: StandIn) -> int:
    """The process that stands between a server and who started it."""
    stat = Path(f"/proc/{stand_in.each('started')[-1]}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[1])


# --- what is sent and what comes back ---------------------------------------------------------------------------------


async def test_our_ids_are_sent_not_text(stand_in: StandIn) -> None:
    async with running(stand_in) as engine:
        await reply(engine, prompt(), msgspec.structs.replace(SHORT, temperature=0))
    body = stand_in.each("body")[-1]
    assert body["input_ids"] == ChatTemplate(AutoTokenizer.from_pretrained(BASE), ours=True).render(prompt()).ids
    assert body["messages"] == []
    assert body["session_id"] >= 1 << 32
    assert (body["top_k"], body["seed"], body["max_completion_tokens"]) == (1, 1, 8)


async def test_words_come_from_ids(stand_in: StandIn, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(" 安吉拉: the lamp is lit 🎲, mind the third step.\n", "utf-8")
    async with running(stand_in, more={"script": script}) as engine:
        told = await reply(engine, prompt(), Sampling(max_tokens=99))
    assert told == script.read_text("utf-8").rstrip("\n")


async def test_second_turn_finds_transcript_cached(stand_in: StandIn) -> None:
    async with running(stand_in) as engine:
        first, second = await usage_of(engine, prompt(lines=40)), await usage_of(engine, prompt(lines=42))
    assert first.cached == 0
    assert first.prompt - 128 < second.cached < second.prompt
    assert second.cached % 64 == 0


async def test_warming_fills_the_cache(stand_in: StandIn) -> None:
    async with running(stand_in) as engine:
        await engine.warm(prompt(lines=40))
        usage = await usage_of(engine, prompt(lines=40))
    assert usage.cached > usage.prompt - 128


async def test_cut_turn_still_tells_its_cache(stand_in: StandIn) -> None:
    stand_in.faults.write_text("slow:0.01,endless")
    told: list[Usage] = []
    async with running(stand_in) as engine:
        asked = engine.stream(prompt(lines=40), sampling=Sampling(max_tokens=400), told=told.append)
        async with aclosing(asked) as pieces:
            await anext(pieces)
        assert len(told) == 1
    assert stand_in.each("told")[-1] < 100


async def test_turn_cut_at_its_end_tells_too(stand_in: StandIn) -> None:
    told: list[Usage] = []
    async with running(stand_in) as engine:
        before = len(stand_in.each("ended"))
        async with aclosing(engine.stream(prompt(lines=40), sampling=SHORT, told=told.append)) as pieces:
            await anext(pieces)
            await until(lambda: len(stand_in.each("ended")) > before, "the server is done")
    assert [usage.cached for usage in told] == [0]


async def test_server_that_cannot_speak_is_not_started(stand_in: StandIn) -> None:
    async with running(stand_in, "error_frame", start=False) as engine:
        with pytest.raises(EngineError, match="gave the turn up"):
            await engine.start()
    assert not any(map(is_alive, stand_in.each("started")))


async def test_weights_of_two_roles_have_two_logs(stand_in: StandIn, tmp_path: Path) -> None:
    for role in ("mara", "tobin"):
        shutil.copytree(BASE, tmp_path / role / "weights", ignore=shutil.ignore_patterns("scenes", "frames"))
        async with running(stand_in, base=tmp_path / role / "weights"):
            pass
    assert len(list((stand_in.record.parent / "logs").glob("turbomind-*-weights-*.log"))) == 2


async def test_prompt_beyond_context_is_refused(engine: Engine) -> None:
    with pytest.raises(EngineError, match="positions") as raised:
        await reply(engine, prompt(lines=300))
    assert raised.value.code == "too_long"


async def test_adapter_is_refused_with_the_way(engine: Engine) -> None:
    lora = Adapter(path="x", fingerprint="x")
    for adapter, way in ((lora, "merge"), (msgspec.structs.replace(lora, invocation=(1,)), "transformers_peft")):
        with pytest.raises(EngineError, match=way) as raised:
            await anext(engine.stream(prompt(), adapter=adapter, sampling=SHORT))
        assert raised.value.code == "no_adapter"


async def test_no_score_is_promised(engine: Engine) -> None:
    assert not engine.can_score
    with pytest.raises(EngineError):
        await engine.score(prompt(), ["Mara:"])


# --- starting ---------------------------------------------------------------------------------------------------------


async def test_late_server_is_waited_for(stand_in: StandIn, tmp_path: Path) -> None:
    loaded = tmp_path / "loaded"
    async with running(stand_in, start=False, more={"late": loaded}) as engine:
        starting = asyncio.create_task(engine.start())
        await stand_in.until("started")
        assert not starting.done()
        loaded.touch()
        assert (await starting).context == 1024
        assert await reply(engine, prompt())


async def test_initializing_server_is_waited_for(stand_in: StandIn) -> None:
    stand_in.faults.write_text("initializing")
    async with running(stand_in, start=False) as engine:
        starting = asyncio.create_task(engine.start())
        await stand_in.until("started")
        stand_in.faults.write_text("")
        await starting
        assert await reply(engine, prompt())


async def test_server_never_ready_is_given_up(stand_in: StandIn) -> None:
    limits = msgspec.structs.replace(QUICK, start=2)
    async with running(stand_in, "initializing", start=False, limits=limits) as engine:
        with pytest.raises(EngineError, match="ready") as raised:
            await engine.start()
    assert raised.value.code == "timeout"
    assert not any(map(is_alive, stand_in.each("started")))


@pytest.mark.parametrize(
    ("fault", "words", "code"),
    [
        ("die", "process ended", "engine_lost"),
        ("no_memory", "not enough GPU memory", "engine"),
        ("fallback", "another engine", "bad_base"),
    ],
)
async def test_failed_start_says_why(stand_in: StandIn, fault: str, words: str, code: str) -> None:
    async with running(stand_in, fault, start=False) as engine:
        with pytest.raises(EngineError, match=words) as raised:
            await engine.start()
        with pytest.raises(EngineError):
            await reply(engine, prompt())
    assert raised.value.code == code
    assert not any(map(is_alive, stand_in.each("started")))


async def test_starts_that_fail_come_slower(stand_in: StandIn) -> None:
    limits = msgspec.structs.replace(QUICK, pauses=(0, 3600))
    async with running(stand_in, "die", start=False, limits=limits) as engine:
        for _ in range(2):
            with pytest.raises(EngineError, match="process ended"):
                await engine.start()
        third = asyncio.create_task(engine.start())
        done, _ = await asyncio.wait([third], timeout=0.3)
        assert not done
        await engine.close()
        with pytest.raises(EngineError, match="closed"):
            await third


async def test_flag_that_it_lacks_is_told(stand_in: StandIn) -> None:
    async with running(stand_in, start=False, flags=("--no-such-flag",)) as engine:
        with pytest.raises(EngineError, match="unrecognized arguments: --no-such-flag"):
            await engine.start()


async def test_missing_command_says_what_to_set() -> None:
    engine = Engine(EngineOptions(base=str(BASE), command=("no-such-lmdeploy",)))
    with pytest.raises(EngineError, match="set `lmdeploy`"):
        await engine.start()


async def test_close_while_loading_leaves_nothing(stand_in: StandIn, tmp_path: Path) -> None:
    async with running(stand_in, start=False, more={"late": tmp_path / "never"}) as engine:
        starting = asyncio.create_task(engine.start())
        (pid,) = await stand_in.until("started")
        await engine.close()
        with pytest.raises(EngineError, match="closed"):
            await starting
    assert not is_alive(pid)


async def test_cache_share_fits_free_memory(stand_in: StandIn) -> None:
    async def free() -> int:
        return 1 << 30

    command = stand_in.command()
    engine = Engine(EngineOptions(base=str(BASE), command=command, cache_bytes=1 << 28), limits=QUICK, free=free)
    await engine.start()
    await engine.close()
    args = stand_in.each("args")[0]
    share = float(args[args.index("--cache-max-entry-count") + 1])
    weights = (BASE / "model.safetensors").stat().st_size
    assert share * ((1 << 30) - weights - CUDA_CONTEXT) == pytest.approx(1 << 28, rel=0.001)


async def test_key_stays_out_of_log(stand_in: StandIn) -> None:
    async with running(stand_in, "chatty") as engine:
        await reply(engine, prompt())
    args = stand_in.each("args")[0]
    key = args[args.index("--api-keys") + 1]
    logs = list((stand_in.record.parent / "logs").iterdir())
    text = logs[0].read_text("utf-8")
    assert "Namespace" in text
    assert key not in text
    assert logs[0].stat().st_mode & 0o077 == 0


# --- while it runs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "words", "code"),
    [
        ("exit:3", "process ended", "engine_lost"),
        ("cut:3", "broke", "engine_lost"),
        ("error_frame", "internal server error", "engine"),
        ("no_ids", "token ids", "engine"),
    ],
)
async def test_fault_in_turn_is_told(stand_in: StandIn, fault: str, words: str, code: str) -> None:
    async with running(stand_in) as engine:
        stand_in.faults.write_text(fault)
        with pytest.raises(EngineError, match=words) as raised:
            await reply(engine, prompt())
        assert raised.value.code == code
        stand_in.faults.write_text("")
        await engine.start()
        assert await reply(engine, prompt())


@pytest.mark.parametrize("fault", ["sleepless", "hang:0"], ids=["unhealthy", "healthy"])
async def test_hung_server_is_started_anew(stand_in: StandIn, fault: str) -> None:
    limits = msgspec.structs.replace(QUICK, doubt=0, silence=0.5)
    async with running(stand_in, limits=limits) as engine:
        stand_in.faults.write_text(fault)
        for _ in range(2):  # one that says it is healthy is believed once
            with pytest.raises(EngineError) as raised:
                await reply(engine, prompt())
        assert raised.value.code in ("timeout", "engine_lost")
        await until(lambda: not is_alive(stand_in.each("started")[0]), "the hung one was ended")
        stand_in.faults.write_text("")
        await engine.start()
        assert await reply(engine, prompt())
    assert len(stand_in.each("started")) == 2


async def test_cancelled_turn_is_ended_there(stand_in: StandIn) -> None:
    stand_in.faults.write_text("slow:0.01,endless")
    async with running(stand_in) as engine:
        async with aclosing(engine.stream(prompt(), sampling=Sampling(max_tokens=400))) as pieces:
            await anext(pieces)
        await stand_in.until("ended")
    ended = [event for event in stand_in.happened() if "ended" in event][-1]
    assert ended["finish"] == "abort"
    assert ended["told"] < 100
    assert ended["ended"] in stand_in.each("aborted")


async def test_cancel_while_waiting_reaches_server(stand_in: StandIn) -> None:
    stand_in.faults.write_text("hang:1")
    async with running(stand_in) as engine:
        turn = asyncio.create_task(reply(engine, prompt()))
        await stand_in.until("hangs")
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn
        assert await stand_in.until("ended") == stand_in.each("session")


async def test_nobody_sends_it_to_sleep(stand_in: StandIn) -> None:
    async with running(stand_in) as engine:
        await reply(engine, prompt())
        await engine.warm(prompt())
    assert stand_in.each("slept") == []


# --- nobody is left behind --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["", "child", "child_apart", "stubborn"])
async def test_close_ends_whole_group(stand_in: StandIn, fault: str) -> None:
    limits = msgspec.structs.replace(QUICK, grace=0.3)
    async with running(stand_in, fault, limits=limits):
        group = stand_in.group
        assert alive(group)
    assert alive(group) == []
    assert not any(map(is_alive, stand_in.each("child")))
    if not fault:
        assert stand_in.each("ended_by") == ["SIGTERM"]


async def test_running_turns_end_before_the_server(stand_in: StandIn) -> None:
    stand_in.faults.write_text("hang:1")
    async with running(stand_in) as engine:
        turn = asyncio.create_task(reply(engine, prompt()))
        await stand_in.until("hangs")
        await engine.close()
        with pytest.raises(EngineError):
            await turn
    assert stand_in.each("aborted")[0] == "all"
    assert stand_in.each("ended_by") == ["SIGTERM"]


async def test_crash_leaves_no_child_behind(stand_in: StandIn) -> None:
    async with running(stand_in, "child_apart") as engine:
        (child,) = stand_in.each("child")
        os.kill(stand_in.each("started")[0], signal.SIGKILL)
        with pytest.raises(EngineError):
            await reply(engine, prompt())
        await until(lambda: not is_alive(child), "the child of the dead one")


async def test_fifty_turns_leave_nobody_behind(stand_in: StandIn) -> None:
    stand_in.faults.write_text("slow:0.001")
    async with running(stand_in) as engine:
        group = stand_in.group
        for number in range(50):
            async with aclosing(engine.stream(prompt(f"view {number % 5}", number % 7), sampling=SHORT)) as pieces:
                async for _ in pieces:
                    if number % 2:
                        break
        await stand_in.until("ended", 50)
        assert alive(group) == stand_in.each("started")
    assert alive(group) == []
    sessions = stand_in.each("session")
    assert len(set(sessions)) == len(sessions)


async def test_killed_guard_takes_server_along(stand_in: StandIn) -> None:
    async with running(stand_in, "child") as engine:
        group = stand_in.group
        os.kill(guard_of(stand_in), signal.SIGKILL)
        await until(lambda: alive(group) == [], "the group of the killed guard")
        with pytest.raises(EngineError):
            await reply(engine, prompt())
        await engine.start()
        assert await reply(engine, prompt())


PARENT = """
import asyncio, sys
from chatroom.engines._lmdeploy.log import ServerLog
from chatroom.engines._lmdeploy.process import ServerProcess

async def main():
    await ServerProcess(sys.argv[1:], ServerLog(None)).start()
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def parent_of(stand_in: StandIn, fault: str = "") -> asyncio.subprocess.Process:
    """A program that started a server and waits."""
    given = ("serve", "api_server", str(BASE), "--server-name", "127.0.0.1", "--server-port", "0")
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PARENT, *stand_in.command(fault), *given), cwd=ROOT
    )
    await stand_in.until("listening")
    return parent


async def test_server_does_not_outlive_its_guard(stand_in: StandIn) -> None:
    parent = await parent_of(stand_in)
    (pid,) = stand_in.each("started")
    parent.send_signal(signal.SIGSTOP)  # so that it can do nothing about it
    os.kill(guard_of(stand_in), signal.SIGKILL)
    await until(lambda: not is_alive(pid), "the server of nobody")
    parent.kill()
    await parent.wait()


@pytest.mark.parametrize("fault", ["", "child", "child_apart"])
async def test_killed_parent_leaves_nobody_behind(stand_in: StandIn, fault: str) -> None:
    parent = await parent_of(stand_in, fault)
    group = stand_in.group
    assert alive(group)
    parent.kill()
    await parent.wait()
    await until(lambda: not alive(group), "the group of the killed parent")
    await until(lambda: not any(map(is_alive, stand_in.each("child"))), "its child")


# --- a server that runs already ---------------------------------------------------------------------------------------


@asynccontextmanager
async def apart(stand_in: StandIn, *args: str, base: Path = BASE) -> AsyncIterator[str]:
    """A stand-in that somebody else started; gives its address."""
    given = ("serve", "api_server", str(base), "--server-name", "127.0.0.1", "--server-port", "0", *args)
    process = await asyncio.create_subprocess_exec(*stand_in.command(), *given, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    try:
        yield line[line.index("http") :].strip()
    finally:
        process.kill()
        await process.wait()


def at(address: str, **options: Any) -> Engine:
    return Engine(EngineOptions(base=str(BASE), context=1024, address=address, **options), limits=QUICK)


async def test_running_server_is_used_and_left(stand_in: StandIn) -> None:
    async with apart(stand_in, "--model-name", "hearth") as address:
        engine = at(f"{address}/v1")
        await engine.start()
        assert await reply(engine, prompt())
        await engine.close()
        assert is_alive(stand_in.each("started")[0])
        assert stand_in.each("aborted") == []


async def test_key_comes_from_environment(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    async with apart(stand_in, "--api-keys", "open-sesame") as address:
        with pytest.raises(EngineError, match="KEY_OF_A_TEST") as raised:
            await at(address, key="KEY_OF_A_TEST").start()
        assert raised.value.code == "no_access"
        monkeypatch.setenv("KEY_OF_A_TEST", "wrong-sesame")
        with pytest.raises(EngineError, match="refuses the key") as raised:
            await at(address, key="KEY_OF_A_TEST").start()
        assert "sesame" not in str(raised.value)
        monkeypatch.setenv("KEY_OF_A_TEST", "open-sesame")
        engine = at(address, key="KEY_OF_A_TEST")
        await engine.start()
        assert await reply(engine, prompt())
        await engine.close()


async def test_unknown_model_names_those_served(stand_in: StandIn) -> None:
    async with apart(stand_in, "--model-name", "hearth") as address:
        with pytest.raises(EngineError, match="one of: hearth"):
            await at(address, served="mara").start()


async def test_other_tokenizer_is_found_out(stand_in: StandIn, tmp_path: Path) -> None:
    async with apart(stand_in, base=tmp_path) as address:
        with pytest.raises(EngineError, match="another tokenizer"):
            await at(address).start()


async def test_sleeping_server_is_refused(stand_in: StandIn) -> None:
    async with apart(stand_in) as address:
        async with httpx2.AsyncClient() as client:
            await client.post(f"{address}/sleep", json={})
        with pytest.raises(EngineError, match="can't wake up"):
            await at(address).start()


async def test_cancel_without_abort_handling_works(stand_in: StandIn) -> None:
    stand_in.faults.write_text("slow:0.01,endless")
    async with apart(stand_in) as address:
        engine = at(address)
        await engine.start()
        async with aclosing(engine.stream(prompt(), sampling=Sampling(max_tokens=400))) as pieces:
            await anext(pieces)
        await stand_in.until("ended")
        await engine.close()
    assert stand_in.each("aborted") == []
    assert stand_in.each("gone") == stand_in.each("ended")


async def test_missing_server_is_told_at_start() -> None:
    with pytest.raises(EngineError, match="can't be reached") as raised:
        await at("http://127.0.0.1:9").start()
    assert raised.value.code == "engine_lost"


# --- the stand-in is as unkind as the real one ------------------------------------------------------------------------


async def test_stand_in_refuses_as_lmdeploy_does(stand_in: StandIn) -> None:
    stand_in.faults.write_text("hang:0")
    async with apart(stand_in, "--model-name", "hearth") as address, httpx2.AsyncClient(base_url=address) as client:
        body = {"input_ids": [100, 101], "stream": True, "session_id": 1 << 40}
        async with client.stream("POST", "/generate", json=body) as first:
            await stand_in.until("hangs")
            assert first.status_code == 200
            twice = await client.post("/generate", json=body)
            occupied = await client.post("/generate", json=body | {"session_id": 0})
            unknown = await client.post("/v1/completions", json={"model": "mara", "prompt": "a"})
            abort = await client.post("/abort_request", json={"session_id": 1 << 40})
        stand_in.faults.write_text("")
        # an id of its own: the server may still be ending the session of the stream that was just closed
        whole = await client.post("/generate", json=body | {"stream": False, "session_id": 1 << 41})
        for path in ("/sleep", "/wakeup"):
            await client.post(path, json={})
        asleep = await client.post("/generate", json=body)
    answers = [twice, occupied, unknown, abort, asleep]
    assert [answer.status_code for answer in answers] == [500, 400, 404, 501, 503]
    assert whole.json()["meta_info"]["prompt_tokens"] == 2
