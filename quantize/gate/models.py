"""Weights → a model to measure: the 16-bit one, and the int4 one from the very file that an engine would load.

Both compute in float32 where that fits, so that what differs is the numbers alone. It measures nothing.
"""

from copy import deepcopy
from pathlib import Path
from typing import cast

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel
from transformers.utils.logging import disable_progress_bar

from finetune.errors import WorkshopError
from finetune.training.kinds import device, load_base
from quantize.packed.reading import REMEDY, dequantized

WIDE = 6_000_000_000
"""Bytes of 16-bit weights up to which both models compute in float32; beyond, in bfloat16."""


def precision(source: Path) -> torch.dtype:
    """What both models compute in."""
    size = sum(path.stat().st_size for path in source.glob("*.safetensors"))
    return torch.float32 if size < WIDE else torch.bfloat16


def load_half(source: Path) -> PreTrainedModel:
    """The 16-bit model.

    Raises:
        WorkshopError: It can't be loaded.
    """
    disable_progress_bar()
    return cast(PreTrainedModel, load_base(source).to(precision(source)).eval())


def load_int4(folder: Path, source: Path) -> PreTrainedModel:
    """The model of int4 weights, dequantized; nothing in it is from the 16-bit weights.

    Raises:
        WorkshopError: Its file is damaged, or lacks a weight.
    """
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    try:
        missing, unexpected = model.load_state_dict(dequantized(folder), strict=False)
    except RuntimeError as error:
        raise WorkshopError(str(folder), f"its weights don't fit its config: {error}", REMEDY) from None
    model.tie_weights()
    tied = set(getattr(model, "all_tied_weights_keys", None) or getattr(model, "_tied_weights_keys", None) or ())
    if wrong := [*sorted(set(missing) - tied), *unexpected]:
        raise WorkshopError(str(folder), f"{wrong[0]} is missing or belongs to another model", REMEDY)
    return cast(PreTrainedModel, model.to(device(), precision(source)).eval())


def with_weights(model: PreTrainedModel, weights: dict[str, torch.Tensor]) -> PreTrainedModel:
    """A copy of a model in which some weights are others."""
    changed = deepcopy(model)
    changed.load_state_dict(weights, strict=False)
    return changed
