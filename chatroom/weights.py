"""What a folder with weights or an adapter must be: safetensors only, no code, headers that make sense.

Everything is checked without loading a tensor, so that an engine never opens what was not looked at. Provenance (the
file that our own workshop writes) says whether it was made here, and for which layout and base. Knows no engine.
"""

import struct
from collections.abc import Iterable
from functools import lru_cache
from hashlib import file_digest
from math import prod
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from chatroom.messages import LAYOUT_VERSION, Adapter
from chatroom.role_files import Faults, Folder

LARGEST_JSON = 25_000_000
"""Bytes of a config; the index of a model with many experts takes some of it."""
LARGEST_HEADER = 25_000_000
"""Bytes of a safetensors header; the largest models need about a tenth of it."""
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".ckpt")
INDEX = "model.safetensors.index.json"
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")

_BITS = {"BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "I16": 16, "U16": 16, "F16": 16}
_BITS |= {"BF16": 16, "I32": 32, "U32": 32, "F32": 32, "I64": 64, "U64": 64, "F64": 64, "C64": 64, "F4": 4}

Offset = Annotated[int, Meta(ge=0, le=1 << 62)]


class Provenance(msgspec.Struct, frozen=True):
    """provenance.json as our workshop writes it. `base` is the sha256 of the base that an adapter was trained on."""

    made_by: str = ""
    layout: int = 0
    base: str = ""

    @property
    def ours(self) -> bool:
        return self.made_by == "chatroom"


class Tensor(msgspec.Struct, frozen=True):
    """What the header of a safetensors file tells of one tensor; the offsets count from the header's end."""

    dtype: str
    shape: Annotated[tuple[Offset, ...], Meta(max_length=16)]
    data_offsets: tuple[Offset, Offset]


class _Index(msgspec.Struct, frozen=True):
    weight_map: dict[str, str]


class _AdapterConfig(msgspec.Struct, frozen=True):
    """The part of PEFT's adapter_config.json that matters here."""

    peft_type: str = ""
    r: int = 8
    alora_invocation_tokens: tuple[Offset, ...] | None = None
    use_dora: bool = False
    megatron_config: Any = None
    auto_mapping: dict[str, Any] | None = None


def check_weights(folder: Folder, faults: Faults) -> None:
    """Checks a folder with a whole model."""
    with faults.kept():
        config = _json(folder, "config.json", dict[str, Any])
        if not isinstance(config.get("model_type"), str):
            raise folder.fault(
                "config.json", "it names no model_type", "take the config.json that belongs to the model"
            )
    for name in ("config.json", "tokenizer_config.json"):
        with faults.kept():
            _refuse_code(folder, name)
    with faults.kept():
        if not any(map(folder.has, TOKENIZERS)):
            raise folder.fault("", "it has no tokenizer", f"add {TOKENIZERS[0]}")
    with faults.kept():
        _check_shards(folder)
    if not folder.has(INDEX):
        _check_file(folder, "model.safetensors", faults)


def _check_shards(folder: Folder) -> None:
    """A model in several files: each one that the index names, checked like a single one."""
    if not folder.has(INDEX):
        return
    shards = _json(folder, INDEX, _Index).weight_map.values()
    for name in dict.fromkeys(shards):
        if "/" in name or not name.endswith(".safetensors"):
            raise folder.fault(INDEX, f"it names {name[:80]!r}", "it may name only safetensors files beside it")
        check_safetensors(folder, name)


def _check_file(folder: Folder, name: str, faults: Faults) -> None:
    """Checks the one file that is loaded, and says why others are not."""
    with faults.kept():
        if folder.has(name):
            check_safetensors(folder, name)
            return
        pickles = [other for other in folder.names() if other.endswith(PICKLES)]
        problem = f"{pickles[0]} could run code when it is loaded" if pickles else f"there is no {name}"
        raise folder.fault("", problem, f"save the weights as {name}; nothing else is loaded")


def check_safetensors(folder: Folder, name: str) -> dict[str, Tensor]:
    """Checks a file's header: a sane length, every tensor within the file, none over another; gives what it tells."""
    size, remedy = folder.size(name), "download or save the file anew"
    start = folder.read(name, 8, part=True)
    length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
    if not 2 <= length <= min(size - 8, LARGEST_HEADER):
        raise folder.fault(name, "it is no safetensors file, or it is cut off", remedy)
    try:
        header = msgspec.json.decode(folder.read(name, 8 + length, part=True)[8:], type=dict[str, msgspec.Raw])
        tensors = {key: msgspec.json.decode(raw, type=Tensor) for key, raw in header.items() if key != "__metadata__"}
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise folder.fault(name, "its header can't be read", remedy) from None
    problem = _overlap(tensors.values(), size - 8 - length)
    if problem:
        raise folder.fault(name, problem, remedy)
    return tensors


def _overlap(tensors: Iterable[Tensor], size: int) -> str:
    end = 0
    for tensor in sorted(tensors, key=lambda tensor: tensor.data_offsets):
        first, last = tensor.data_offsets
        if tensor.dtype not in _BITS:
            return f"a tensor has the unknown type {tensor.dtype[:20]!r}"
        if first < end:
            return "tensors overlap"
        if last - first != -(-prod(tensor.shape) * _BITS[tensor.dtype] // 8):
            return "a tensor's size does not fit its shape"
        end = last
    return "tensors lie beyond the end of the file" if end > size else ""


def read_adapter(folder: Folder, faults: Faults) -> Adapter | None:
    """Reads and checks a PEFT folder; what it says about its base is ignored, role.toml names that."""
    _check_file(folder, "adapter_model.safetensors", faults)
    with faults.kept():
        file = "adapter_config.json"
        config = _json(folder, file, _AdapterConfig)
        problem, remedy = _adapter_problem(config)
        if problem:
            raise folder.fault(file, problem, remedy)
        mark = folder.mark(file, "adapter_model.safetensors")
        return Adapter(path=str(folder.path), fingerprint=mark, invocation=config.alora_invocation_tokens or ())
    return None


def _adapter_problem(config: _AdapterConfig) -> tuple[str, str]:
    if config.peft_type != "LORA":
        return f"peft_type is {config.peft_type[:40]!r}", "only LORA adapters can speak here; train one of these"
    if not 1 <= config.r <= 4096:
        return f"its rank r is {config.r}", "a rank is between 1 and 4096"
    if config.alora_invocation_tokens == ():
        return "alora_invocation_tokens is empty", "name the token ids that switch it on, or null for an ordinary LoRA"
    if config.alora_invocation_tokens and config.use_dora:
        return "an activated LoRA can't be a DoRA", "set use_dora to false and train again"
    library = (config.auto_mapping or {}).get("parent_library") or "transformers"
    if config.megatron_config or str(library).split(".")[0] != "transformers":
        return "it names a module to be imported", "take megatron_config and auto_mapping out"
    return "", ""


def read_provenance(folder: Folder) -> Provenance:
    """Reads provenance.json; a folder without one was made elsewhere."""
    if not folder.has("provenance.json"):
        return Provenance()
    found: Provenance = _json(folder, "provenance.json", Provenance)
    if found.ours and found.layout != LAYOUT_VERSION:
        problem = f"made for layout {found.layout} of the prompt; this is layout {LAYOUT_VERSION}"
        raise folder.fault("provenance.json", problem, "train it again with this version", key="layout")
    return found


def check_base_digest(adapter: Folder, made: Provenance, base: Folder) -> None:
    """An adapter of ours speaks only over the very weights it was trained on."""
    if made.base and base.has("model.safetensors") and made.base != digest(base):
        problem = f"it was trained on another base than {base.label}"
        raise adapter.fault("provenance.json", problem, "use that base, or train it again on this one", key="base")


def digest(base: Folder) -> str:
    """The sha256 of a base's model.safetensors, computed once for each state of the file."""
    base.size("model.safetensors")  # refuses what leads out or is no file
    path = (base.path / "model.safetensors").resolve()
    return _sha256(path, path.stat().st_mtime_ns, path.stat().st_size)


@lru_cache(maxsize=64)
def _sha256(path: Path, changed: int, size: int) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _refuse_code(folder: Folder, name: str) -> None:
    found = _json(folder, name, dict[str, Any]) if folder.has(name) else {}
    for key in ("auto_map", "trust_remote_code", "custom_pipelines"):
        if found.get(key):
            raise folder.fault(name, "it wants code of its own to be run", "take the key out", key=key)


def _json(folder: Folder, name: str, kind: Any) -> Any:
    try:
        return msgspec.json.decode(folder.read(name, LARGEST_JSON).removeprefix(b"\xef\xbb\xbf"), type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        problem = str(error).replace("`", "") if isinstance(error, msgspec.DecodeError) else "it is nested too deeply"
        raise folder.fault(name, f"it can't be read: {problem}", "write the file anew") from None
