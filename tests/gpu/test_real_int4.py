"""Int4 weights through the real TurboMind: the file that our own code packed is loaded, and means the same numbers.

Skipped where there is no GPU or no LMDeploy.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import torch
from transformers import AutoModelForCausalLM

from chatroom.engines.base import EngineOptions
from chatroom.engines.turbomind import Engine
from chatroom.errors import EngineError
from quantize.job import Job, Recipe
from quantize.methods.base import quantized
from quantize.packed.reading import dequantized
from tests.gpu.real import BASE, CACHE, COMMAND, GREEDY, NEEDS_GPU, prompt, reply, usage_of

pytestmark = [pytest.mark.gpu, pytest.mark.asyncio(loop_scope="module"), NEEDS_GPU]


def made(folder: Path, group: int = 128) -> Path:
    job = Job(
        source=BASE,
        out=folder / f"int4-{group}",
        recipe=Recipe(method="rtn", group=group),
        tokens=folder / "none",
        log=folder / "log",
        home=folder,
    )
    return quantized(job, lambda line: None)


def options(base: Path, **more: object) -> EngineOptions:
    given = {"base": str(base), "context": 2048, "command": COMMAND, "cache_bytes": CACHE, "quantization": "int4"}
    return EngineOptions(**(given | more))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Engine]:
    folder = tmp_path_factory.mktemp("int4")
    running = Engine(options(made(folder), logs=str(folder)))
    await running.start()
    yield running
    await running.close()


async def test_int4_speaks_as_its_own_numbers_do(engine: Engine) -> None:
    base = engine._serving.running()[1]
    model = AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32)
    model.load_state_dict(dequantized(base.folder), strict=False)
    ids = base.prompt_ids(prompt())
    told = model.generate(
        input_ids=torch.tensor([ids]),
        attention_mask=torch.ones(1, len(ids), dtype=torch.long),
        do_sample=False,
        max_new_tokens=GREEDY.max_tokens,
        repetition_penalty=1.0,
        eos_token_id=sorted(base.stop_ids),
        pad_token_id=0,
    )
    ours = base.tokenizer.decode(told[0, len(ids) :], skip_special_tokens=True)
    assert (await reply(engine, prompt())).split()[:3] == ours.split()[:3]


async def test_int4_finds_the_transcript_too(engine: Engine) -> None:
    await usage_of(engine, prompt(40, "int4"))
    usage = await usage_of(engine, prompt(42, "int4"))
    assert usage.cached > usage.prompt // 2


async def test_groups_of_32_are_loaded_too(tmp_path: Path) -> None:
    running = Engine(options(made(tmp_path, group=32), logs=str(tmp_path)))
    try:
        await running.start()
        assert await reply(running, prompt())
    finally:
        await running.close()


async def test_16_bit_is_not_taken_for_int4() -> None:
    running = Engine(options(BASE))
    with pytest.raises(EngineError, match="16 bit"):
        await running.start()
    await running.close()
