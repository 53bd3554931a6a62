"""Why a role got what it got, in words that can be checked by hand. Pure. Decides nothing."""

from chatroom.engine_plan.costs import decoding_least, kv_least, least, overhead_bytes, precision, weight_bytes
from chatroom.engine_plan.groups import Group, Seat
from chatroom.engine_plan.planned import PlannedEngine
from chatroom.engine_plan.sizes import Weights
from chatroom.engine_plan.wishes import EMBEDDED, Machine

GIB, MIB = 1 << 30, 1 << 20
SMALL = 100 * MIB


def gib(size: int) -> str:
    """Bytes for people, as "1.50 GiB"; what is small, as "14.1 MiB"."""
    return f"{size / GIB:.2f} GiB" if size >= SMALL else f"{size / MIB:.1f} MiB"


def reason(seat: Seat, group: Group, engine: PlannedEngine, left: int, machine: Machine) -> str:
    """Everything that was decided for a role.

    Args:
        left: Bytes that were free beside the least of those that run.
    """
    said = [*seat.why]
    if seat.wish.int4 and not group.int4:
        said.append(_no_int4(seat, engine, machine))
    if engine.state == "stopped":
        said.append(_stopped(engine, left))
    elif engine.cache < engine.cache_most:
        said.append(f"KV is {gib(engine.cache)} of the {gib(engine.cache_most)} that its rooms could use")
    if engine.state == "runs" and engine.decoding < engine.decoding_most:
        taken, wanted = gib(engine.decoding), gib(engine.decoding_most)
        said.append(f"some replies are slower: {taken} of {wanted} for the weights that they are decoded with")
    return "; ".join(said)


def too_large(group: Group, machine: Machine) -> str:
    """Why not even an engine of its own fits, with the numbers."""
    weights, kv, over = weight_bytes(group, machine), kv_least(group, machine), overhead_bytes(machine)
    parts = f"{group.weights.name} in {precision(group, machine)} {gib(weights)}, overhead {gib(over)}, KV {gib(kv)}"
    if copies := decoding_least(group, machine):
        parts += f", decoding {gib(copies)}"
    return f"too large: {gib(least(group, machine))} ({parts}) of {gib(machine.budget)}"


def fallen_back(base: Weights, why: str) -> str:
    """Why it speaks with its fallback base."""
    return f"speaks with its fallback {base.name}: its own is {why}"


def _no_int4(seat: Seat, engine: PlannedEngine, machine: Machine) -> str:
    if seat.int4:
        return f"{engine.precision}: others who share it want that"
    if engine.engine == EMBEDDED and machine.gpu:
        return f"{engine.precision}: the embedded engine has int4 on a processor only"
    return f"{engine.precision}: no int4 of it has passed the gate for {engine.engine}"


def _stopped(engine: PlannedEngine, left: int) -> str:
    if engine.total > left:
        numbers = f"{gib(engine.total)} needed, {gib(left)} left by those who spoke later"
        return f"stopped: {numbers}; starts on demand when another is stopped"
    return "stopped: one who spoke later waits for memory, and nobody overtakes; starts on demand"
