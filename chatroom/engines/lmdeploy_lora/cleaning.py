"""An adapter as LMDeploy's PyTorch engine can read it: a copy with a config of few keys, kept by its digest.

LMDeploy brings PEFT 0.14 with it, which stumbles over keys of later ones and then takes every setting for its default.
So the config is written anew with what that engine looks at, and all that it would overlook is refused first. The
copy never changes, whatever is written into the role's folder meanwhile. Blocks; knows no server.
"""

import hashlib
import re
import shutil
from pathlib import Path
from typing import NoReturn

import msgspec

from chatroom.engines._adapter_rules import AdapterConfig, misfits, misread, target_names
from chatroom.errors import EngineError, FolderError
from chatroom.folder_cache import FolderCache
from chatroom.messages import Adapter
from chatroom.role_files import Faults, Folder
from chatroom.weights import LARGEST_JSON, check_safetensors, read_adapter

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
REMEDY = "merge it into its base (`launch.py merge ROLE`) for TurboMind, or set engine = 'transformers_peft'"
TWIN = "train an ordinary twin of it (`launch.py finetune ROLE --kind both`), or set engine = 'transformers_peft'"


class CleanAdapter(msgspec.Struct, frozen=True, kw_only=True):
    """An adapter that may be loaded.

    Args:
        name: What it is called on the server; never the name of a chat template of LMDeploy's.
        folder: Of the copy.
        fingerprint: Of the adapter that it was made from.
        size: Bytes of its weights.
    """

    name: str
    folder: Path
    fingerprint: str
    size: int


class _Clean(msgspec.Struct, frozen=True, kw_only=True):
    """What PEFT 0.14 is given: keys that it knows, with all that the engine looks at."""

    peft_type: str = "LORA"
    task_type: str = "CAUSAL_LM"
    inference_mode: bool = True
    bias: str = "none"
    r: int
    lora_alpha: float
    target_modules: list[str]


class _Alpha(msgspec.Struct, frozen=True):
    lora_alpha: float = 8


def cleaned(adapter: Adapter, cache: FolderCache, layers: int = 0) -> CleanAdapter:
    """Makes the copy of an adapter, or finds it.

    Args:
        layers: How many the base has; 0 where that is not known.

    Raises:
        EngineError: `no_adapter`: it can't be read, or that engine would get it wrong; with what to do.
    """
    if adapter.invocation:
        _refuse(adapter.path, "it is an activated LoRA, and would act on the whole prompt", TWIN)
    try:
        config = _checked(adapter.path, layers)
        weights = Path(adapter.path) / WEIGHTS
        key = _digest(config, weights)
        folder = cache.found(key) or cache.made(key, lambda draft: _write(draft, config, weights, key))
    except FolderError as error:
        raise EngineError(f"the adapter {adapter.path} can't be read: {error}", code="no_adapter") from None
    except OSError as error:
        problem = f"the adapter {adapter.path} can't be copied: {error.strerror or error}; check the disk"
        raise EngineError(problem, code="no_adapter") from None
    size = (folder / WEIGHTS).stat().st_size
    return CleanAdapter(name=_name(adapter.path, key), folder=folder, fingerprint=adapter.fingerprint, size=size)


def _checked(path: str, layers: int) -> bytes:
    """The config as it is given to the server."""
    folder, faults = Folder.at(Path(path)), Faults()
    read_adapter(folder, faults)
    if faults:
        raise faults[0]
    raw = folder.read(CONFIG, LARGEST_JSON).removeprefix(b"\xef\xbb\xbf")
    try:
        config = msgspec.json.decode(raw, type=AdapterConfig)
        alpha = msgspec.json.decode(raw, type=_Alpha).lora_alpha
    except (msgspec.DecodeError, RecursionError) as error:
        raise folder.fault(CONFIG, f"it can't be read: {str(error)[:200]}", "write the file anew") from None
    shapes = {name: tensor.shape for name, tensor in check_safetensors(folder, WEIGHTS).items()}
    if problem := misread(config) or misfits(config, shapes, layers):
        _refuse(path, problem, TWIN if config.alora_invocation_tokens else REMEDY)
    clean = _Clean(r=config.r, lora_alpha=alpha, target_modules=target_names(config))
    return msgspec.json.format(msgspec.json.encode(clean), indent=2)


def _digest(config: bytes, weights: Path) -> str:
    digest = hashlib.sha256(config)
    with weights.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()[:32]


def _write(draft: Path, config: bytes, weights: Path, key: str) -> None:
    """Copies, never links: a file that is trained into would change behind its digest."""
    (draft / CONFIG).write_bytes(config)
    shutil.copyfile(weights, draft / WEIGHTS)
    if _digest(config, draft / WEIGHTS) != key:
        raise EngineError("the adapter is just being written; try again", code="no_adapter")


def _name(path: str, key: str) -> str:
    """As `role_mara-0123456789ab`: by the folder that it lies in, and what is in it."""
    told = re.sub(r"[^A-Za-z0-9-]", "-", Path(path).absolute().parent.name)[:24]
    return f"role_{told}-{key[:12]}"


def _refuse(path: str, problem: str, remedy: str) -> NoReturn:
    text = f"LMDeploy's PyTorch engine would get the adapter {path} wrong: {problem}; {remedy}"
    raise EngineError(text, code="no_adapter")
