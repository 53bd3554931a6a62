"""What LMDeploy's PyTorch engine would silently get wrong in an adapter: pure, from its config and its tensors' shapes.

That engine knows one kind: two matrices of one rank on every linear layer of a name, times alpha / r. All else it
passes over without a word, or computes with memory that nobody set. The plan and the engine must mean the same by it.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import msgspec

SMALLEST_KERNEL = 16
"""Its kernel computes with at least so many ranks; beyond that their number must be a power of two."""
CHANGES_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")
"""Ways to initialize a LoRA that change the base's weights too, which only PEFT repeats when it loads one."""
NO_LAYER = frozenset({"lm_head", "embed_tokens", "wte", "embed_out", "embed_in"})

_MATRIX = re.compile(r"base_model\.model\.(?:\w+\.)*layers\.(\d{1,4})\.([\w.]+)\.lora_([AB])\.weight")


class AdapterConfig(msgspec.Struct, frozen=True):
    """The part of PEFT's adapter_config.json that decides it."""

    r: int = 8
    use_dora: bool = False
    use_rslora: bool = False
    rank_pattern: dict[str, Any] | None = None
    alpha_pattern: dict[str, Any] | None = None
    bias: str = "none"
    lora_bias: bool = False
    modules_to_save: list[str] | None = None
    target_modules: list[str] | str | None = None
    target_parameters: list[str] | None = None
    trainable_token_indices: Any = None
    layers_to_transform: list[int] | int | None = None
    layer_replication: Any = None
    fan_in_fan_out: bool = False
    init_lora_weights: bool | str | None = True
    alora_invocation_tokens: tuple[int, ...] | None = None
    use_qalora: bool = False
    use_bdlora: Any = None
    kasa_config: Any = None
    velora_config: Any = None
    monteclora_config: Any = None
    arrow_config: Any = None


def misread(config: AdapterConfig) -> str:
    """What is wrong with it there; "" if nothing is."""
    return _other_kind(config) or _beyond_matrices(config) or _rank_problem(config) or _target_problem(config)


def misfits(config: AdapterConfig, shapes: Mapping[str, tuple[int, ...]], layers: int = 0) -> str:
    """What is wrong with its tensors there; "" if nothing is.

    Args:
        shapes: Of each tensor of adapter_model.safetensors, by its name.
        layers: How many the base has; 0 where that is not known.
    """
    found: defaultdict[str, set[tuple[int, str]]] = defaultdict(set)
    for name, shape in shapes.items():
        matrix = _MATRIX.fullmatch(name)
        if matrix is None or ".experts." in name:
            return f"it has {name[:120]!r}, which is no LoRA matrix of a plain linear layer"
        if len(shape) != 2 or shape[0 if matrix[3] == "A" else 1] != config.r:
            return f"{name[:120]!r} has the shape {list(shape)}, and its rank should be {config.r}"
        found[matrix[2]].add((int(matrix[1]), matrix[3]))
    return _gap(config, found, layers)


def target_names(config: AdapterConfig) -> list[str]:
    """The names of the layers that it changes, without what stands before them."""
    named = config.target_modules if isinstance(config.target_modules, list) else []
    return sorted({name.rpartition(".")[2] for name in named})


def _gap(config: AdapterConfig, found: Mapping[str, set[tuple[int, str]]], layers: int) -> str:
    """A layer that the engine would give matrices, and that has none in the file."""
    blocks = {layer for matrices in found.values() for layer, _ in matrices}
    depth = max(layers, 1 + max(blocks, default=-1))
    for name, matrices in sorted(found.items()):
        if len(matrices) != 2 * depth:
            return f"it changes {name} in {len(matrices) // 2} of {depth} blocks only"
    missing = set(target_names(config)) ^ {name.rpartition(".")[2] for name in found}
    return f"its config and its weights disagree about {', '.join(sorted(missing))[:200]}" if missing else ""


def _other_kind(config: AdapterConfig) -> str:
    if config.alora_invocation_tokens:
        return "it is an activated LoRA, and would act on the whole prompt"
    if config.use_dora or config.use_rslora:
        return f"it is {'a DoRA' if config.use_dora else 'an rsLoRA'}"
    variants = ("use_qalora", "use_bdlora", "kasa_config", "velora_config", "monteclora_config", "arrow_config")
    named = next((name for name in variants if getattr(config, name)), "")
    return f"it is another kind of LoRA ({named})" if named else ""


def _beyond_matrices(config: AdapterConfig) -> str:
    more = config.modules_to_save or config.target_parameters or config.trainable_token_indices
    if config.bias != "none" or config.lora_bias or more:
        return "it changes more than LoRA matrices"
    if str(config.init_lora_weights).startswith(CHANGES_BASE):
        return f"it was begun by {config.init_lora_weights}, which changes the base too"
    return "it stores its matrices the other way round (fan_in_fan_out)" if config.fan_in_fan_out else ""


def _rank_problem(config: AdapterConfig) -> str:
    if config.rank_pattern or config.alpha_pattern:
        return "its rank differs from layer to layer"
    if config.layers_to_transform is not None or config.layer_replication:
        return "it changes some blocks only, or repeats them"
    if config.r > SMALLEST_KERNEL and config.r & (config.r - 1):
        return f"its rank {config.r} is no power of two"
    return f"its rank is {config.r}" if config.r < 1 else ""


def _target_problem(config: AdapterConfig) -> str:
    if not isinstance(config.target_modules, list):
        return "it names its modules by a pattern"
    if embedded := sorted(NO_LAYER & set(target_names(config))):
        return f"it changes {', '.join(embedded)}, which takes no LoRA there"
    return "" if config.target_modules else "it names no modules"
