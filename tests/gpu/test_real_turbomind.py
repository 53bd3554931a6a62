"""The bundled base through the real TurboMind: what the stand-in is believed to be like, asked of the real one.

    CHATROOM_LMDEPLOY="python3 -m lmdeploy" python -m pytest -m gpu tests/gpu

Skipped where there is no GPU or no LMDeploy.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
import pytest_asyncio

from chatroom.engines._lmdeploy.gpu_memory import free_gpu_bytes
from chatroom.engines.base import EngineOptions
from chatroom.engines.transformers_peft import Engine as Embedded
from chatroom.engines.turbomind import Engine
from chatroom.messages import Sampling
from tests.gpu.real import BASE, CACHE, COMMAND, GREEDY, NEEDS_GPU, prompt, reply, usage_of
from tests.stand_in.lmdeploy_process import alive

pytestmark = [pytest.mark.gpu, pytest.mark.asyncio(loop_scope="module"), NEEDS_GPU]

BLOCK = 64
"""Ids that are kept together."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Engine]:
    logs = str(tmp_path_factory.mktemp("logs"))
    running = Engine(EngineOptions(base=str(BASE), context=2048, command=COMMAND, cache_bytes=CACHE, logs=logs))
    await running.start()
    yield running
    await running.close()


async def test_turbomind_speaks_as_transformers_does(engine: Engine) -> None:
    embedded = Embedded(EngineOptions(base=str(BASE), context=2048, dtype="float32", device="cpu"))
    await embedded.start()
    try:
        ours, theirs = await reply(embedded, prompt()), await reply(engine, prompt())
    finally:
        await embedded.close()
    assert theirs.split()[:4] == ours.split()[:4]  # 16 bit against 32: later words may differ


# --- the prefix cache -------------------------------------------------------------------------------------------------


async def test_whole_blocks_of_the_transcript_are_found(engine: Engine) -> None:
    base = engine._serving.running()[1]
    first, second = prompt(40, "counted"), prompt(42, "counted")
    before = await usage_of(engine, first)
    after = await usage_of(engine, second)
    ids = [base.prompt_ids(asked) for asked in (first, second)]
    common = next(at for at, (one, other) in enumerate(zip(*ids, strict=False)) if one != other)
    assert (before.prompt, after.prompt) == tuple(map(len, ids))
    assert after.cached % BLOCK == 0
    assert common - 2 * BLOCK < after.cached <= common


async def test_another_speaker_finds_the_same_blocks(engine: Engine) -> None:
    await usage_of(engine, prompt(40, "shared"))
    other = await usage_of(engine, prompt(40, "shared", name="Tobin"))
    assert other.cached > other.prompt // 2


async def test_a_fresh_room_finds_nothing(engine: Engine) -> None:
    assert (await usage_of(engine, prompt(10, "nobody was here"))).cached == 0


async def test_warming_ahead_fills_the_cache(engine: Engine) -> None:
    await engine.warm(prompt(40, "warmed"))
    usage = await usage_of(engine, prompt(40, "warmed"))
    assert usage.cached > usage.prompt // 2


# --- ends -------------------------------------------------------------------------------------------------------------


async def test_same_seed_gives_same_words(engine: Engine) -> None:
    warm = Sampling(temperature=1.0, seed=7, max_tokens=24)
    assert await reply(engine, prompt(), warm) == await reply(engine, prompt(), warm)


async def test_cancelled_turn_leaves_it_usable(engine: Engine) -> None:
    whole = await reply(engine, prompt())
    async with aclosing(engine.stream(prompt(), sampling=GREEDY)) as pieces:
        await anext(pieces)
    assert await reply(engine, prompt()) == whole


async def test_a_hundred_aborts_take_no_slot(engine: Engine) -> None:
    """More than run at a time, and as many as were once seen to stall a server."""
    whole = await reply(engine, prompt())
    for number in range(100):
        asked = prompt(3, f"aborted {number}")
        async with aclosing(engine.stream(asked, sampling=Sampling(max_tokens=400))) as pieces:
            await anext(pieces)
    async with asyncio.timeout(30):
        assert await reply(engine, prompt()) == whole


async def test_closing_gives_memory_back(engine: Engine) -> None:
    process = engine._serving.running()[0].process
    assert process is not None
    during = await free_gpu_bytes()
    await engine.close()
    after = await free_gpu_bytes()
    assert alive(process.group) == []
    assert during is not None
    assert after is not None
    assert after - during > CACHE // 2
    await engine.start()


async def test_the_log_names_no_other_engine(engine: Engine) -> None:
    logs = [path.read_text("utf-8") for path in Path(engine._serving._options.logs).glob("*.log")]
    assert not any("Fallback to pytorch" in text for text in logs)
