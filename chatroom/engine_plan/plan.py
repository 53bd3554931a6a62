"""The decision: from what the roles want and the memory there is to engines, caches and states, each with its reason.

Invariant: engines start one after another, and at no moment do those that run hold more than the budget. The same input
gives the same plan. More memory never stops a role that ran, unless somebody who could not speak at all comes to speak.
Pure: sizes are handed in.
"""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from chatroom.engine_plan.costs import (
    decoding_most,
    kv_least,
    kv_most,
    kv_step,
    least,
    overhead_bytes,
    precision,
    total,
    weight_bytes,
)
from chatroom.engine_plan.fitting import Fit, alone, fitted, smallest
from chatroom.engine_plan.groups import Group, Seat
from chatroom.engine_plan.planned import Plan, PlannedEngine, Row, State
from chatroom.engine_plan.reasons import fallen_back, reason, too_large
from chatroom.engine_plan.seating import ELSEWHERE, REFUSED, seat, seated
from chatroom.engine_plan.wishes import EMBEDDED, Machine, Wish
from chatroom.engines._cache_share import cache_share


def plan(wishes: Sequence[Wish], machine: Machine) -> Plan:
    """Decides which engine speaks for each role, and which of them run.

    Args:
        wishes: One a role; where nobody has spoken, the first is taken for the last speaker.
    """
    seats, refused = _speakable(seated(wishes, machine), machine)
    fit = fitted(seats, machine)
    engines = _engines(fit, machine)
    rows = {seat.rank: row for seat, row in _rows(fit, engines, machine)}
    rows |= {seat.rank: _absent(seat) for seat in refused}
    return Plan(
        gpu=machine.gpu,
        budget=machine.budget,
        engines=tuple(engines),
        rows=tuple(rows[rank] for rank in sorted(rows)),
    )


def _speakable(seats: Sequence[Seat], machine: Machine) -> tuple[list[Seat], list[Seat]]:
    """Those whose engine fits when it is the only one, on their fallback base if need be; and those who have none."""
    held = [each for each in seats if each.engine not in (ELSEWHERE, REFUSED)]
    absent = [each for each in seats if each.engine in (ELSEWHERE, REFUSED)]
    small, good = smallest(held), []
    for each in held:
        needed = alone(each, small, machine)
        if least(needed, machine) <= machine.budget:
            good.append(each)
            continue
        why = too_large(needed, machine)
        other = _on_fallback(each, why, machine)
        (good if other.engine != REFUSED else absent).append(other)
    return good, absent


def _on_fallback(each: Seat, why: str, machine: Machine) -> Seat:
    """The role with its fallback base, where it has one that fits; else refused."""
    base = each.wish.fallback
    if base is None:
        return replace(each, engine=REFUSED, why=(why,))
    wish = replace(each.wish, weights=base, kind="none", engine="", adapter=0, lora=0, merged="", fallback=None)
    other = seat(wish, each.rank, 0, machine)
    needed = alone(other, smallest([other]), machine) if other.engine != REFUSED else None
    if needed is None or least(needed, machine) > machine.budget:
        also = other.why[0] if needed is None else too_large(needed, machine)
        return replace(each, engine=REFUSED, why=(why, f"nor does its fallback {base.name}: {also}"))
    return replace(other, why=(fallen_back(base, why), *other.why))


def _engines(fit: Fit, machine: Machine) -> list[PlannedEngine]:
    """Starts what runs, one after another, and gives what is left to the caches, the last speaker's first."""
    spare, free = machine.budget - total(fit.running, machine), machine.free
    engines = []
    for group in fit.running:
        engines.append(_engine(group, _kept(group, spare, machine), free, "runs", machine))
        spare -= engines[-1].total - least(group, machine)
        free -= engines[-1].total
    return engines + [_engine(group, kv_least(group, machine), 0, "stopped", machine) for group in fit.waiting]


def _kept(group: Group, spare: int, machine: Machine) -> int:
    """The bound of what an engine keeps, of transcripts and again of weights to decode with.

    Its least, and as many blocks more as it can use and as are spare. Up to the smaller one of both mosts, a block
    takes its size twice.
    """
    small, mosts = kv_least(group, machine), (kv_most(group, machine), decoding_most(group, machine))
    twice, most = max(small, min(mosts)), max(small, *mosts)
    bound = min(twice, small + spare // 2)
    bound = min(most, twice + spare - 2 * (twice - small)) if bound == twice else bound
    return bound if bound == most else bound - (bound - small) % kv_step(group, machine)


def _engine(group: Group, kept: int, free: int, state: State, machine: Machine) -> PlannedEngine:
    held, merged = weight_bytes(group, machine), group.seats[0].merged
    first = group.seats[0].wish.role
    cache, copies = min(kept, kv_most(group, machine)), decoding_most(group, machine)
    return PlannedEngine(
        engine=group.engine,
        weights=group.weights.id,
        name=f"{group.weights.name} + {first}'s LoRA" if merged else group.weights.name,
        merged=first if merged else "",
        precision=precision(group, machine),
        packs=group.engine == EMBEDDED and group.int4,
        roles=tuple(each.wish.role for each in group.seats),
        context=group.context,
        weight_bytes=held,
        overhead=overhead_bytes(machine),
        cache=cache,
        cache_most=kv_most(group, machine),
        decoding=min(kept, copies),
        decoding_most=copies,
        share=0.0 if group.engine == EMBEDDED or state != "runs" else cache_share(cache, free, held),
        state=state,
    )


def _rows(fit: Fit, engines: Sequence[PlannedEngine], machine: Machine) -> Iterable[tuple[Seat, Row]]:
    left = machine.budget - total(fit.running, machine)
    for at, (group, engine) in enumerate(zip((*fit.running, *fit.waiting), engines, strict=True)):
        for each in group.seats:
            text = reason(each, group, engine, left, machine)
            yield each, Row(role=each.wish.role, state=engine.state, reason=text, at=at)


def _absent(each: Seat) -> Row:
    state: State = "elsewhere" if each.engine == ELSEWHERE else "refused"
    return Row(role=each.wish.role, state=state, reason="; ".join(each.why))
