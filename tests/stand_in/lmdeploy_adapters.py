"""How LMDeploy's PyTorch engine reads `--adapters`, with the PEFT 0.14 that it brings along: unkind, as there.

A config with keys that PEFT 0.14 does not know loses all of its settings, and the server dies of what is then missing.
What is in the weights is only looked at as far as its shape and name could stop a start.
"""

import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

KNOWN = """
task_type peft_type auto_mapping base_model_name_or_path revision inference_mode r target_modules exclude_modules
lora_alpha lora_dropout fan_in_fan_out bias use_rslora modules_to_save init_lora_weights layers_to_transform
layers_pattern rank_pattern alpha_pattern megatron_config megatron_core loftq_config eva_config use_dora
layer_replication runtime_config lora_bias
"""
"""What `LoraConfig` of PEFT 0.14.0 takes."""


def named(given: Sequence[str] | None) -> dict[str, str]:
    """Name → folder, as LMDeploy reads its flag."""
    if not given:
        return {}
    if len(given) == 1 and "=" not in given[0]:
        return {"default": given[0]}
    found: dict[str, str] = {}
    for pair in given:
        assert "=" in pair, f"Multiple lora paths must in format of xxx=yyy. But given: {pair}"
        name, path = pair.strip().split("=", 1)
        assert name not in found, f"Multiple lora paths with repeated lora name: {name}"
        found[name] = path
    return found


def load(given: Sequence[str] | None, most: int = 64) -> list[str]:
    """Loads all and gives their names; what is raised ends the server.

    Args:
        most: More do not fit.
    """
    adapters = named(given)
    if len(adapters) > most:
        raise RuntimeError("torch.OutOfMemoryError: CUDA out of memory.")
    configs = [_config(Path(path)) for path in adapters.values()]
    targets: set[str] = set()
    for config in configs:
        targets = targets.union(config["target_modules"])
    for path in adapters.values():
        _load_weights(Path(path), targets)
    return list(adapters)


def _config(folder: Path) -> dict[str, Any]:
    """The settings that are left of a config."""
    if not (folder / "adapter_config.json").is_file():
        raise ValueError(f"Can't find 'adapter_config.json' at '{folder}'")
    told = json.loads((folder / "adapter_config.json").read_bytes())
    settings = {"r": 8, "lora_alpha": 8, "target_modules": None}
    return settings | told if set(told) <= set(KNOWN.split()) else settings


def _load_weights(folder: Path, targets: set[str]) -> None:
    with (folder / "adapter_model.safetensors").open("rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    for name in header:
        if name != "__metadata__":
            *_, module, half, last = name.split(".")
            assert last == "weight"
            assert half in ("lora_A", "lora_B")
            if module not in {target.rpartition(".")[2] for target in targets}:
                raise KeyError(name.removeprefix("base_model.model."))
