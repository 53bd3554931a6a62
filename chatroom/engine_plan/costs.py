"""What a group of roles on one engine costs in bytes: weights, overhead, keys and values, weights to decode with.

The last are copies of the embedded engine on a processor: the base's matrices with an adapter in them, in the form that
is fastest for one position. The constants are estimates until they are measured. Pure. Knows no decision.
"""

from collections.abc import Iterable

from chatroom.engine_plan.groups import Group, Seat
from chatroom.engine_plan.sizes import FULL, HALF, Weights
from chatroom.engine_plan.wishes import EMBEDDED, LORA, SMALL_CPU_BASE, TURBOMIND, Machine
from chatroom.engines._cache_share import CUDA_CONTEXT

MIB = 1 << 20
ACTIVATIONS = 512 * MIB
"""Estimate: what an engine computes in while it reads a prompt."""
PROCESS = 512 * MIB
"""Estimate: what the embedded engine takes without a GPU, besides its weights."""
BLOCK = 64
"""Tokens of a block of keys and values in LMDeploy's engines."""
SPARE = 1
"""Blocks beyond what is needed: the cache share is rounded, and must not fall one block short of a context."""
FIRST_POSITIONS = 256
"""Positions that a transcript of the embedded engine has room for at first; the room grows by doubling."""
HEAD_SHARE = 3
"""The embedded engine packs the head if that takes no more than this part of what it may keep."""


def precision(group: Group, machine: Machine) -> str:
    """How its weights are held, for people."""
    if group.weights.packed:
        return group.weights.proven
    if group.engine == EMBEDDED:
        wide = "16 bit" if _width(group.weights, machine) == HALF else "32 bit"
        return f"{wide}, replies in int4" if group.int4 else wide
    return "int4" if group.int4 else "16 bit"


def weight_bytes(group: Group, machine: Machine) -> int:
    """Weights and adapters in memory."""
    weights, adapters = group.weights, sum(_adapter_bytes(seat) for seat in group.seats)
    if group.engine == EMBEDDED:
        return (weights.half + adapters) * _width(weights, machine) // HALF
    return (weights.int4 if group.int4 else weights.half) + weights.head + adapters


def overhead_bytes(machine: Machine) -> int:
    """What an engine takes besides weights and transcripts."""
    return CUDA_CONTEXT + ACTIVATIONS if machine.gpu else PROCESS


def kv_least(group: Group, machine: Machine) -> int:
    """Bytes for the context of one room."""
    return _kv(group, machine, 1)


def kv_most(group: Group, machine: Machine) -> int:
    """Bytes for every transcript that its rooms can have at a time; the embedded engine keeps no more than is set."""
    most = _kv(group, machine, max(1, len(_transcripts(group))))
    return max(kv_least(group, machine), min(most, machine.keeps)) if group.engine == EMBEDDED else most


def kv_step(group: Group, machine: Machine) -> int:
    """Bytes of one block: caches are whole blocks."""
    return BLOCK * group.weights.kv * _kv_width(group, machine) // HALF


def decoding_most(group: Group, machine: Machine) -> int:
    """Bytes of all weights that its roles' replies are decoded with, beside the base; at most what may be kept."""
    if group.engine != EMBEDDED or machine.gpu:
        return 0
    head, size, count = _packed_head(group.weights, machine), _copy_bytes(group, machine), _copies(group, machine)
    if size and _is_whole(group, machine):
        count = min(count, (machine.keeps - head) // size)  # none is made in part
    return min(machine.keeps, head + count * size)


def decoding_least(group: Group, machine: Machine) -> int:
    """Bytes of these that can't be denied: the engine has one bound, for transcripts and for weights alike."""
    return min(kv_least(group, machine), decoding_most(group, machine))


def least(group: Group, machine: Machine) -> int:
    """The least that the group needs."""
    kept = kv_least(group, machine) + decoding_least(group, machine)
    return weight_bytes(group, machine) + overhead_bytes(machine) + kept


def total(groups: Iterable[Group], machine: Machine) -> int:
    """The least that all of them need together."""
    return sum(least(group, machine) for group in groups)


def _kv(group: Group, machine: Machine, count: int) -> int:
    spare = 0 if group.engine == EMBEDDED else SPARE
    return (-(-_positions(group) // BLOCK) * count + spare) * kv_step(group, machine)


def _positions(group: Group) -> int:
    """Positions that one transcript takes memory for."""
    if group.engine != EMBEDDED:
        return group.context
    return max(FIRST_POSITIONS, 1 << (group.context - 1).bit_length())


def _copies(group: Group, machine: Machine) -> int:
    """One for each adapter; one for the base where even that is faster in another form."""
    bare = [seat for seat in group.seats if seat.wish.kind in ("none", "own")]
    return len(group.seats) - len(bare) + bool(bare and _is_whole(group, machine))


def _is_whole(group: Group, machine: Machine) -> bool:
    """Whether a copy has all matrices, in another form, and not only those that its adapter changes."""
    return group.int4 or _packs(group.weights, machine)


def _copy_bytes(group: Group, machine: Machine) -> int:
    weights = group.weights
    return weights.packed_copy if group.int4 else weights.copy * _width(weights, machine) // HALF


def _packed_head(weights: Weights, machine: Machine) -> int:
    """Bytes of the head, packed once for all."""
    fits = HEAD_SHARE * weights.end <= machine.keeps
    return weights.end if fits and _packs(weights, machine) else 0


def _packs(weights: Weights, machine: Machine) -> bool:
    """Whether matrices are faster packed than in rows."""
    is_half = machine.dtype in ("auto", "bfloat16") and _width(weights, machine) == HALF
    return is_half and machine.half_units


def _transcripts(group: Group) -> set[tuple[str, str]]:
    """The transcripts kept apart: one a room where all roles share it, one a room and LoRA where they don't."""
    apart = (seat.wish.role if _keeps_apart(seat) else "" for seat in group.seats)
    return {(room, role) for seat, role in zip(group.seats, apart, strict=True) for room in seat.wish.rooms}


def _keeps_apart(seat: Seat) -> bool:
    """Whether its keys and values are of no use to others: an ordinary LoRA changes them all."""
    if seat.engine == LORA:
        return seat.wish.kind in ("lora", "twin")
    return seat.engine == EMBEDDED and seat.wish.kind == "lora"


def _adapter_bytes(seat: Seat) -> int:
    """What its adapter takes beside the base; the embedded engine holds an activated one twice, for part and whole."""
    if seat.engine == TURBOMIND:
        return 0
    if seat.engine == EMBEDDED and seat.wish.kind in ("alora", "twin"):
        return 2 * seat.wish.adapter
    return seat.wish.lora if seat.engine == LORA and seat.wish.kind == "twin" else seat.wish.adapter


def _kv_width(group: Group, machine: Machine) -> int:
    return _width(group.weights, machine) if group.engine == EMBEDDED else HALF


def _width(weights: Weights, machine: Machine) -> int:
    """Bytes of a number in the embedded engine."""
    if machine.dtype == "auto" and not machine.gpu:
        return HALF if machine.half_units and weights.half > SMALL_CPU_BASE else FULL
    return FULL if machine.dtype == "float32" else HALF
