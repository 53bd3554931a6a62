"""Ordinary LoRAs on LMDeploy's real PyTorch engine, and one of them merged for TurboMind: both say what PEFT says.

Skipped where there is no GPU or no LMDeploy.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from chatroom.engines.base import EngineOptions
from chatroom.engines.lmdeploy_lora import Engine
from chatroom.engines.transformers_peft import Engine as Embedded
from chatroom.engines.turbomind import Engine as TurboMind
from chatroom.merged_weights import merged
from chatroom.messages import Adapter
from tests.gpu.real import BASE, CACHE, COMMAND, NEEDS_GPU, prompt, reply, usage_of
from tests.tiny import make_adapter

pytestmark = [pytest.mark.gpu, pytest.mark.asyncio(loop_scope="module"), NEEDS_GPU]

WORDS = 3
"""That must be the same: 16 bit against 32, later ones may differ."""


@pytest.fixture(scope="module")
def loras(tmp_path_factory: pytest.TempPathFactory) -> list[Adapter]:
    folder = tmp_path_factory.mktemp("loras")
    return [
        make_adapter(folder / f"role{seed}", BASE, activated=False, seed=seed, rank=16, width=0.15)
        for seed in (1, 2, 3)
    ]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def spoken(loras: list[Adapter]) -> list[str]:
    """What PEFT says with each of them, and without."""
    embedded = Embedded(EngineOptions(base=str(BASE), context=2048, dtype="float32", device="cpu"))
    await embedded.start()
    try:
        return [await reply(embedded, prompt(), adapter=adapter) for adapter in (*loras, None)]
    finally:
        await embedded.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(loras: list[Adapter], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Engine]:
    """Started with two of the three."""
    given = EngineOptions(
        base=str(BASE),
        context=2048,
        command=COMMAND,
        cache_bytes=CACHE,
        adapters=tuple(loras[:2]),
        logs=str(tmp_path_factory.mktemp("logs")),
    )
    running = Engine(given)
    await running.start()
    yield running
    await running.close()


def begins(text: str) -> list[str]:
    return text.split()[:WORDS]


async def test_every_lora_speaks_as_with_peft(engine: Engine, loras: list[Adapter], spoken: list[str]) -> None:
    told = [await reply(engine, prompt(), adapter=adapter) for adapter in (*loras[:2], None)]
    assert [begins(text) for text in told] == [begins(text) for text in (*spoken[:2], spoken[3])]
    assert len(set(map(str, map(begins, told)))) > 1  # else it would not be seen that an adapter is missing


async def test_prefixes_are_kept_for_each_lora(engine: Engine, loras: list[Adapter]) -> None:
    await usage_of(engine, prompt(40, "loras"), loras[0])
    same = await usage_of(engine, prompt(42, "loras"), loras[0])
    other = await usage_of(engine, prompt(42, "loras"), loras[1])
    assert same.cached > same.prompt // 2
    assert other.cached == 0


async def test_a_later_lora_restarts_the_server_once(engine: Engine, loras: list[Adapter], spoken: list[str]) -> None:
    told = [await reply(engine, prompt(), adapter=adapter) for adapter in (loras[2], loras[0])]
    assert [begins(text) for text in told] == [begins(spoken[2]), begins(spoken[0])]


async def test_a_merged_lora_speaks_alike_on_turbomind(
    engine: Engine, loras: list[Adapter], spoken: list[str], tmp_path: Path
) -> None:
    await engine.close()
    folder = await merged(BASE, Path(loras[0].path), tmp_path)
    running = TurboMind(EngineOptions(base=str(folder), context=2048, command=COMMAND, cache_bytes=CACHE))
    try:
        await running.start()
        assert begins(await reply(running, prompt())) == begins(spoken[0])
    finally:
        await running.close()
