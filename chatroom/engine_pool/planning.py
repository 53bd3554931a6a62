"""Makes plans from who is here and the memory there is, and remembers the place of every role.

It plans anew when somebody came or went, when a role was edited, and when one that is stopped must speak; else a place
is looked up. Knows no engine object: what holds memory is handed in.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable, Mapping
from pathlib import Path

from msgspec.structs import replace

from chatroom.engine_plan import Machine, Wish, plan
from chatroom.engine_plan.gathering import speaks_elsewhere
from chatroom.engine_pool.company import Company
from chatroom.engine_pool.measured import Measured, Model
from chatroom.engine_pool.placing import Place, elsewhere, kept, places_of
from chatroom.roles import Role, fingerprint
from chatroom.settings import Settings

log = logging.getLogger("chatroom.engine_pool")

Survey = Callable[[], Awaitable[Machine]]
"""Says what memory there is, while no engine of ours holds any."""
Holding = Callable[[], Mapping[tuple[Hashable, ...], int]]
"""Key of every engine that holds memory → its bytes."""
AGAIN_SECONDS = 300.0
"""After a role's engine has failed, until it is tried again in place of the fallback."""


class Planning:
    """The place of every role.

    Attributes:
        company: Who may speak.
        machine: The memory there is; None before the first plan.
        places: By role.
        count: How many plans were made.
    """

    def __init__(self, settings: Settings, survey: Survey, holding: Holding) -> None:
        self.company = Company()
        self.machine: Machine | None = None
        self.places: dict[str, Place] = {}
        self.count = 0
        self._settings, self._survey, self._holding = settings, survey, holding
        self._measured = Measured(settings)
        self._marks: dict[str, str] = {}
        self._fallen: dict[str, tuple[float, str]] = {}
        self._lock = asyncio.Lock()

    def known(self, role: Role) -> Place | None:
        """The place of a role, if nothing that decides it has changed."""
        place = self.places.get(role.id)
        if place is None or self.company.stale or not _is(place.role, role):
            return None
        if role.weights and self._marks.get(role.id) != fingerprint(Path(role.weights)):
            return None
        return None if self._may_return(role) else place

    async def place(self, role: Role, *, speaks: bool) -> Place:
        """The place of a role.

        Args:
            speaks: Whether it must speak now: its engine is planned to run, though another may have to be stopped.
        """
        if (place := self.known(role)) is not None and not (speaks and self._waits(place)):
            return place
        async with self._lock:
            place = self.known(role)
            if place is None or (speaks and self._waits(place)):
                self.company.meet(role)
                if speaks:
                    self.company.spoke(role.id)
                await self._plan()
                place = self.places[role.id]
            return place

    async def fall(self, role: Role, problem: Exception) -> bool:
        """Its engine failed: from now on it speaks with the fallback base. False if there is none, or it did so."""
        place = self.places.get(role.id)
        if place is None or place.on_fallback or await self._measured.fallback() is None:
            return False
        log.warning("%s speaks with the fallback %s: %s", role.id, self._settings.fallback, problem)
        self._fallen[role.id] = asyncio.get_running_loop().time() + AGAIN_SECONDS, role.fingerprint
        self.company.stale = True
        return True

    def _waits(self, place: Place) -> bool:
        """Whether the plan has stopped its engine, and nothing of it is up."""
        return place.state == "stopped" and not (place.order and place.order.key in self._holding())

    def _may_return(self, role: Role) -> bool:
        """Whether a role on the fallback base is to try its own engine again."""
        until, mark = self._fallen.get(role.id, (0.0, role.fingerprint))
        return role.id in self._fallen and (mark != role.fingerprint or until <= asyncio.get_running_loop().time())

    async def _plan(self) -> None:
        self.company.stale = False  # who comes or goes while we read is planned for next time
        try:
            roles = {role.id: role for role in self.company.roles}
            read = await self._measured.read(role for role in roles.values() if self._is_here(role))
            planned = await self._wanted(roles, read)
            self.machine = await self._surveyed()
        except BaseException:
            self.company.stale = True
            raise
        decided = plan([model.wish for model in planned.values() if model.wish], self.machine)
        found = places_of(self._settings, decided, roles, planned)
        found = [self._fell(place) if place.role.id in self._fallen else place for place in found]
        found = kept(found, self.places, self._holding(), self.machine.budget)
        self._take({place.role.id: place for place in found}, roles, read)

    def _is_here(self, role: Role) -> bool:
        return not speaks_elsewhere(self._settings, role)

    async def _wanted(self, roles: Mapping[str, Role], read: Mapping[str, Model]) -> dict[str, Model]:
        """What each role speaks with whose memory can be planned, with all that the plan must know of it."""
        base, found = await self._measured.fallback(), {}
        for id_, role in roles.items():
            if self._may_return(role):
                del self._fallen[id_]
            model = _on_fallback(base, id_) if base and id_ in self._fallen else read.get(id_)
            if model and model.wish:
                found[id_] = self._completed(model, model.wish, base)
        return found

    def _completed(self, model: Model, wish: Wish, base: Model | None) -> Model:
        id_ = wish.role
        fallback = base.wish.weights if base and base.wish else None
        wish = replace(wish, rooms=self.company.rooms_of(id_), spoke=self.company.when(id_), fallback=fallback)
        return replace(model, wish=wish, fallback_mark=base.mark if base else "")

    async def _surveyed(self) -> Machine:
        """The memory there is; asked anew only while nothing of ours takes any of it."""
        return await self._survey() if self.machine is None or not self._holding() else self.machine

    def _fell(self, place: Place) -> Place:
        return replace(place, on_fallback=True, adapting="none")

    def _take(self, places: dict[str, Place], roles: Mapping[str, Role], read: Mapping[str, Model]) -> None:
        """Makes these the places of all; those that are in no plan start what they name."""
        self._marks = {id_: fingerprint(Path(role.weights)) for id_, role in roles.items() if role.weights}
        for id_, role in roles.items():
            if id_ not in places:
                places[id_] = elsewhere(self._settings, role, read.get(id_))
        for id_, place in places.items():
            if id_ not in self.places or self.places[id_].reason != place.reason:
                log.info("%s: %s, %s", id_, place.order.engine if place.order else place.state, place.reason)
        self.places = places
        self.count += 1


def _is(one: Role, other: Role) -> bool:
    """Whether two are the same reading of a folder, or of one that has not changed."""
    return one is other or (one.fingerprint == other.fingerprint and one.folder == other.folder)


def _on_fallback(base: Model, role: str) -> Model:
    return replace(base, wish=base.wish and replace(base.wish, role=role))
