"""Many LoRAs over one base, over a process that speaks LMDeploy's protocol: who is asked, restarts, refusals."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chatroom.engines._lmdeploy.limits import Limits
from chatroom.engines.base import EngineOptions
from chatroom.engines.lmdeploy_lora.engine import Engine
from chatroom.errors import EngineError
from chatroom.messages import Adapter, Line, Prompt, Sampling, Usage
from chatroom.role_files import fingerprint
from tests.folders import make_adapter
from tests.stand_in.lmdeploy_process import StandIn, alive, is_alive

ROOT = Path(__file__).parents[2]
BASE = ROOT / "models/hearth"
BLOCKS: int = json.loads((BASE / "config.json").read_bytes())["num_hidden_layers"]
QUICK = Limits(start=120, poll=0.05, grace=2, finish=5, pauses=(0,))
SHORT = Sampling(max_tokens=8, seed=1)
LONG = Sampling(max_tokens=400, seed=1)


@pytest.fixture
def stand_in(tmp_path: Path) -> StandIn:
    return StandIn(tmp_path)


def lora(folder: Path, role: str, rank: int = 8, **config: Any) -> Adapter:
    """An ordinary LoRA as today's PEFT saves it, in the folder of a role."""
    newer = {"peft_version": "0.21.2", "alora_invocation_tokens": None, "target_parameters": None}
    path = make_adapter(
        folder / "roles" / role / "adapter", blocks=BLOCKS, r=rank, lora_alpha=16, target_modules=["q_proj"],
        **(newer | config),
    )  # fmt: skip
    return Adapter(path=str(path), fingerprint=fingerprint(path))


@asynccontextmanager
async def running(
    stand_in: StandIn, *known: Adapter, start: bool = True, limits: Limits = QUICK, faults: str = "", **options: Any
) -> AsyncIterator[Engine]:
    given = {"command": stand_in.command(faults), "logs": str(stand_in.record.parent / "logs")} | options
    engine = Engine(EngineOptions(base=str(BASE), context=1024, adapters=known, **given), limits=limits)
    try:
        if start:
            await engine.start()
        yield engine
    finally:
        await engine.close()


def prompt(view: str = "all", lines: int = 3) -> Prompt:
    said = tuple(Line(text=f"Tobin: I roll the dice, number {number}.") for number in range(lines))
    return Prompt(view=view, premise="A bar by the sea.", lines=said, tail=("You are Mara.",), start="Mara:")


async def reply(engine: Engine, adapter: Adapter | None = None, lines: int = 3, sampling: Sampling = SHORT) -> str:
    return "".join([piece async for piece in engine.stream(prompt(lines=lines), adapter=adapter, sampling=sampling)])


async def cached(engine: Engine, adapter: Adapter, lines: int) -> int:
    """How many ids of a turn's prompt were in the cache."""
    told: list[Usage] = []
    pieces = engine.stream(prompt(lines=lines), adapter=adapter, sampling=SHORT, told=told.append)
    assert [piece async for piece in pieces]
    (usage,) = told
    return usage.cached


def given(stand_in: StandIn, start: int = -1) -> dict[str, str]:
    """The adapters that a start was told: name → folder."""
    args = stand_in.each("args")[start]
    if "--adapters" not in args:
        return {}
    rest = args[args.index("--adapters") + 1 :]
    pairs = rest[: next((at for at, arg in enumerate(rest) if arg.startswith("--")), None)]
    return dict(pair.split("=", 1) for pair in pairs)


# --- who is asked -----------------------------------------------------------------------------------------------------


async def test_each_role_speaks_through_its_adapter(stand_in: StandIn, tmp_path: Path) -> None:
    mara, tobin = lora(tmp_path, "mara"), lora(tmp_path, "tobin", rank=16)
    async with running(stand_in, mara, tobin) as engine:
        told = [await reply(engine, adapter) for adapter in (mara, tobin, None)]
    asked = [body["model"] for body in stand_in.each("body")][-3:]
    assert [name.split("-")[0] for name in asked[:2]] == ["role_mara", "role_tobin"]
    assert set(asked[:2]) == set(given(stand_in))
    assert asked[2] not in given(stand_in)
    assert len(set(told)) == 3
    assert len(stand_in.each("started")) == 1


async def test_ids_are_sent_and_no_words(stand_in: StandIn, tmp_path: Path) -> None:
    mara = lora(tmp_path, "mara")
    async with running(stand_in, mara) as engine:
        await reply(engine, mara)
    body = stand_in.each("body")[-1]
    assert (body["messages"], len(body["input_ids"]) > 10) == ([], True)


async def test_server_runs_the_pytorch_engine(stand_in: StandIn, tmp_path: Path) -> None:
    async with running(stand_in, lora(tmp_path, "mara")):
        args = stand_in.each("args")[0]
    assert args[args.index("--backend") + 1] == "pytorch"
    assert args[args.index("--server-name") + 1] == "127.0.0.1"
    assert "--enable-prefix-caching" in args
    assert stand_in.each("slept") == []


async def test_each_adapter_has_its_own_cache(stand_in: StandIn, tmp_path: Path) -> None:
    mara, tobin = lora(tmp_path, "mara"), lora(tmp_path, "tobin", rank=16)
    async with running(stand_in, mara, tobin) as engine:
        first, other, again = [await cached(engine, adapter, lines=40) for adapter in (mara, tobin, mara)]
    assert (first, other) == (0, 0)
    assert again > 128


async def test_warming_is_in_the_roles_weights(stand_in: StandIn, tmp_path: Path) -> None:
    mara = lora(tmp_path, "mara")
    async with running(stand_in, mara) as engine:
        await engine.warm(prompt(lines=40), adapter=mara)
        assert await cached(engine, mara, lines=40) > 128


# --- adapters that come later -----------------------------------------------------------------------------------------


async def test_new_adapter_costs_one_restart(stand_in: StandIn, tmp_path: Path) -> None:
    mara, tobin = lora(tmp_path, "mara"), lora(tmp_path, "tobin", rank=16)
    async with running(stand_in, mara) as engine:
        before = await reply(engine, mara)
        assert await reply(engine, tobin)
        assert await reply(engine, mara) == before
        assert await reply(engine, tobin)
    assert len(stand_in.each("started")) == 2
    assert [len(given(stand_in, start)) for start in (0, 1)] == [1, 2]


async def test_warmed_adapters_come_with_the_restart(stand_in: StandIn, tmp_path: Path) -> None:
    mara, tobin, ilse = (lora(tmp_path, role, rank) for role, rank in (("mara", 4), ("tobin", 8), ("ilse", 16)))
    async with running(stand_in) as engine:
        for adapter in (mara, tobin):
            await engine.warm(prompt(), adapter=adapter)
        assert len(stand_in.each("started")) == 1
        for adapter in (ilse, mara, tobin):
            assert await reply(engine, adapter)
    assert len(stand_in.each("started")) == 2
    assert len(given(stand_in)) == 3


async def test_restart_waits_for_running_turns(stand_in: StandIn, tmp_path: Path) -> None:
    mara, tobin = lora(tmp_path, "mara"), lora(tmp_path, "tobin", rank=16)
    stand_in.faults.write_text("slow:0.01,endless")
    async with running(stand_in, mara) as engine:
        stream = engine.stream(prompt(), adapter=mara, sampling=msgspec.structs.replace(LONG, max_tokens=40))
        first = await anext(stream)
        joining = asyncio.create_task(reply(engine, tobin))
        late = asyncio.create_task(reply(engine, mara))
        rest = [piece async for piece in stream]
        await joining
        assert first
        assert rest
        assert await late
    ends = [event["finish"] for event in stand_in.happened() if "ended" in event]
    assert ends == ["length"] * 5  # three turns, and one token at each start
    assert len(stand_in.each("started")) == 2


async def test_restart_does_not_wait_for_ever(stand_in: StandIn, tmp_path: Path) -> None:
    mara, tobin = lora(tmp_path, "mara"), lora(tmp_path, "tobin", rank=16)
    stand_in.faults.write_text("slow:0.01,endless")
    async with running(stand_in, mara, limits=msgspec.structs.replace(QUICK, finish=0.05)) as engine:
        async with aclosing(engine.stream(prompt(), adapter=mara, sampling=LONG)) as stream:
            await anext(stream)
            with pytest.raises(EngineError, match="still speaking") as raised:
                await reply(engine, tobin)
            assert raised.value.code == "overloaded"
            assert await anext(stream)
        stand_in.faults.write_text("")
        assert await reply(engine, tobin)


async def test_cancelled_asker_leaves_restart_going(stand_in: StandIn, tmp_path: Path) -> None:
    mara, tobin = lora(tmp_path, "mara"), lora(tmp_path, "tobin", rank=16)
    async with running(stand_in, mara) as engine:
        asking = asyncio.create_task(reply(engine, tobin))
        await stand_in.until("started", 2)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert await reply(engine, mara)
        assert await reply(engine, tobin)
    assert len(stand_in.each("started")) == 2


async def test_changed_adapter_is_loaded_anew(stand_in: StandIn, tmp_path: Path) -> None:
    mara = lora(tmp_path, "mara")
    async with running(stand_in, mara) as engine:
        await reply(engine, mara)
        changed = lora(tmp_path, "mara", rank=16)
        await reply(engine, changed)
    names = [body["model"] for body in stand_in.each("body") if body["model"].startswith("role_")]
    assert len(set(names)) == 2
    assert [names[1]] == list(given(stand_in))


async def test_crash_brings_all_adapters_back(stand_in: StandIn, tmp_path: Path) -> None:
    mara, tobin = lora(tmp_path, "mara"), lora(tmp_path, "tobin", rank=16)
    async with running(stand_in, mara) as engine:
        await reply(engine, tobin)
        stand_in.faults.write_text("exit:2")
        with pytest.raises(EngineError, match="process ended"):
            await reply(engine, mara)
        stand_in.faults.write_text("")
        await engine.start()
        assert await reply(engine, tobin)
    assert len(given(stand_in)) == 2


async def test_same_adapter_twice_has_one_name(stand_in: StandIn, tmp_path: Path) -> None:
    one, two = lora(tmp_path / "a", "mara"), lora(tmp_path / "b", "mara")
    async with running(stand_in, one, two) as engine:
        assert await reply(engine, one) == await reply(engine, two)
    assert len(given(stand_in)) == 1


# --- what is refused --------------------------------------------------------------------------------------------------


async def test_refused_adapter_stops_nobody(stand_in: StandIn, tmp_path: Path) -> None:
    mara, ilse = lora(tmp_path, "mara"), lora(tmp_path, "ilse", use_dora=True)
    async with running(stand_in, mara, ilse) as engine:
        for _ in range(2):
            with pytest.raises(EngineError, match=r"ilse.*a DoRA.*launch\.py merge") as raised:
                await reply(engine, ilse)
        assert raised.value.code == "no_adapter"
        assert await reply(engine, mara)
    assert len(stand_in.each("started")) == 1


async def test_activated_lora_is_refused(stand_in: StandIn, tmp_path: Path) -> None:
    ilse = msgspec.structs.replace(lora(tmp_path, "ilse"), invocation=(7,))
    async with running(stand_in) as engine:
        with pytest.raises(EngineError, match=r"activated LoRA.*twin") as raised:
            await reply(engine, ilse)
        assert raised.value.code == "no_adapter"
        assert await reply(engine)
    assert len(stand_in.each("started")) == 1


async def test_adapter_of_fewer_blocks_is_refused(stand_in: StandIn, tmp_path: Path) -> None:
    path = make_adapter(tmp_path / "roles/mara/adapter", blocks=BLOCKS - 1, r=8, target_modules=["q_proj"])
    async with running(stand_in) as engine:
        with pytest.raises(EngineError, match=f"q_proj in {BLOCKS - 1} of {BLOCKS} blocks"):
            await reply(engine, Adapter(path=str(path), fingerprint="x"))


async def test_missing_adapter_is_named(stand_in: StandIn) -> None:
    async with running(stand_in) as engine:
        with pytest.raises(EngineError, match="nowhere") as raised:
            await reply(engine, Adapter(path="nowhere", fingerprint="x"))
    assert raised.value.code == "no_adapter"


async def test_start_that_fails_silences_one_role(stand_in: StandIn, tmp_path: Path) -> None:
    mara, tobin = lora(tmp_path, "mara"), lora(tmp_path, "tobin", rank=16)
    async with running(stand_in, mara) as engine:
        stand_in.faults.write_text("adapters:1")
        with pytest.raises(EngineError, match=r"does not start with the adapter .*tobin"):
            await reply(engine, tobin)
        assert await reply(engine, mara)
        with pytest.raises(EngineError, match="tobin"):
            await reply(engine, tobin)
    assert len(stand_in.each("started")) == 3
    assert not any(map(is_alive, stand_in.each("started")))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"architectures": ["Qwen2MoeForCausalLM"]}, "Qwen2MoeForCausalLM"),
        ({"architectures": ["BaichuanForCausalLM"]}, "BaichuanForCausalLM"),
        ({"quantization_config": {"quant_method": "compressed-tensors"}}, "compressed-tensors"),
        ({"quantization_config": {"quant_method": "awq", "bits": 4, "version": "gemv"}}, "gemv"),
    ],
)
async def test_base_it_can_not_run_is_refused(tmp_path: Path, config: dict[str, Any], words: str) -> None:
    base = tmp_path / "base"
    base.mkdir()
    for file in BASE.iterdir():
        if file.is_file() and file.name != "config.json":
            (base / file.name).symlink_to(file)
    told = json.loads((BASE / "config.json").read_bytes())
    (base / "config.json").write_text(json.dumps(told | config))
    engine = Engine(EngineOptions(base=str(base), command=("never",)), limits=QUICK)
    with pytest.raises(EngineError, match=words) as raised:
        await engine.start()
    assert raised.value.code == "bad_base"


# --- its end ----------------------------------------------------------------------------------------------------------


async def test_close_while_restarting_leaves_nobody(stand_in: StandIn, tmp_path: Path) -> None:
    mara, tobin = lora(tmp_path, "mara"), lora(tmp_path, "tobin", rank=16)
    async with running(stand_in, mara) as engine:
        group = stand_in.group
        asking = asyncio.create_task(reply(engine, tobin))
        await stand_in.until("started", 2)
        await engine.close()
        with pytest.raises(EngineError, match="closed"):
            await asking
    assert alive(group) == []
    assert not any(map(is_alive, stand_in.each("started")))


# --- a server that runs already ---------------------------------------------------------------------------------------


async def test_adapter_folder_is_not_sent(stand_in: StandIn, tmp_path: Path) -> None:
    mara = lora(tmp_path, "mara")
    async with running(stand_in, start=False, address="http://127.0.0.1:9") as engine:
        with pytest.raises(EngineError, match=r"--adapters.*served") as raised:
            await reply(engine, mara)
    assert raised.value.code == "no_adapter"


async def test_served_adapter_is_asked_by_name(stand_in: StandIn, tmp_path: Path) -> None:
    mara = lora(tmp_path, "mara")
    async with running(stand_in, mara):
        (folder,) = given(stand_in).values()
    given_args = ("serve", "api_server", str(BASE), "--backend", "pytorch", "--server-name", "127.0.0.1")
    process = await asyncio.create_subprocess_exec(
        *stand_in.command(), *given_args, "--server-port", "0", "--adapters", f"mara={folder}",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout
        line = (await process.stdout.readline()).decode()
        address = line[line.index("http") :].strip()
        async with running(stand_in, start=False, address=address, served="mara") as engine:
            await engine.start()
            assert await reply(engine, mara)
        assert stand_in.each("body")[-1]["model"] == "mara"
    finally:
        process.kill()
        await process.wait()


# --- the stand-in is as unkind as the real one ------------------------------------------------------------------------


async def test_uncleaned_config_kills_the_server(stand_in: StandIn, tmp_path: Path) -> None:
    mara = lora(tmp_path, "mara")
    args = ("serve", "api_server", str(BASE), "--backend", "pytorch", "--server-name", "127.0.0.1")
    process = await asyncio.create_subprocess_exec(
        *stand_in.command(), *args, "--server-port", "0", "--adapters", f"mara={mara.path}",
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, err = await process.communicate()
    assert process.returncode == 1
    assert b"TypeError: 'NoneType' object is not iterable" in err
