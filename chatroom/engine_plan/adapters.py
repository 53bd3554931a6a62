"""What LMDeploy's PyTorch engine would silently get wrong in an ordinary LoRA. Pure; read from adapter_config.json."""

from typing import Any

import msgspec


class AdapterConfig(msgspec.Struct, frozen=True):
    """The part of PEFT's adapter_config.json that decides it."""

    r: int = 8
    use_dora: bool = False
    use_rslora: bool = False
    rank_pattern: dict[str, Any] | None = None
    alpha_pattern: dict[str, Any] | None = None
    bias: str = "none"
    modules_to_save: list[str] | None = None
    target_modules: list[str] | str | None = None


def misread(config: AdapterConfig) -> str:
    """What is wrong with it there; "" if nothing is."""
    if config.use_dora or config.use_rslora:
        return f"it is {'a DoRA' if config.use_dora else 'an rsLoRA'}"
    if config.rank_pattern or config.alpha_pattern:
        return "its rank differs from layer to layer"
    if config.bias != "none" or config.modules_to_save:
        return "it changes more than LoRA matrices"
    if config.r > 16 and config.r & (config.r - 1):
        return f"its rank {config.r} is no power of two"
    return "" if isinstance(config.target_modules, list) else "it names its modules by a pattern"
