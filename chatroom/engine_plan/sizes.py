"""How large a model is in memory, from the shapes of its tensors and its config.json: nothing is loaded.

Pure arithmetic that a reader can check by hand. In int4 the matrices between the embeddings and the head take half a
byte a weight, and every group of 128 weights has a scale and a zero point of two bytes each, as TurboMind keeps them;
embeddings, head, norms and biases stay in 16 bit. The embedded engine copies the matrices for decoding, and packs them
in groups of 64 or 32. Knows no file, no engine that runs and no role.
"""

from collections.abc import Iterable, Sequence
from math import prod

import msgspec

GROUP = 128
"""Weights that share a scale."""
GROUP_BYTES = 4
"""Scale and zero point of a group, 16 bit each."""
HALF, FULL = 2, 4
"""Bytes of a number in 16 and in 32 bit."""
GROUPS_HERE, ROWS_HERE = (64, 32), 16
"""Weights that share a scale where the embedded engine packs a matrix, and what its rows must divide by."""

EMBEDDINGS = ("embed_tokens.weight", "tok_embeddings.weight", "word_embeddings.weight", "wte.weight")
HEADS = ("lm_head.weight", "embed_out.weight", "model.output.weight")
"""How the tensors at both ends of a model end; they stay in 16 bit."""
PACKED = ("I32", "U32", "I16", "U8", "I8", "F8_E4M3", "F8_E5M2", "F4")
"""Types in which quantized weights are stored: taken as they are."""


class Tensor(msgspec.Struct, frozen=True, kw_only=True):
    """A tensor as a safetensors header tells of it."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    bytes: int


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What config.json says of the part that speaks; `heads` are those of keys and values."""

    layers: int
    heads: int
    head_dim: int
    context: int


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """A model as the plan knows it.

    Args:
        id: Its folder.
        name: How a user names it, as `models/hearth`.
        half: Bytes of all weights in 16 bit.
        int4: Bytes of all weights in int4.
        head: Bytes that LMDeploy's engines hold besides, because they keep a head of their own where a model has none.
        copy: Bytes in 16 bit of the matrices that the embedded engine copies for decoding.
        packed_copy: Bytes of that copy in int4.
        end: Bytes in 16 bit of the head, or of the embeddings that stand for it.
        kv: Bytes of keys and values of one token, in 16 bit.
        context: Most positions it can read.
        packed: Whether it is stored quantized: `half` and `int4` are then both what is stored, `proven` is the method.
        proven: The method of int4 weights of this model that passed the gate, as "compressed-tensors"; "" without.
        packs: Whether the gate let it pass as the embedded engine packs it to int4.
        unfit: Why TurboMind can't run it; "" if it can.
    """

    id: str
    name: str
    half: int
    int4: int
    head: int = 0
    copy: int = 0
    packed_copy: int = 0
    end: int = 0
    kv: int
    context: int
    packed: bool = False
    proven: str = ""
    packs: bool = False
    unfit: str = ""


def half_bytes(tensors: Iterable[Tensor]) -> int:
    """Bytes in 16 bit; what is stored packed is kept as it is."""
    return sum(_half(tensor) for tensor in tensors)


def int4_bytes(tensors: Iterable[Tensor]) -> int:
    """Bytes in int4 with groups of 128."""
    return sum(_int4(tensor) for tensor in tensors)


def head_bytes(tensors: Sequence[Tensor]) -> int:
    """Bytes of the head that an engine adds where a model has none of its own and speaks with its embeddings."""
    if any(tensor.name.endswith(HEADS) for tensor in tensors):
        return 0
    return end_bytes(tensors)


def end_bytes(tensors: Sequence[Tensor]) -> int:
    """Bytes of the head, or of the embeddings where a model speaks with these."""
    heads = [tensor for tensor in tensors if tensor.name.endswith(HEADS)]
    return max((_half(each) for each in heads or tensors if each.name.endswith(HEADS + EMBEDDINGS)), default=0)


def copy_bytes(tensors: Iterable[Tensor]) -> int:
    """Bytes of the matrices between embeddings and head, in 16 bit."""
    return sum(_half(tensor) for tensor in tensors if _is_inner(tensor))


def packed_copy_bytes(tensors: Iterable[Tensor]) -> int:
    """Bytes of these matrices as the embedded engine packs them; one whose sizes don't fit is taken in 32 bit."""
    return sum(_packed_here(tensor) for tensor in tensors if _is_inner(tensor))


def kv_bytes(shape: Shape) -> int:
    """Bytes that one token takes: a key and a value in every layer, in 16 bit."""
    return 2 * shape.layers * shape.heads * shape.head_dim * HALF


def _half(tensor: Tensor) -> int:
    return tensor.bytes if tensor.dtype in PACKED else prod(tensor.shape) * HALF


def _int4(tensor: Tensor) -> int:
    if tensor.dtype in PACKED or not _shrinks(tensor):
        return _half(tensor)
    count = prod(tensor.shape)
    return count // 2 + count // GROUP * GROUP_BYTES


def _is_inner(tensor: Tensor) -> bool:
    return len(tensor.shape) == 2 and not tensor.name.endswith(EMBEDDINGS + HEADS)


def _packed_here(tensor: Tensor) -> int:
    count, (rows, columns) = prod(tensor.shape), tensor.shape
    group = next((size for size in GROUPS_HERE if columns % size == 0), 0)
    return count // 2 + count // group * GROUP_BYTES if group and rows % ROWS_HERE == 0 else count * FULL


def _shrinks(tensor: Tensor) -> bool:
    """Whether it is a matrix, of one expert or of many, whose rows divide into groups."""
    matrix = len(tensor.shape) in (2, 3) and tensor.shape[-1] % GROUP == 0
    return matrix and not tensor.name.endswith(EMBEDDINGS + HEADS)
