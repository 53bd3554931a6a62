"""AWQ's format `gemm`, as LMDeploy writes it: int4 with a zero point for each group, eight columns in one number.

A linear layer `X` lies in a file as `X.qweight` (in, out / 8), `X.qzeros` (groups, out / 8) and `X.scales`
(groups, out). It only reads.
"""

from collections.abc import Mapping

from torch import Tensor

from quantize.packed.nibbles import unpack

METHOD = "awq"
SUFFIX = ".qweight"
ORDER = (0, 4, 1, 5, 2, 6, 3, 7)
"""Column → lane: lanes hold the columns 0 2 4 6 1 3 5 7."""


def unpacked(name: str, tensors: Mapping[str, Tensor]) -> Tensor:
    """The weights of one layer, float32, (out, in).

    Raises:
        KeyError: A tensor of it is missing.
        ValueError: Its tensors don't fit each other.
    """
    numbers = unpack(tensors[f"{name}.qweight"], ORDER).float()  # (in, out)
    zeros = unpack(tensors[f"{name}.qzeros"], ORDER).float()  # (groups, out)
    scales = tensors[f"{name}.scales"].float()  # (groups, out)
    if zeros.shape != scales.shape or numbers.shape[1] != scales.shape[1] or numbers.shape[0] % len(scales):
        raise ValueError(f"{name}: {tuple(numbers.shape)} numbers and {tuple(scales.shape)} scales don't fit")
    grouped = numbers.unflatten(0, (len(scales), -1))  # (groups, group, out)
    return ((grouped - zeros[:, None]) * scales[:, None]).flatten(0, 1).T.contiguous()
