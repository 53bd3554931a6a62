"""Role, room and model folders for tests: small, complete, and made without any model library."""

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROLE = 'name = "Mara Vell"\naliases = ["Mara"]\n'


def safetensors(tensors: Mapping[str, tuple[str, list[int], list[int]]], data: bytes) -> bytes:
    """A safetensors file: type, shape and offsets of each tensor, then the data."""
    header = {key: {"dtype": t[0], "shape": t[1], "data_offsets": t[2]} for key, t in tensors.items()}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


ONE_TENSOR = safetensors({"w": ("F32", [2], [0, 8])}, b"\0" * 8)


def make_base(folder: Path, **config: Any) -> Path:
    """A base that passes every check that does not load it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", **config}))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(ONE_TENSOR)
    return folder


def make_adapter(folder: Path, *, blocks: int = 1, **config: Any) -> Path:
    """A PEFT folder that passes every check that does not load it; a LoRA of so many blocks if it names its targets."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 8, **config}))
    targets = config.get("target_modules")
    weights = lora(targets, config.get("r", 8), blocks) if isinstance(targets, list) else ONE_TENSOR
    (folder / "adapter_model.safetensors").write_bytes(weights)
    return folder


def lora(targets: Sequence[str], rank: int, blocks: int = 1) -> bytes:
    """The matrices of an ordinary LoRA, narrow and all zero, on these layers of each block."""
    place = "base_model.model.model.layers.{}.self_attn.{}.lora_{}.weight"
    shapes = {
        place.format(block, name, half): [rank, 2] if half == "A" else [2, rank]
        for block in range(blocks)
        for name in targets
        for half in "AB"
    }
    size = 8 * rank
    tensors = {name: ("F32", shape, [at * size, (at + 1) * size]) for at, (name, shape) in enumerate(shapes.items())}
    return safetensors(tensors, bytes(size * len(shapes)))


def make_role(folder: Path, toml: str = ROLE, **files: str) -> Path:
    """A role over models/hearth, which must lie beside its roles folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "role.toml").write_text(toml, encoding="utf-8")
    (folder / "persona.md").write_text("Keeps the light.\n", encoding="utf-8")
    for name, text in files.items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
    return folder


def make_world(path: Path) -> Path:
    """A folder with models/hearth and roles/mara; gives the role's folder."""
    make_base(path / "models" / "hearth")
    return make_role(path / "roles" / "mara")
