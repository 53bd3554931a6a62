"""Round to nearest: every number on its own, with the scale of each group that leaves the least error.

It needs no calibration and no environment, takes seconds, and is worse than a method that looks at data: what one has
where nothing can be installed. The gate judges it like any other.
"""

import torch
from torch import Tensor

from quantize.environment import Environment
from quantize.job import Job, Tell
from quantize.packed.compressed import HIGHEST, LOWEST, config, packed
from quantize.packed.finishing import WEIGHTS, half_of, table_of, write_config
from quantize.packed.layers import left_alone, quantized_layers
from quantize.packed.reading import stored

HELP = "round to nearest; needs nothing but the weights"
GROUPS = (128, 32)
KEEPS = True
ENVIRONMENT: Environment | None = None
SHRUNK = (1.0, 0.96, 0.92, 0.88, 0.84, 0.8, 0.76, 0.72)
"""Scales that are tried: clipping a group's largest number often costs less than coarser steps for all."""


def quantize(job: Job, tell: Tell) -> None:
    """Rounds every layer that the recipe does not keep."""
    from safetensors.torch import save_file

    layers, tensors = quantized_layers(job.source, job.recipe), stored(job.source)
    tell(f"rounding {len(layers)} layers")
    half = half_of(job.source)
    for name in layers:
        weight = tensors.pop(f"{name}.weight").float()
        tensors |= packed(name, *rounded(weight, job.recipe.group, half))
    job.out.mkdir(parents=True)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, job.out / WEIGHTS)
    left = left_alone(job.source, job.recipe)
    write_config(job.out, table_of(job.source), config(job.recipe.group, left), half)


def rounded(weight: Tensor, group: int, half: torch.dtype) -> tuple[Tensor, Tensor]:
    """Numbers (out, in) and scales (out, groups) of a weight (out, in), float32."""
    parts = weight.unflatten(1, (-1, group))  # (out, groups, group)
    widest = (parts.abs().amax(-1) / 7.5).clamp(min=torch.finfo(half).tiny)  # (out, groups)
    best, least = widest, torch.full_like(widest, torch.inf)
    for share in SHRUNK:
        scales = (widest * share).to(half).float().clamp(min=torch.finfo(half).tiny)
        error = ((_nearest(parts, scales) * scales[..., None] - parts) ** 2).sum(-1)
        best, least = torch.where(error < least, scales, best), torch.minimum(error, least)
    return _nearest(parts, best).flatten(1).to(torch.int8), best.to(half)


def _nearest(parts: Tensor, scales: Tensor) -> Tensor:
    return (parts / scales[..., None]).round().clamp(LOWEST, HIGHEST)
