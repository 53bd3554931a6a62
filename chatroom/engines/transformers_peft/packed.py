"""Linear layers whose bfloat16 weights lie as the processor reads them for one position: the same numbers, 2-3 times
as fast as in rows.

oneDNN lays weights out anew at every call unless they are kept that way. A layer so kept is for decoding only: the
prompt's layers keep their rows. Knows no adapter.
"""

import torch

FOR_ROWS = 1
"""Positions at a time that the layout is chosen for."""

HAS_ONEDNN = bool(torch.backends.mkldnn.is_available())


class PackedLinear(torch.nn.Module):  # type: ignore[misc]  # torch is untyped here
    """A linear layer in bfloat16; input and output too.

    Args:
        linear: The layer to lay out anew; it is left as it is.
    """

    packed: torch.Tensor
    bias: torch.Tensor | None

    def __init__(self, linear: torch.nn.Linear) -> None:
        super().__init__()
        self.register_buffer("packed", torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), FOR_ROWS))
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach())

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = torch.ops.mkldnn._linear_pointwise(inputs, self.packed, self.bias, "none", [], "")
        return out


def has_half_units() -> bool:
    """Whether the processor computes in bfloat16; without such units it is 30 times slower than float32."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def packs(linear: torch.nn.Linear) -> bool:
    """Whether a layer is faster when it is packed here."""
    return HAS_ONEDNN and linear.weight.dtype == torch.bfloat16 and has_half_units()
