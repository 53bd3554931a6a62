"""Eight 4-bit numbers in an int32: along the last dimension, the first one in the lowest bits.

It knows no scales and no files.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

IN_ORDER = (0, 1, 2, 3, 4, 5, 6, 7)
LANES = 8
"""Numbers in an int32."""


def pack(numbers: Tensor) -> Tensor:
    """Packs numbers of 0 to 15: (N, M) → int32 (N, M / 8)."""
    lanes = numbers.to(torch.int64).unflatten(-1, (-1, LANES))  # (N, M / 8, 8)
    packed = (lanes << (4 * torch.arange(LANES))).sum(-1)
    return torch.where(packed >= 1 << 31, packed - (1 << 32), packed).to(torch.int32)


def unpack(packed: Tensor, order: Sequence[int] = IN_ORDER) -> Tensor:
    """Unpacks int32 (N, M / 8) → uint8 (N, M).

    Args:
        order: Number → the lane in which it lies.
    """
    lanes = (packed.to(torch.int64).unsqueeze(-1) >> (4 * torch.tensor(order))) & 15  # (N, M / 8, 8)
    return lanes.flatten(-2).to(torch.uint8)
