"""Base and ordinary LoRA → one folder of weights, for engines that take no adapters. The one place where it is done.

    python -m chatroom.merging BASE ADAPTER ROOT KEY

The workshop calls `merge`; the server runs this file as a process of its own, which keeps the result under ROOT/KEY,
tells how far it is by one JSON object a line, gives way to others, and ends when its stdin does. Knows no role.
"""

import os
import shutil
import sys
import threading
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NoReturn

import msgspec

from chatroom.errors import FolderError
from chatroom.folder_cache import FolderCache
from chatroom.role_files import Faults, Folder
from chatroom.weights import check_weights, read_adapter

COPIED = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "special_tokens_map.json", "vocab.json",
          "merges.txt", "added_tokens.json", "chat_template.jinja", "generation_config.json")  # fmt: skip
STAMP = "provenance.json"
MOST = 8
"""Merged folders that are kept; each takes as much of the disk as its base."""
NICENESS = 5


class Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the process tells: what it is doing, or a fault as the parts of a FolderError."""

    doing: str = ""
    file: str = ""
    problem: str = ""
    remedy: str = ""


class _Config(msgspec.Struct, frozen=True):
    dtype: str | None = None
    torch_dtype: str | None = None
    quantization_config: dict[str, object] | None = None


def merge(base: Path, adapter: Path, folder: Path, *, half: bool = False) -> None:
    """Writes the base's weights with an adapter merged into them, its tokenizer and its stamp into a folder.

    Args:
        folder: Is made if need be; what has the same names there is overwritten.
        half: Whether it must be in 16 bit; otherwise it is as the base is stored.

    Raises:
        FolderError: It is an activated LoRA, it does not fit its base, or one of them can't be read.
        OSError: It can't be written.
    """
    check_mergeable(base, adapter)
    import torch  # takes seconds: only where there is something to merge
    from peft import PeftModel
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    stored = getattr(torch, _stored(base))
    wanted = stored if stored in (torch.float16, torch.bfloat16) or not half else torch.bfloat16
    try:
        model = AutoModelForCausalLM.from_pretrained(
            base, dtype=stored, local_files_only=True, trust_remote_code=False, use_safetensors=True
        )
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)  # PEFT's, of transformers
            adapted = PeftModel.from_pretrained(model, str(adapter), local_files_only=True)
        merged = adapted.merge_and_unload(safe_merge=True).to(wanted)
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as error:
        problem = f"it does not fit its base: {str(error)[:500]}"
        raise FolderError(str(adapter), problem, "train it again over this base") from None
    merged.save_pretrained(folder)
    _finish(base, adapter, folder)


def check_mergeable(base: Path, adapter: Path) -> None:
    """Refuses what merging would make something else of.

    Raises:
        FolderError: With what to do.
    """
    faults = Faults()
    if not adapter.is_dir():
        raise FolderError(str(adapter), "there is no adapter that can be read", "train one first")
    found = read_adapter(Folder.at(adapter, str(adapter)), faults)
    check_weights(Folder.at(base, str(base)), faults)
    if faults or found is None:
        raise faults[0]
    if found.invocation:
        problem = "it is an activated LoRA: it acts from its invocation on, and merged it would act everywhere"
        raise FolderError(str(adapter), problem, "merge its ordinary twin: finetune ROLE --kind both")
    if _config(base).quantization_config:
        problem = "its weights are quantized, and nothing can be merged into them"
        raise FolderError(str(base), problem, "name the base in 16 bit, and quantize what was merged")


def read_stamp(folder: Path) -> dict[str, object]:
    """What provenance.json says; nothing where there is none.

    Raises:
        FolderError: It can't be read.
    """
    try:
        return msgspec.json.decode((folder / STAMP).read_bytes(), type=dict[str, object])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as error:
        raise FolderError(str(folder / STAMP), f"it can't be read: {error}", "train it again") from None


def _finish(base: Path, adapter: Path, folder: Path) -> None:
    """The base's own stamp says how it is spoken to; what the adapter was trained from stands beside it."""
    for name in COPIED:
        if (base / name).is_file():
            shutil.copyfile(base / name, folder / name)
    stamp = read_stamp(base) | {"merged": read_stamp(adapter)}
    (folder / STAMP).write_bytes(msgspec.json.format(msgspec.json.encode(stamp), indent=2) + b"\n")


def _config(base: Path) -> _Config:
    try:
        return msgspec.json.decode((base / "config.json").read_bytes(), type=_Config)
    except (OSError, msgspec.DecodeError) as error:
        raise FolderError(str(base / "config.json"), f"it can't be read: {error}", "download it again") from None


def _stored(base: Path) -> str:
    """The name of the precision that the base is stored in."""
    config = _config(base)
    named = config.dtype or config.torch_dtype
    return named if named in ("float16", "bfloat16") else "float32"


def main(args: list[str]) -> int:
    """Merges in a process of its own; gives its exit status."""
    base, adapter, root, key = Path(args[0]), Path(args[1]), Path(args[2]), args[3]
    tell = partial(_tell, os.dup(1))
    os.dup2(2, 1)  # what libraries print is no answer
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.nice(NICENESS)
    try:
        tell(Told(doing="waiting for its turn"))
        FolderCache(root, most=MOST).made(key, lambda draft: _merge_into(draft, base, adapter, tell))
    except FolderError as fault:
        tell(Told(file=fault.file, problem=fault.problem, remedy=fault.remedy))
        return 1
    except OSError as error:
        tell(Told(file=str(root), problem=f"it can't be written: {error.strerror or error}", remedy="check the disk"))
        return 1
    return 0


def _merge_into(draft: Path, base: Path, adapter: Path, tell: Callable[[Told], None]) -> None:
    tell(Told(doing="merging"))
    merge(base, adapter, draft, half=True)
    tell(Told(doing="bringing it to the disk"))


def _tell(out: int, told: Told) -> None:
    os.write(out, msgspec.json.encode(told) + b"\n")


def _end_with_parent() -> NoReturn:
    """Whoever asked for it holds our stdin open, and lets go of it also by a crash."""
    while os.read(0, 1 << 10):
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
