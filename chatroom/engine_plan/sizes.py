"""How large a model is in memory, from the shapes of its tensors and its config.json: nothing is loaded.

Pure arithmetic that a reader can check by hand. In int4 the matrices between the embeddings and the head take half a
byte a weight, and every group of 128 weights has a scale and a zero point of two bytes each, as TurboMind keeps them;
embeddings, head, norms and biases stay in 16 bit. Knows no file, no engine that runs and no role.
"""

from collections.abc import Iterable, Sequence
from math import prod

import msgspec

GROUP = 128
"""Weights that share a scale."""
GROUP_BYTES = 4
"""Scale and zero point of a group, 16 bit each."""
HALF = 2
"""Bytes of a number in 16 bit."""

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
        kv: Bytes of keys and values of one token, in 16 bit.
        context: Most positions it can read.
        packed: Whether it is stored quantized: `half` and `int4` are then both what is stored, `proven` is the method.
        proven: The method of int4 weights of this model that passed the gate, as "compressed-tensors"; "" without.
        unfit: Why TurboMind can't run it; "" if it can.
    """

    id: str
    name: str
    half: int
    int4: int
    head: int = 0
    kv: int
    context: int
    packed: bool = False
    proven: str = ""
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
    return max((_half(tensor) for tensor in tensors if tensor.name.endswith(EMBEDDINGS)), default=0)


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


def _shrinks(tensor: Tensor) -> bool:
    """Whether it is a matrix, of one expert or of many, whose rows divide into groups."""
    matrix = len(tensor.shape) in (2, 3) and tensor.shape[-1] % GROUP == 0
    return matrix and not tensor.name.endswith(EMBEDDINGS + HEADS)
