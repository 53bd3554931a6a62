"""The format of compressed-tensors, `pack-quantized`: symmetric int4 in groups along a row, one scale for each.

A linear layer `X` lies in a file as `X.weight_packed`, `X.weight_scale` and `X.weight_shape`. It knows no files and
chooses no scales.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from quantize.packed.nibbles import pack, unpack

METHOD = "compressed-tensors"
LOWEST, HIGHEST = -8, 7
SUFFIX = ".weight_packed"


def packed(name: str, numbers: Tensor, scales: Tensor) -> dict[str, Tensor]:
    """The tensors of one layer.

    Args:
        name: Of the layer, without `.weight`.
        numbers: -8 to 7, (out, in).
        scales: One for each group, (out, groups).
    """
    return {
        f"{name}.weight_packed": pack(numbers.to(torch.int16) - LOWEST),
        f"{name}.weight_scale": scales.contiguous(),
        f"{name}.weight_shape": torch.tensor(numbers.shape, dtype=torch.int64),
    }


def unpacked(name: str, tensors: Mapping[str, Tensor]) -> Tensor:
    """The weights of one layer, float32, (out, in).

    Raises:
        KeyError: A tensor of it is missing.
        ValueError: Its tensors don't fit each other, or it is in an order of its own.
    """
    if f"{name}.weight_g_idx" in tensors or f"{name}.weight_zero_point" in tensors:
        raise ValueError(f"{name} is asymmetric or reordered; only symmetric groups in order are read")
    rows, columns = (int(size) for size in tensors[f"{name}.weight_shape"])
    numbers = unpack(tensors[f"{name}.weight_packed"])[:, :columns].float() + LOWEST  # (out, in)
    scales = tensors[f"{name}.weight_scale"].float()  # (out, groups)
    if numbers.shape != (rows, columns) or scales.shape[0] != rows or columns % scales.shape[1]:
        raise ValueError(f"{name}: {tuple(numbers.shape)} numbers and {tuple(scales.shape)} scales don't fit")
    return (numbers.unflatten(1, (scales.shape[1], -1)) * scales[:, :, None]).flatten(1)


def config(group: int, ignored: Sequence[str]) -> dict[str, object]:
    """What config.json says of such weights, under `quantization_config`."""
    weights = {
        "num_bits": 4,
        "type": "int",
        "symmetric": True,
        "strategy": "group",
        "group_size": group,
        "dynamic": False,
        "observer": "minmax",
    }
    groups = {"group_0": {"targets": ["Linear"], "weights": weights, "format": "pack-quantized"}}
    return {
        "quant_method": METHOD,
        "format": "pack-quantized",
        "quantization_status": "compressed",
        "config_groups": groups,
        "ignore": list(ignored),
        "kv_cache_scheme": None,
        "global_compression_ratio": None,
    }
