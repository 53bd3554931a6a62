"""Makes the roles fit into the memory: int4, then one engine for many twins, then some have to wait.

What each engine needs here is its least: weights, overhead, the context of one room. Who spoke last goes before who
spoke earlier, and nobody overtakes: an engine that fits only because a more recent one does not would have to stop when
memory is added. Pure.
"""

from collections.abc import Iterable, Sequence

import msgspec

from chatroom.engine_plan.costs import least, total
from chatroom.engine_plan.groups import Group, Seat, groups_of
from chatroom.engine_plan.seating import can_join, smaller, together
from chatroom.engine_plan.wishes import EMBEDDED, Machine


class Fit(msgspec.Struct, frozen=True, kw_only=True):
    """Which engines run and which wait, by the rank of their most recent speaker."""

    running: tuple[Group, ...]
    waiting: tuple[Group, ...] = ()


def fitted(seats: Sequence[Seat], machine: Machine) -> Fit:
    """Finds the first of these that fits: as wished; more and more in int4; twins together; the last speakers only.

    Every role must fit alone in its smallest form: see `alone`.
    """
    now = list(seats)
    for attempt in (now, *_in_int4(now), *_together(smallest(now), machine)):
        groups = groups_of(attempt)
        if total(groups, machine) <= machine.budget:
            return Fit(running=tuple(groups))
    return _last_speakers(smallest(now), machine)


def smallest(seats: Iterable[Seat]) -> list[Seat]:
    """All roles in int4 where they can be."""
    return [seat for group in groups_of(seats) for seat in smaller(group.seats)]


def alone(seat: Seat, small: Sequence[Seat], machine: Machine) -> Group:
    """The smallest engine that could speak for a role, if it were the only one.

    Args:
        small: All roles in their smallest form.
    """
    mine = next(group for group in groups_of(small) if any(each.rank == seat.rank for each in group.seats))
    choices = [mine]
    if can_join(mine.seats[0]):
        joined = _joined(small, mine.weights.id)
        choices += [group for group in groups_of(joined) if any(each.rank == seat.rank for each in group.seats)]
    return min(choices, key=lambda group: least(group, machine))


def _in_int4(seats: Sequence[Seat]) -> Iterable[list[Seat]]:
    """One engine after another in int4, those of the earliest speakers first."""
    now = {seat.rank: seat for seat in seats}
    for group in reversed(groups_of(seats)):
        now |= {seat.rank: seat for seat in smaller(group.seats)}
        yield list(now.values())


def _together(seats: Sequence[Seat], machine: Machine) -> Iterable[list[Seat]]:
    """The twins of one base after another on its embedded engine, where that saves memory."""
    now = list(seats)
    for base in _bases(now):
        joined = _joined(now, base)
        if total(groups_of(joined), machine) < total(groups_of(now), machine):
            now = joined
            yield now


def _last_speakers(seats: Sequence[Seat], machine: Machine) -> Fit:
    """As many roles as fit, from the last speaker on."""
    running: list[Group] = []
    for count in range(1, len(seats) + 1):
        ranks = {seat.rank for seat in sorted(seats, key=lambda seat: seat.rank)[:count]}
        needed = _cheapest(seats, ranks, machine)
        if total(needed, machine) > machine.budget:
            break
        running = needed
    there = {seat.rank for group in running for seat in group.seats}
    waiting = [seat for seat in seats if seat.rank not in there]
    return Fit(running=tuple(running), waiting=tuple(_waiting(waiting, machine)))


def _cheapest(seats: Sequence[Seat], ranks: set[int], machine: Machine) -> list[Group]:
    """The engines that these roles need at least; twins sit on the embedded engine where that is cheaper, or there."""
    now = list(seats)
    for base in _bases(now):
        apart, joined = _needed(now, base, ranks), _needed(_joined(now, base), base, ranks)
        there = any(group.engine == EMBEDDED for group in apart)
        if there or total(joined, machine) < total(apart, machine):
            now = _joined(now, base)
    return [group for group in groups_of(now) if _any(group, ranks)]


def _waiting(seats: Sequence[Seat], machine: Machine) -> list[Group]:
    """The engines of those who wait: each must fit when all others are stopped."""
    now = list(seats)
    for base in _bases(now):
        if any(least(group, machine) > machine.budget for group in groups_of(now) if group.weights.id == base):
            now = _joined(now, base)
    return groups_of(now)


def _needed(seats: Sequence[Seat], base: str, ranks: set[int]) -> list[Group]:
    return [group for group in groups_of(seats) if group.weights.id == base and _any(group, ranks)]


def _joined(seats: Iterable[Seat], base: str) -> list[Seat]:
    return [together(seat) if can_join(seat) and seat.wish.weights.id == base else seat for seat in seats]


def _bases(seats: Iterable[Seat]) -> list[str]:
    """Bases with merged twins, that of the earliest speaker first."""
    found = [seat.wish.weights.id for seat in sorted(seats, key=lambda seat: -seat.rank) if can_join(seat)]
    return list(dict.fromkeys(found))


def _any(group: Group, ranks: set[int]) -> bool:
    return any(seat.rank in ranks for seat in group.seats)
