"""Reads what the plan must know from files: the one part of this package that touches any.

Of weights, only config.json and the headers of the safetensors files are read; a fault is a FolderError that names
file and key. Knows no plan.
"""

from pathlib import Path
from typing import Any

import msgspec

from chatroom import plugins
from chatroom.engine_plan.sizes import (
    Shape,
    Tensor,
    Weights,
    copy_bytes,
    end_bytes,
    half_bytes,
    head_bytes,
    int4_bytes,
    kv_bytes,
    packed_copy_bytes,
)
from chatroom.engines._adapter_rules import AdapterConfig, misfits, misread
from chatroom.engines._lmdeploy.base_config import read_config
from chatroom.errors import EngineError, FolderError
from chatroom.role_files import Folder
from chatroom.weights import INDEX, LARGEST_JSON, check_safetensors

LARGEST_NUMBER = 1 << 31
REMEDY = "take the config.json that belongs to the model"


class _Index(msgspec.Struct, frozen=True):
    weight_map: dict[str, str]


class _Quantized(msgspec.Struct, frozen=True):
    quant_method: str = ""


class _Config(msgspec.Struct, frozen=True):
    """The part of a config.json that matters here; a model that also sees has the part that speaks one level deeper."""

    num_hidden_layers: int | None = None
    num_attention_heads: int | None = None
    num_key_value_heads: int | None = None
    hidden_size: int | None = None
    head_dim: int | None = None
    max_position_embeddings: int | None = None
    quantization_config: _Quantized | None = None
    text_config: dict[str, Any] | None = None
    llm_config: dict[str, Any] | None = None


def measure_weights(path: Path, name: str, *, proven: str = "") -> Weights:
    """Reads the sizes of a model.

    Args:
        path: Its folder.
        name: How a user names it.
        proven: The method of its int4 weights that passed the gate; "" if there are none.

    Raises:
        FolderError: Naming file and key.
    """
    folder = Folder.at(path, name)
    config = _decoded(folder, "config.json", _Config)
    shape, tensors = _shape(folder, config), _tensors(folder)
    half, method = half_bytes(tensors), (config.quantization_config or _Quantized()).quant_method
    return Weights(
        id=str(folder.path),
        name=name,
        half=half,
        int4=half if method else int4_bytes(tensors),
        head=head_bytes(tensors),
        copy=copy_bytes(tensors),
        packed_copy=packed_copy_bytes(tensors),
        end=end_bytes(tensors),
        kv=kv_bytes(shape),
        context=shape.context,
        packed=bool(method),
        proven=method or proven,
        unfit=_unfit(folder),
    )


def measure_adapter(path: Path, name: str) -> tuple[int, str]:
    """Bytes of an adapter in 16 bit, and why LMDeploy's PyTorch engine would get it wrong ("" if it would not).

    Raises:
        FolderError: It can't be read.
    """
    folder = Folder.at(path, name)
    tensors = _file(folder, "adapter_model.safetensors")
    config = _decoded(folder, "adapter_config.json", AdapterConfig)
    return half_bytes(tensors), misread(config) or misfits(config, {tensor.name: tensor.shape for tensor in tensors})


def _shape(folder: Folder, config: _Config) -> Shape:
    if inner := config.text_config or config.llm_config:
        try:
            config = msgspec.convert(inner, _Config)
        except msgspec.ValidationError as error:
            raise folder.fault("config.json", str(error).replace("`", ""), REMEDY, key="text_config") from None
    attention = _number(folder, config, "num_attention_heads")
    per_head = (config.hidden_size or 0) // attention or None
    return Shape(
        layers=_number(folder, config, "num_hidden_layers"),
        heads=_number(folder, config, "num_key_value_heads", attention),
        head_dim=_number(folder, config, "head_dim", per_head),
        context=_number(folder, config, "max_position_embeddings"),
    )


def _number(folder: Folder, config: _Config, key: str, default: int | None = None) -> int:
    """A number of the config; a default stands for one that is not there."""
    found = getattr(config, key)
    found = default if found is None else found
    if not isinstance(found, int) or not 0 < found < LARGEST_NUMBER:
        problem = "it is not there" if found is None else f"it is {found}"
        raise folder.fault("config.json", f"{problem}, and nobody can say how much memory it needs", REMEDY, key=key)
    return found


def _tensors(folder: Folder) -> list[Tensor]:
    if not folder.has(INDEX):
        return _file(folder, "model.safetensors")
    names = sorted(set(_decoded(folder, INDEX, _Index).weight_map.values()))
    if not names:
        raise folder.fault(INDEX, "it names no file", "download or save the model anew", key="weight_map")
    return [tensor for name in names for tensor in _file(folder, name)]


def _file(folder: Folder, name: str) -> list[Tensor]:
    """The tensors of one file, as its header tells of them."""
    if "/" in name:
        raise folder.fault(INDEX, f"it names {name[:80]!r}", "it may name only safetensors files beside it")
    return [
        Tensor(name=key, dtype=told.dtype, shape=told.shape, bytes=told.data_offsets[1] - told.data_offsets[0])
        for key, told in check_safetensors(folder, name).items()
    ]


def _unfit(folder: Folder) -> str:
    """Why TurboMind can't run a model, in the words of its own engine."""
    check_base = plugins.load("chatroom.engines.turbomind", "checks").check_base
    try:
        check_base(read_config(folder.read("config.json", LARGEST_JSON), folder.label), folder.label)
    except EngineError as error:
        return str(error).split("; ")[0]
    return ""


def _decoded(folder: Folder, name: str, kind: Any) -> Any:
    try:
        return msgspec.json.decode(folder.read(name, LARGEST_JSON).removeprefix(b"\xef\xbb\xbf"), type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        problem = str(error).replace("`", "") if isinstance(error, msgspec.DecodeError) else "it is nested too deeply"
        raise FolderError(f"{folder.label}/{name}", f"it can't be read: {problem}", "write the file anew") from None
