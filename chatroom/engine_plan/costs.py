"""What a group of roles on one engine costs in bytes: weights, overhead, keys and values.

The constants are estimates until they are measured on a GPU. Pure. Knows no decision.
"""

from collections.abc import Iterable

from chatroom.engine_plan.groups import Group, Seat
from chatroom.engine_plan.sizes import HALF, Weights
from chatroom.engine_plan.wishes import EMBEDDED, LARGE_CPU_BASE, LORA, TURBOMIND, Machine
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


def precision(group: Group, machine: Machine) -> str:
    """How its weights are held, for people."""
    if group.weights.packed:
        return group.weights.proven
    if group.engine == EMBEDDED and _width(group.weights, machine) != HALF:
        return "32 bit"
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
    """Bytes for every transcript that its rooms can have at a time."""
    return _kv(group, machine, max(1, len(_transcripts(group))))


def kv_step(group: Group, machine: Machine) -> int:
    """Bytes of one block: caches are whole blocks."""
    return BLOCK * group.weights.kv * _kv_width(group, machine) // HALF


def least(group: Group, machine: Machine) -> int:
    """The least that the group needs."""
    return weight_bytes(group, machine) + overhead_bytes(machine) + kv_least(group, machine)


def total(groups: Iterable[Group], machine: Machine) -> int:
    """The least that all of them need together."""
    return sum(least(group, machine) for group in groups)


def _kv(group: Group, machine: Machine, count: int) -> int:
    spare = 0 if group.engine == EMBEDDED else SPARE
    return (-(-group.context // BLOCK) * count + spare) * kv_step(group, machine)


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
    """What its adapter takes beside the base."""
    if seat.engine == TURBOMIND:
        return 0
    return seat.wish.lora if seat.engine == LORA and seat.wish.kind == "twin" else seat.wish.adapter


def _kv_width(group: Group, machine: Machine) -> int:
    return _width(group.weights, machine) if group.engine == EMBEDDED else HALF


def _width(weights: Weights, machine: Machine) -> int:
    """Bytes of a number in the embedded engine."""
    small_on_cpu = machine.dtype == "auto" and not machine.gpu and weights.half <= LARGE_CPU_BASE
    return 4 if small_on_cpu or machine.dtype == "float32" else HALF
