"""The engines there are, and the memory that they hold: who is stopped so that another one fits.

Invariant: what is counted never exceeds the budget. An engine is counted from before its start until its close has
returned. None is stopped in the middle of a turn. Knows no role and no plan but for the `grade` that it is handed.
"""

import asyncio
import logging
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import suppress
from math import inf

from chatroom import plugins
from chatroom.engine_pool.held import Held
from chatroom.engine_pool.order import Order
from chatroom.engines.base import Engine, EngineOptions, Facts

log = logging.getLogger("chatroom.engine_pool")

AGAIN_SECONDS = 10.0
"""After an engine could not be closed, until it is tried again."""
KEPT = 2
"""Grade from which an engine is stopped only where all others would not make room enough."""

Make = Callable[[str, EngineOptions], Engine]
"""Makes an engine of a plug-in's name; it is not started."""
Grade = Callable[[Held], int]
"""How much an engine is needed: the lowest is stopped first."""


def from_plugin(kind: str, options: EngineOptions) -> Engine:
    """Makes an engine.

    Raises:
        PluginError: There is none of that name.
    """
    engine: Engine = plugins.load("chatroom.engines", kind).Engine(options)
    return engine


class Stock:
    """All engines, started or not."""

    def __init__(self, make: Make) -> None:
        self.budget = 0
        self._make = make
        self._all: dict[tuple[Hashable, ...], Held] = {}
        self._news = asyncio.Event()
        self._closings: set[asyncio.Task[None]] = set()
        self._clock = 0

    def __iter__(self) -> Iterator[Held]:
        return iter(tuple(self._all.values()))

    @property
    def taken(self) -> int:
        """Bytes that are counted."""
        return sum(held.bytes for held in self._all.values())

    def of(self, order: Order) -> Held:
        """The engine of an order, as it is or newly made; one that is not up takes over the order's options."""
        held = self._all.get(order.key)
        if held is None:
            held = self._all[order.key] = Held(order, self._make(order.engine, order.options))
        elif held.order != order and not (held.bytes or held.is_loading or held.facts):
            held.order, held.engine = order, self._make(order.engine, order.options)
            held.joined.clear()
        held.outdated = False
        return held

    def known(self, order: Order) -> Held | None:
        return self._all.get(order.key)

    def has(self, held: Held) -> bool:
        return self._all.get(held.order.key) is held

    def remake(self, held: Held, options: EngineOptions) -> None:
        """Takes another engine object for one that is not up, as its final options are known now."""
        held.engine = self._make(held.order.engine, options)

    def touch(self, held: Held) -> None:
        """It was used just now."""
        self._clock += 1
        held.used = self._clock

    def changed(self) -> None:
        """Something happened that may have made an engine idle."""
        self._news.set()
        for held in self:
            if held.outdated and held.idle(_now()):
                self._retire(held)

    def fits(self, size: int) -> bool:
        return self.taken + size <= self.budget

    async def news(self) -> None:
        """Until something happens, or time alone has changed something."""
        self._news.clear()
        soonest = min((held.next_change(_now()) for held in self), default=inf)
        with suppress(TimeoutError):
            async with asyncio.timeout_at(None if soonest == inf else soonest):
                await self._news.wait()

    async def make_room(self, held: Held, grade: Grade) -> bool:
        """Counts an engine's memory, after others were stopped if need be; False if nobody waits for it any more.

        It takes as long as the turns that must end first: the caller sets a limit. The memory is counted in the very
        step in which it is there.
        """
        while not self.fits(held.order.bytes):
            if not held.wanted(_now()):
                return False
            if (victim := self._victim(held, grade)) is not None:
                log.info("%s is stopped: %s needs its memory", victim.name, held.name)
                await asyncio.shield(self.stop(victim))
            else:
                await self.news()
        held.bytes = held.order.bytes
        return True

    def stop(self, held: Held) -> asyncio.Task[None]:
        """Closes an engine; its memory is free when that is done."""
        if held.closing is None:
            held.facts = None
            loading = held.loading if held.is_loading else None
            held.closing = asyncio.create_task(self._close(held, loading))
            self._closings.add(held.closing)
            held.closing.add_done_callback(self._closings.discard)
        return held.closing

    def retire(self, held: Iterable[Held]) -> None:
        """These are spoken with no more: each goes when nobody is inside."""
        for each in held:
            each.outdated = True
        self.changed()

    async def close(self) -> None:
        """Ends every engine."""
        for held in self:
            if held.loading is not None:
                held.loading.cancel()
        await asyncio.gather(*(held.loading for held in self if held.loading), return_exceptions=True)
        await asyncio.gather(*self._closings, return_exceptions=True)
        await asyncio.gather(*(self.stop(held) for held in self))
        await asyncio.gather(*(self.stop(held) for held in self if held.bytes))  # those whose close failed

    def _retire(self, held: Held) -> None:
        if held.bytes or held.facts:
            self.stop(held)
        else:
            del self._all[held.order.key]

    def _victim(self, needy: Held, grade: Grade) -> Held | None:
        """Whom to stop now: of those that must go anyway the least recently used, if nobody is inside."""
        holding = sorted((held for held in self if held.bytes and held is not needy), key=lambda h: (grade(h), h.used))
        spare = [held for held in holding if grade(held) < KEPT]
        missing = self.taken + needy.order.bytes - self.budget
        allowed = spare if sum(held.bytes for held in spare) >= missing else holding
        return next((held for held in allowed if held.idle(_now())), None)

    async def _close(self, held: Held, loading: asyncio.Task[Facts] | None) -> None:
        if loading is not None:
            loading.cancel()
            await asyncio.gather(loading, return_exceptions=True)
        try:
            await held.engine.close()
            held.bytes = 0
        except Exception:  # it may hold its memory still
            log.exception("%s could not be closed", held.name)
            held.tired = _now() + AGAIN_SECONDS
        finally:
            held.closing = None
            self.changed()


def _now() -> float:
    return asyncio.get_running_loop().time()
