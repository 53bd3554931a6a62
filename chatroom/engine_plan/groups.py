"""A role on an engine, and the roles that share one. Pure data; knows no costs and no rules."""

from collections.abc import Iterable

import msgspec

from chatroom.engine_plan.sizes import Weights
from chatroom.engine_plan.wishes import Wish


class Seat(msgspec.Struct, frozen=True, kw_only=True):
    """A role on an engine.

    Args:
        rank: 0 for the role that spoke last.
        merged: Whether its LoRA is merged into weights of its own.
        int4: Whether it is content with int4.
        why: What led to it, in words.
    """

    wish: Wish
    rank: int
    engine: str
    merged: bool = False
    int4: bool = False
    why: tuple[str, ...] = ()


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """The roles that share one engine, who spoke last first."""

    seats: tuple[Seat, ...]

    @property
    def engine(self) -> str:
        return self.seats[0].engine

    @property
    def weights(self) -> Weights:
        return self.seats[0].wish.weights

    @property
    def rank(self) -> int:
        return self.seats[0].rank

    @property
    def int4(self) -> bool:
        """One who wants 16 bit is enough for 16 bit: two engines would cost more."""
        return self.weights.packed or all(seat.int4 for seat in self.seats)

    @property
    def context(self) -> int:
        return max(min(seat.wish.context, seat.wish.weights.context) for seat in self.seats)


def groups_of(seats: Iterable[Seat]) -> list[Group]:
    """Who shares an engine: the same weights on the same engine, unless a LoRA was merged into them."""
    found: dict[tuple[str, str, str], list[Seat]] = {}
    for seat in sorted(seats, key=lambda seat: seat.rank):
        key = seat.engine, seat.wish.weights.id, seat.wish.role if seat.merged else ""
        found.setdefault(key, []).append(seat)
    return [Group(seats=tuple(each)) for each in found.values()]
