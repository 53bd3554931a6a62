"""Weights with a LoRA merged into them: what they compute, that they are made once, whole or not at all."""

import asyncio
import json
import logging
import shutil
import warnings
from pathlib import Path

import pytest
import pytest_asyncio

from tests.tiny import make_adapter, make_base  # isort: skip  # it sets the number of threads before torch is loaded

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from chatroom.errors import EngineError
from chatroom.merged_weights import merged
from chatroom.role_files import Faults, Folder
from chatroom.weights import check_weights, read_provenance

pytestmark = pytest.mark.asyncio(loop_scope="module")

IDS = torch.tensor([[5, 17, 99, 203, 42, 8, 311, 77]])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base, an ordinary LoRA for it, and a home: read by many tests, since a merge takes seconds."""
    folder = tmp_path_factory.mktemp("world")
    make_adapter(folder / "lora", make_base(folder / "base", num_hidden_layers=2), activated=False)
    return folder


@pytest.fixture
def base(world: Path) -> Path:
    return world / "base"


@pytest.fixture
def adapter(world: Path) -> Path:
    return world / "lora"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(world: Path) -> Path:
    return await merged(world / "base", world / "lora", world / "home")


def logits(folder: Path, adapter: Path | None = None) -> torch.Tensor:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    if adapter is not None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)  # PEFT's, of transformers
            model = PeftModel.from_pretrained(model, str(adapter))
    with torch.no_grad():
        return model.eval()(input_ids=IDS).logits.float()


async def test_merged_weights_compute_like_peft(made: Path, base: Path, adapter: Path) -> None:
    theirs, ours, bare = logits(base, adapter), logits(made), logits(base)
    rounding = (theirs - ours).abs().max()
    assert rounding < 0.05 * (theirs - bare).abs().max()
    assert torch.equal(theirs.argmax(-1), ours.argmax(-1))


async def test_merged_folder_can_be_served(made: Path, world: Path) -> None:
    faults = Faults()
    check_weights(Folder.at(made), faults)
    assert list(faults) == []
    assert read_provenance(Folder.at(made)).ours
    assert json.loads((made / "config.json").read_bytes())["dtype"] == "bfloat16"
    assert made.parent == world / "home" / "merged"


async def test_second_call_makes_nothing(made: Path, world: Path, base: Path, adapter: Path) -> None:
    inode = (made / "model.safetensors").stat().st_ino
    again = await asyncio.gather(*(merged(base, adapter, world / "home") for _ in range(3)))
    assert again == [made] * 3
    assert (made / "model.safetensors").stat().st_ino == inode


async def test_moved_base_is_still_known(made: Path, world: Path, base: Path, adapter: Path, tmp_path: Path) -> None:
    elsewhere = Path(shutil.copytree(base, tmp_path / "elsewhere"))
    assert await merged(elsewhere, adapter, world / "home") == made


async def test_changed_adapter_is_merged_anew(made: Path, world: Path, base: Path, tmp_path: Path) -> None:
    make_adapter(tmp_path / "changed", base, activated=False, seed=9)
    second = await merged(base, tmp_path / "changed", world / "home")
    assert second != made
    assert not torch.equal(logits(made), logits(second))


async def test_cancelled_merge_leaves_no_half(
    tmp_path: Path, base: Path, adapter: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """And two that ask at once afterwards get one folder, without what the cancelled one left."""
    caplog.set_level(logging.INFO)
    asking = asyncio.create_task(merged(base, adapter, tmp_path))
    async with asyncio.timeout(120):
        while "merging" not in caplog.messages:
            await asyncio.sleep(0.01)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    root = tmp_path / "merged"
    assert [path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")] == []
    one, two = await asyncio.gather(*(merged(base, adapter, tmp_path) for _ in range(2)))
    assert one == two
    assert [path for path in root.iterdir() if path.is_dir()] == [one]


async def test_activated_lora_is_not_merged(tmp_path: Path, base: Path) -> None:
    make_adapter(tmp_path / "alora", base, activated=True)
    with pytest.raises(EngineError, match=r"act everywhere.*twin") as raised:
        await merged(base, tmp_path / "alora", tmp_path / "home")
    assert raised.value.code == "no_adapter"


async def test_adapter_of_other_size_is_refused(tmp_path: Path, adapter: Path) -> None:
    other = make_base(tmp_path / "other", hidden_size=32, num_hidden_layers=2)
    with pytest.raises(EngineError, match="does not fit its base") as raised:
        await merged(other, adapter, tmp_path / "home")
    assert raised.value.code == "no_adapter"


async def test_quantized_base_is_refused(tmp_path: Path, world: Path, adapter: Path) -> None:
    base = Path(shutil.copytree(world / "base", tmp_path / "base"))
    config = json.loads((base / "config.json").read_bytes())
    (base / "config.json").write_text(json.dumps(config | {"quantization_config": {"quant_method": "awq"}}))
    with pytest.raises(EngineError, match="16 bit"):
        await merged(base, adapter, tmp_path / "home")


@pytest.mark.parametrize("missing", ["base", "lora"])
async def test_missing_folder_is_named(tmp_path: Path, world: Path, missing: str) -> None:
    folders = {"base": world / "base", "lora": world / "lora"} | {missing: tmp_path / "nowhere"}
    with pytest.raises(EngineError, match="nowhere") as raised:
        await merged(folders["base"], folders["lora"], tmp_path / "home")
    assert raised.value.code == "no_adapter"


async def test_home_without_place_is_told(tmp_path: Path, base: Path, adapter: Path) -> None:
    (tmp_path / "home").write_text("a file", "utf-8")
    with pytest.raises(EngineError, match="can't be") as raised:
        await merged(base, adapter, tmp_path / "home")
    assert raised.value.code == "no_adapter"
