"""From a plan to a place for every role: which engine speaks for it and with which adapter, or why none does.

Keeps a role on the engine that runs and holds its transcript, where the plan could have chosen it and all that should
run still fits. Pure. Knows no file, no clock and no engine object.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Literal

import msgspec
from msgspec.structs import replace

from chatroom.engine_plan import Plan, PlannedEngine, Row, Wish
from chatroom.engine_plan.gathering import named_engine
from chatroom.engine_plan.planned import State
from chatroom.engine_plan.wishes import LORA, TURBOMIND
from chatroom.engine_pool.measured import Model
from chatroom.engine_pool.order import Order, planned, unplanned
from chatroom.roles import Role
from chatroom.settings import Settings

Adapting = Literal["as asked", "none", "twin"]
"""The role's own adapter; none; its ordinary twin in place of the activated one."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """What speaks for one role.

    Args:
        model: What it spoke with when this was decided.
        order: None if nothing can.
        on_fallback: Whether it is the fallback base.
    """

    role: Role
    model: Model | None
    state: State
    reason: str = ""
    order: Order | None = None
    adapting: Adapting = "as asked"
    on_fallback: bool = False


def elsewhere(settings: Settings, role: Role, model: Model | None = None) -> Place:
    """The place of a role that no plan is needed for, or possible.

    LMDeploy takes all the memory there is where nobody says how much: it speaks only for what can be measured.
    """
    if model and named_engine(settings, role) in (TURBOMIND, LORA):
        return Place(role=role, model=model, state="refused", reason=model.problem)
    order = unplanned(settings, role, model.size if model else 0)
    return Place(role=role, model=model, state="elsewhere", order=order)


def places_of(settings: Settings, plan: Plan, roles: Mapping[str, Role], models: Mapping[str, Model]) -> list[Place]:
    """The places of all roles of a plan, who spoke last first.

    Args:
        models: What each speaks with; of one on the fallback base since its engine failed, that base.
    """
    orders = [planned(settings, engine, _on_its_weights(engine, models)) for engine in plan.engines]
    return [_place(row, plan, orders, roles[row.role], models[row.role]) for row in plan.rows]


def kept(
    places: Sequence[Place],
    former: Mapping[str, Place],
    running: Mapping[tuple[Hashable, ...], int],
    budget: int,
) -> list[Place]:
    """The same places, but roles stay on engines that run already, as far as everything fits beside them.

    Args:
        former: The places before, by role.
        running: Key of every engine that is up → bytes that it holds.
    """
    stays = {place.role.id for place in places if _may_stay(place, former.get(place.role.id), running)}
    for leaving in [place.role.id for place in reversed(places) if place.role.id in stays]:
        chosen = [_stay(place, former[place.role.id]) if place.role.id in stays else place for place in places]
        if _needed(chosen, running) <= budget:
            return chosen
        stays.discard(leaving)
    return list(places)


def _place(row: Row, plan: Plan, orders: Sequence[Order], role: Role, model: Model) -> Place:
    assert model.wish is not None  # what can't be measured is in no plan
    if row.at is None:
        return Place(role=role, model=model, state=row.state, reason=row.reason)
    engine = plan.engines[row.at]
    fell = engine.weights != model.wish.weights.id
    return Place(
        role=role,
        model=model,
        state=row.state,
        reason=row.reason,
        order=orders[row.at],
        adapting="none" if fell else _adapting(engine, model.wish),
        on_fallback=fell,
    )


def _adapting(engine: PlannedEngine, wish: Wish) -> Adapting:
    if engine.merged or wish.kind == "own":
        return "none"
    return "twin" if engine.engine == LORA and wish.kind == "twin" else "as asked"


def _on_its_weights(engine: PlannedEngine, models: Mapping[str, Model]) -> dict[str, Model]:
    """What the roles of an engine speak with there: those who fell back share the fallback of their wish."""
    found = {}
    for role in engine.roles:
        model = models[role]
        assert model.wish is not None
        if model.wish.weights.id != engine.weights and model.wish.fallback is not None:
            model = Model(wish=replace(model.wish, weights=model.wish.fallback, kind="none"), mark=model.fallback_mark)
        found[role] = model
    return found


def _may_stay(place: Place, former: Place | None, running: Mapping[tuple[Hashable, ...], int]) -> bool:
    """Whether what it speaks with is as it was, and its engine is up."""
    if former is None or former.order is None or place.order is None or place.order.key == former.order.key:
        return False
    same = place.model is not None and former.model is not None and _same(place.model, former.model)
    return same and former.on_fallback == place.on_fallback and former.order.key in running


def _same(one: Model, other: Model) -> bool:
    """Whether two are the same but for the rooms, the time, and what is there if all else fails."""
    return _bare(one) == _bare(other)


def _bare(model: Model) -> Model:
    wish = model.wish and replace(model.wish, rooms=(), spoke=0, fallback=None)
    return replace(model, wish=wish, fallback_mark="")


def _stay(place: Place, former: Place) -> Place:
    reason = "it stays on the engine that holds its transcript"
    return replace(former, role=place.role, model=place.model, state="runs", reason=reason)


def _needed(places: Sequence[Place], running: Mapping[tuple[Hashable, ...], int]) -> int:
    """Bytes of all engines that should run, those that do as large as they are."""
    orders = {place.order.key: place.order for place in places if place.order and place.state == "runs"}
    return sum(running.get(key, order.bytes) for key, order in orders.items())
