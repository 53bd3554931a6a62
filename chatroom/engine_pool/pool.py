"""The engines of a server: roles in, engines that are up out.

Invariants: running engines never hold more than the memory there is; no engine is stopped in the middle of a turn; a
turn that can't get its engine fails with the reason, within a limit. Knows no room beyond who sits in it.
"""

import asyncio
from collections.abc import Collection, Hashable, Iterable, Sequence
from functools import partial
from weakref import WeakKeyDictionary

from chatroom.engine_plan.machine_here import machine_here
from chatroom.engine_pool.held import Held
from chatroom.engine_pool.lent import Lent, Put, as_asked, without
from chatroom.engine_pool.order import unplanned
from chatroom.engine_pool.placing import Place
from chatroom.engine_pool.planning import Planning, Survey
from chatroom.engine_pool.starting import Busy, Limits, Merge, Starting
from chatroom.engine_pool.stock import KEPT, Make, Stock, from_plugin
from chatroom.engines.base import Engine, Facts
from chatroom.errors import EngineError
from chatroom.merged_weights import merged
from chatroom.messages import Adapter
from chatroom.roles import Role
from chatroom.settings import Settings

LIMITS = Limits()


class EnginePool:
    """All engines of a server.

    Args:
        survey: Says what memory there is; None asks the driver or the system.
        make: Makes an engine by its plug-in's name.
        merge: Merges a LoRA into the weights of its base.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        survey: Survey | None = None,
        make: Make = from_plugin,
        merge: Merge = merged,
        limits: Limits = LIMITS,
    ) -> None:
        self._settings = settings
        self._stock = Stock(make)
        self._starting = Starting(self._stock, merge, settings.home, limits)
        self._starting.grade = self._grade
        self._planning = Planning(settings, survey or partial(machine_here, settings), self._holding)
        self._settled = 0
        self._wanted: dict[tuple[Hashable, ...], bool] = {}
        self._spoken_with: dict[str, tuple[Hashable, ...]] = {}
        self._asked_as: WeakKeyDictionary[asyncio.Task[object], str] = WeakKeyDictionary()

    @property
    def taken(self) -> int:
        """Bytes that are counted for the engines that run."""
        return self._stock.taken

    def sit(self, room: str, roles: Iterable[Role], spoken: Sequence[str] = ()) -> None:
        """These roles sit in a room from now on; it may have been opened just now.

        Args:
            spoken: Ids of those who spoke there, who spoke last comes last.
        """
        self._planning.company.sit(room, roles, spoken)

    def leave(self, room: str) -> None:
        """A room is closed; engines that nobody else speaks with go when their memory is needed."""
        self._planning.company.leave(room)

    def engine(self, role: Role) -> Engine:
        """The engine that answers for a role, as far as that is known; it may not have been started.

        Raises:
            PluginError: There is no engine of that name.
        """
        place = self._planning.known(role)
        return self._stock.of((place and place.order) or unplanned(self._settings, role)).engine

    async def start(self, role: Role) -> tuple[Engine, Facts]:
        """Gives a role's engine, ready to answer, with the facts of its base. It runs until the task that asked has
        had its turn, or has not used it for a while.

        Loading goes on when who asked for it is cancelled: the next turn will want it.

        Raises:
            EngineError: It can't be started, does not fit (`bad_base`), or (`overloaded`) not now.
        """
        try:
            return await self._up(await self._place(role, speaks=True))
        except EngineError as problem:
            if isinstance(problem, Busy) or not await self._planning.fall(role, problem):
                raise
        return await self._up(await self._place(role, speaks=True))

    async def ahead(self, role: Role) -> bool:
        """Starts a role's engine if there is room for it, and stops none for it; says whether it is up.

        Raises:
            EngineError: It can't be started.
        """
        place = await self._place(role, speaks=False)
        if place.order is None or (place.state == "stopped" and place.order.key not in self._holding()):
            return False
        return await self._starting.ahead(self._stock.of(place.order))

    async def running(self, role: Role) -> tuple[Engine, Facts] | None:
        """Gives a role's engine if it is up, or comes up as somebody else has asked for it; starts and ends none.

        What is given fails when the engine is gone. One that holds no memory here is simply started.

        Raises:
            EngineError: It could not be started.
        """
        place = await self._place(role, speaks=False)
        if place.order is None or not place.order.bytes:
            return await self._up(place) if place.order else None
        held = self._stock.known(place.order)
        if held is not None and held.loading is not None and held.is_loading:
            await asyncio.wait([held.loading])
        return (self._lent(held, place, guest=True), held.facts) if held and held.facts else None

    async def close(self) -> None:
        """Ends every engine; none is started afterwards."""
        self._starting.close()
        await self._stock.close()

    async def _place(self, role: Role, *, speaks: bool) -> Place:
        place = await self._planning.place(role, speaks=speaks)
        if self._settled != self._planning.count:
            self._settle()
        return place

    async def _up(self, place: Place) -> tuple[Engine, Facts]:
        if place.order is None:
            raise EngineError(f"{place.role.name} can't speak: {place.reason}", code="bad_base")
        held = self._stock.of(place.order)
        self._asked_as[_task()] = place.role.id
        facts = await self._starting.up(held)
        return self._lent(held, place), facts

    def _lent(self, held: Held, place: Place, *, guest: bool = False) -> Lent:
        """One object for all who put their adapter in the same way: the room knows lanes apart by it."""
        put, name = (without, "guest") if guest else _put(place)
        if name not in held.lent:
            held.lent[name] = Lent(
                held.order.options,
                held=held,
                stock=self._stock,
                starting=self._starting,
                put=put,
                spoke=self._spoke,
                guest=guest,
            )
        return held.lent[name]

    def _spoke(self) -> None:
        if role := self._asked_as.get(_task()):
            self._planning.company.spoke(role)

    def _settle(self) -> None:
        """Takes over a new plan: what it needs, and what nobody speaks with any more."""
        places, machine = self._planning.places, self._planning.machine
        assert machine is not None  # a plan was made
        self._settled = self._planning.count
        self._stock.budget, self._starting.one_at_a_time = machine.budget, machine.gpu
        orders = {id_: place.order for id_, place in places.items() if place.order is not None}
        former, self._spoken_with = self._spoken_with, {id_: order.key for id_, order in orders.items()}
        self._wanted = dict.fromkeys(self._spoken_with.values(), False)
        self._wanted |= {order.key: True for id_, order in orders.items() if places[id_].state != "stopped"}
        moved = {key for id_, key in former.items() if id_ in places}
        self._stock.retire(held for held in self._stock if self._is_left(held, moved))

    def _is_left(self, held: Held, moved: Collection[tuple[Hashable, ...]]) -> bool:
        """Whether roles spoke with it that speak with another one now, or it was never started and is not wanted."""
        key = held.order.key
        unused = not (held.bytes or held.facts or held.is_loading)
        return key not in self._wanted and (key in moved or unused)

    def _grade(self, held: Held) -> int:
        runs = self._wanted.get(held.order.key)
        return KEPT if runs else 0 if runs is None else 1

    def _holding(self) -> dict[tuple[Hashable, ...], int]:
        return {held.order.key: held.bytes for held in self._stock if held.bytes and held.closing is None}


def _put(place: Place) -> tuple[Put, str]:
    """How its adapter is put in, and a name for that."""
    if place.adapting == "twin" and place.model and place.model.lora:
        lora: Adapter = place.model.lora
        return lambda asked: asked and lora, f"twin {lora.path} {lora.fingerprint}"
    return (as_asked, "as asked") if place.adapting == "as asked" else (without, "none")


def _task() -> asyncio.Task[object]:
    task = asyncio.current_task()
    assert task is not None  # only coroutines ask
    return task
