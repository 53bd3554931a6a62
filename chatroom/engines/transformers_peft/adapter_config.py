"""adapter_config.json as the embedded engine reads it: a LoRA that leaves the base as it is, or a reason why not.

Every fault becomes an `EngineError` that says what to do. Knows no model and no weights.
"""

import json
from pathlib import Path
from typing import Any

from peft import LoraConfig

from chatroom.errors import EngineError
from chatroom.messages import Adapter

WEIGHTS = "adapter_model.safetensors"


def read_config(adapter: Adapter) -> Any:
    """PEFT's config of an adapter.

    Raises:
        EngineError: `no_adapter`: it can't be read, or does more than the engine can take back.
    """
    folder = Path(adapter.path)
    for name in ("adapter_config.json", WEIGHTS):
        if not (folder / name).is_file():
            raise unusable(adapter.path, f"it has no {name}")
    try:
        kind = json.loads((folder / "adapter_config.json").read_text("utf-8")).get("peft_type")
        if kind != "LORA":
            raise unusable(adapter.path, f"it is no LoRA but {kind}")
        config = LoraConfig.from_pretrained(str(folder))
    except EngineError:
        raise
    except Exception as error:
        raise unusable(adapter.path, f"adapter_config.json can't be read: {first_line(error)}") from error
    if config.bias != "none":
        raise unusable(adapter.path, f"it changes the base's biases (bias = {config.bias!r})")
    _check_invocation(adapter, config)
    config.inference_mode = True
    return config


def _check_invocation(adapter: Adapter, config: Any) -> None:
    named = tuple(config.alora_invocation_tokens or ())
    if named != adapter.invocation:
        raise unusable(
            adapter.path,
            f"the role gives the invocation {list(adapter.invocation)}, adapter_config.json {list(named)}",
        )
    if named and config.modules_to_save:
        raise unusable(adapter.path, "an aLoRA can't replace whole modules (modules_to_save)")


def unusable(path: str, problem: str) -> EngineError:
    """The error for an adapter, with what to do."""
    return EngineError(
        f"the adapter {path} can't be used: {problem}; save it with PEFT's save_pretrained, trained on this base",
        code="no_adapter",
    )


def first_line(error: Exception) -> str:
    """What a library's error says, in one line."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:200]
