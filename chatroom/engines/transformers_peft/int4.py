"""Linear layers that compute with weights of four bits, on a CPU.

Weights are rounded group by group along their input: `w = (q - 8) * scale + zero`, q from 0 to 15, scale and zero in
bfloat16, as ATen's kernel reads them. What a token costs on a CPU is reading the weights, and these are a quarter.
Embeddings and head stay as they are, and so does a layer whose sizes the kernel can't take. Knows no adapter and no
proof: whether a base bears it is decided elsewhere.
"""

import logging
from collections.abc import Sequence
from typing import Any

import torch

log = logging.getLogger(__name__)

GROUPS = (32, 64, 128)
"""How many weights may share a scale: what the kernel knows and keeps a base usable."""

ROWS = 16
"""The kernel works on so many outputs at a time."""

INNER_TILES = 1
"""The kernel's parameter for the GPU's layout; a CPU ignores it."""


class Int4Linear(torch.nn.Module):  # type: ignore[misc]  # torch is untyped here
    """A linear layer of four bits; input and output have the type of what comes in.

    Args:
        linear: The layer to round; it is left as it is.
        group: How many weights share a scale; divides the layer's input.
    """

    packed: torch.Tensor
    scales: torch.Tensor
    bias: torch.Tensor | None

    def __init__(self, linear: torch.nn.Linear, group: int) -> None:
        super().__init__()
        self.in_features, self.out_features, self.group = linear.in_features, linear.out_features, group
        digits, scales = rounded(linear.weight.detach().float(), group)
        self.register_buffer("packed", torch.ops.aten._convert_weight_to_int4pack_for_cpu(digits, INNER_TILES))
        self.register_buffer("scales", scales.transpose(0, 1).contiguous())  # (K / group, N, 2)
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach().bfloat16())

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        flat = inputs.reshape(-1, self.in_features).bfloat16().contiguous()  # (T, K)
        out = torch.ops.aten._weight_int4pack_mm_for_cpu(flat, self.packed, self.group, self.scales)
        if self.bias is not None:
            out = out + self.bias
        result: torch.Tensor = out.view(*inputs.shape[:-1], self.out_features).to(inputs.dtype)
        return result


def rounded(weight: torch.Tensor, group: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Rounds float32 weights (N, K) to digits (N, K), and gives scale and zero of each group, (N, K / group, 2).

    The digits are made for the scales as they are kept, in bfloat16, so that keeping them adds no error.
    """
    groups = weight.view(weight.shape[0], -1, group)
    low, high = groups.amin(-1, keepdim=True), groups.amax(-1, keepdim=True)
    scale = ((high - low) / 15).clamp(min=1e-6).bfloat16().float()
    zero = (low + 8 * scale).bfloat16().float()
    digits = ((groups - zero) / scale).round_().add_(8).clamp_(0, 15).to(torch.int32)
    return digits.view_as(weight), torch.cat([scale, zero], -1).bfloat16()


def fitting_group(linear: torch.nn.Linear, group: int) -> int:
    """The largest group, up to the one that is wanted, that the layer's sizes allow; 0 if none does."""
    if linear.out_features % ROWS:
        return 0
    return max((size for size in GROUPS if size <= group and linear.in_features % size == 0), default=0)


def packed_bytes(linear: torch.nn.Linear, group: int) -> int:
    """Bytes of a layer's weights in four bits, scales included."""
    weights = int(linear.weight.numel())
    return weights // 2 + weights // group * 4


def linears(model: Any) -> dict[str, torch.nn.Linear]:
    """The linear layers between embeddings and head, by name."""
    head = model.get_output_embeddings()
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not head
    }


def put(model: torch.nn.Module, name: str, module: torch.nn.Module) -> None:
    """Puts a module in the place of another one."""
    parent, _, last = name.rpartition(".")
    setattr(model.get_submodule(parent), last, module)


def pack(model: Any, group: int = 64) -> None:
    """Rounds a model's linear layers to four bits, in place; layers whose sizes don't fit stay, and the log says so.

    Args:
        model: A causal language model of transformers, or anything else that tells its head by
            `get_output_embeddings`.
        group: How many weights share a scale: 32, 64 or 128; fewer where a layer's input can't be divided by it.

    Raises:
        ValueError: There is no such group.
    """
    if group not in GROUPS:
        raise ValueError(f"a group of {group} weights is not known; there are {', '.join(map(str, GROUPS))}")
    say_left([name for name, linear in linears(model).items() if not _packed(model, name, linear, group)])


def say_left(names: Sequence[str]) -> None:
    """Tells the log which layers are not rounded, if there are any."""
    if names:
        log.warning("%d layers stay as they are, their sizes don't fit int4 (first: %s)", len(names), names[0])


def _packed(model: Any, name: str, linear: torch.nn.Linear, group: int) -> bool:
    fitting = fitting_group(linear, group)
    if fitting:
        put(model, name, Int4Linear(linear, fitting))
    return bool(fitting)
