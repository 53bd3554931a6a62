"""A folder of weights → tensors by name: those of 16 bit as they are, those of int4 dequantized.

The format is the one that config.json names; anything else is an error that names file and layer. It loads no model.
"""

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import msgspec
from safetensors import SafetensorError, safe_open
from torch import Tensor

from finetune.errors import WorkshopError
from quantize.packed import awq, compressed

FORMATS: Mapping[str, ModuleType] = {compressed.METHOD: compressed, awq.METHOD: awq}
REMEDY = "quantize it again"


class _Quantized(msgspec.Struct, frozen=True):
    quant_method: str = ""


class _Config(msgspec.Struct, frozen=True):
    quantization_config: _Quantized | None = None


def method_of(folder: Path) -> str:
    """The quantization method that config.json names; "" for weights in 16 bit.

    Raises:
        WorkshopError: It can't be read.
    """
    path = folder / "config.json"
    try:
        return (msgspec.json.decode(path.read_bytes(), type=_Config).quantization_config or _Quantized()).quant_method
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WorkshopError(str(path), f"it can't be read: {error}", REMEDY) from None


def stored(folder: Path) -> dict[str, Tensor]:
    """Every tensor of a folder's safetensors files, as it is stored.

    Raises:
        WorkshopError: There are none, or they can't be read.
    """
    found: dict[str, Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, framework="pt") as file:
                found |= {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no dict
        except (OSError, SafetensorError) as error:
            raise WorkshopError(str(path), f"it can't be read: {error}", REMEDY) from None
    if not found:
        raise WorkshopError(str(folder), "it has no safetensors weights", "save them as model.safetensors")
    return found


def dequantized(folder: Path) -> dict[str, Tensor]:
    """Every weight of a folder by the name that the 16-bit model has for it.

    Raises:
        WorkshopError: It is in a format that is not read here, or a layer is damaged.
    """
    method, tensors = method_of(folder), stored(folder)
    if method not in FORMATS:
        known = ", ".join(FORMATS)
        raise WorkshopError(str(folder / "config.json"), f"its weights are {method or '16 bit'!r}", f"known: {known}")
    kind = FORMATS[method]
    found: dict[str, Tensor] = {}
    for layer in [name.removesuffix(kind.SUFFIX) for name in tensors if name.endswith(kind.SUFFIX)]:
        try:
            found[f"{layer}.weight"] = kind.unpacked(layer, tensors)
        except KeyError as error:
            raise WorkshopError(str(folder), f"{error.args[0]} is missing", REMEDY) from None
        except (ValueError, RuntimeError) as error:
            raise WorkshopError(str(folder), str(error), REMEDY) from None
    return found | {name: tensor for name, tensor in tensors.items() if not _is_packed(name, found)}


def _is_packed(name: str, found: Mapping[str, Tensor]) -> bool:
    """Whether a stored tensor is a part of a layer that was dequantized; its bias is not."""
    layer, _, last = name.rpartition(".")
    return f"{layer}.weight" in found and last != "bias"
