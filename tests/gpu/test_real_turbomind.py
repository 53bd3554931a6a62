"""The bundled base through the real TurboMind: what the stand-in is believed to be like, asked of the real one.

    CHATROOM_LMDEPLOY="python3 -m lmdeploy" python -m pytest -m gpu tests/gpu/test_real_turbomind.py

Skipped where there is no GPU or no LMDeploy.
"""

import asyncio
import os
import shlex
import shutil
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
import pytest_asyncio

from chatroom.engines.base import EngineOptions
from chatroom.engines.transformers_peft import Engine as Embedded
from chatroom.engines.turbomind import Engine
from chatroom.engines.turbomind.gpu_memory import free_gpu_bytes
from chatroom.messages import Line, Prompt, Sampling

COMMAND = tuple(shlex.split(os.environ.get("CHATROOM_LMDEPLOY", "lmdeploy")))
BASE = str(Path(__file__).parents[2] / "models/hearth")
GREEDY = Sampling(temperature=0, repetition_penalty=1.0, max_tokens=24)
CACHE = 1 << 30

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(
        shutil.which(COMMAND[0]) is None or shutil.which("nvidia-smi") is None, reason="no LMDeploy or no GPU here"
    ),
]


def prompt(lines: int = 3) -> Prompt:
    said = tuple(Line(text=f"Tobin: I roll the dice, number {number}.") for number in range(lines))
    return Prompt(view="all", premise="A bar by the sea.", lines=said, tail=("You are Mara.",), start="Mara:")


async def reply(engine: Engine | Embedded, asked: Prompt, sampling: Sampling = GREEDY) -> str:
    return "".join([piece async for piece in engine.stream(asked, sampling=sampling)])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Engine]:
    logs = str(tmp_path_factory.mktemp("logs"))
    running = Engine(EngineOptions(base=BASE, context=2048, command=COMMAND, cache_bytes=CACHE, logs=logs))
    await running.start()
    yield running
    await running.close()


async def test_turbomind_speaks_as_transformers_does(engine: Engine) -> None:
    embedded = Embedded(EngineOptions(base=BASE, context=2048, dtype="float32", device="cpu"))
    await embedded.start()
    try:
        ours, theirs = await reply(embedded, prompt()), await reply(engine, prompt())
    finally:
        await embedded.close()
    assert theirs.split()[:4] == ours.split()[:4]  # 16 bit against 32: later words may differ


async def test_second_turn_finds_the_transcript(engine: Engine) -> None:
    await reply(engine, prompt(40))
    await reply(engine, prompt(42))
    while len(engine.told) < 2:
        await asyncio.sleep(0.01)
    usage = engine.told[-1].usage
    assert usage.cached > usage.prompt // 2


async def test_same_seed_gives_same_words(engine: Engine) -> None:
    warm = Sampling(temperature=1.0, seed=7, max_tokens=24)
    assert await reply(engine, prompt(), warm) == await reply(engine, prompt(), warm)


async def test_cancelled_turn_leaves_it_usable(engine: Engine) -> None:
    whole = await reply(engine, prompt())
    async with aclosing(engine.stream(prompt(), sampling=GREEDY)) as pieces:
        await anext(pieces)
    assert await reply(engine, prompt()) == whole


async def test_closing_gives_memory_back(engine: Engine) -> None:
    during = await free_gpu_bytes()
    await engine.close()
    after = await free_gpu_bytes()
    assert during is not None
    assert after is not None
    assert after - during > CACHE // 2
    await engine.start()
