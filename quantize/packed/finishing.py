"""What a method wrote → a folder that TurboMind loads as the 16-bit one: precision of the rest, config, tokenizer.

Methods leave scales in the precision in which they computed, switch the cache off and forget files; all that is set
right here, in one place. It changes no int4 number.
"""

import shutil
from pathlib import Path

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from chatroom.merging import COPIED, STAMP
from finetune.errors import WorkshopError
from quantize.packed.reading import REMEDY, stored

WEIGHTS = "model.safetensors"
HALVES = {"float16": torch.float16, "bfloat16": torch.bfloat16}


def table_of(folder: Path) -> dict[str, object]:
    """The config.json of a folder.

    Raises:
        WorkshopError: It can't be read.
    """
    path = folder / "config.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, object])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WorkshopError(str(path), f"it can't be read: {error}", REMEDY) from None


def half_of(source: Path) -> torch.dtype:
    """The 16-bit precision that goes with int4: the one that the weights have, float16 for those in float32."""
    table = table_of(source)
    return HALVES.get(str(table.get("dtype") or table.get("torch_dtype")), torch.float16)


def finish(out: Path, source: Path) -> None:
    """Sets a quantized folder right: one file of weights, its 16-bit parts as precise as the source's, its config and
    all files beside it.

    Raises:
        WorkshopError: It can't be read or written.
    """
    half = half_of(source)
    tensors = {name: _halved(tensor, half) for name, tensor in stored(out).items()}
    try:
        for path in (*out.glob("*.safetensors"), *out.glob("*.safetensors.index.json"), out / "recipe.yaml"):
            path.unlink(missing_ok=True)
        save_file(tensors, out / WEIGHTS, metadata={"format": "pt"})
        (out / WEIGHTS).chmod(0o644)
        write_config(out, table_of(source), _quantization(out), half)
        for name in (*COPIED, STAMP):
            if (source / name).is_file():
                shutil.copyfile(source / name, out / name)
    except (OSError, SafetensorError) as error:
        raise WorkshopError(str(out), f"it can't be written: {error}", "check the disk") from None


def write_config(out: Path, table: dict[str, object], quantization: object, half: torch.dtype) -> None:
    """Writes config.json: the source's, in this precision, with what says how the weights are packed."""
    table = {name: value for name, value in table.items() if name != "torch_dtype"}
    table |= {"dtype": str(half).removeprefix("torch."), "use_cache": True, "quantization_config": quantization}
    (out / "config.json").write_bytes(msgspec.json.format(msgspec.json.encode(table), indent=2) + b"\n")


def _quantization(out: Path) -> object:
    table = table_of(out)
    if "quantization_config" not in table:
        raise WorkshopError(str(out / "config.json"), "it says nothing of a quantization", REMEDY)
    return table["quantization_config"]


def _halved(tensor: Tensor, half: torch.dtype) -> Tensor:
    return tensor.to(half).contiguous() if tensor.is_floating_point() else tensor.contiguous()
