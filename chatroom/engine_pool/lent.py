"""An engine as it is lent to roles: the same contract, but it is not stopped while somebody is inside.

Whoever was given it may use it later: if it was stopped meanwhile, it is started again. It puts the adapter that this
engine can speak with in place of the role's own. Knows no role and no plan.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import ClassVar

from chatroom.engine_pool.held import Held
from chatroom.engine_pool.starting import Starting
from chatroom.engine_pool.stock import Stock
from chatroom.engines.base import Engine, EngineOptions, Facts, ToldUsage, unheard
from chatroom.errors import EngineError
from chatroom.messages import Adapter, Prompt, Sampling

Put = Callable[[Adapter | None], Adapter | None]
"""The adapter that is asked for → the one that the engine speaks with."""


def as_asked(adapter: Adapter | None) -> Adapter | None:
    """For engines that speak with the role's own adapter."""
    return adapter


def without(adapter: Adapter | None) -> Adapter | None:
    """For weights with the adapter in them, and for a fallback base."""
    return None


class Lent:
    """One engine for those whose adapter is put in the same way. What it can do, the engine itself says.

    Args:
        guest: Whether it is used only while it is up: nothing is started or ended for a guest.
    """

    supports_adapters: ClassVar[bool] = True
    can_score: ClassVar[bool] = True

    def __init__(
        self,
        options: EngineOptions,
        *,
        held: Held,
        stock: Stock,
        starting: Starting,
        put: Put,
        spoke: Callable[[], None],
        guest: bool = False,
    ) -> None:
        self._held, self._stock, self._starting = held, stock, starting
        self._put, self._spoke, self._guest = put, spoke, guest

    async def start(self) -> Facts:
        if self._held.facts is not None and self._guest:
            return self._held.facts
        if self._guest:
            raise EngineError("the engine isn't running", code="engine_lost")
        return await self._starting.up(self._held)

    async def count(self, texts: Sequence[str]) -> list[int]:
        async with self._inside() as engine:
            return await engine.count(texts)

    async def stream(
        self, prompt: Prompt, *, adapter: Adapter | None = None, sampling: Sampling, told: ToldUsage = unheard
    ) -> AsyncGenerator[str, None]:
        async with self._inside() as engine:
            self._spoke()
            adapter = self._put(adapter)
            pieces = engine.stream(prompt, adapter=adapter, sampling=sampling, told=told)
            async with aclosing(pieces):
                async with self._starting.joining(self._held, adapter):
                    first = await anext(pieces, None)
                if first is not None:
                    yield first
                async for piece in pieces:
                    yield piece

    async def score(self, prompt: Prompt, continuations: Sequence[str]) -> list[float]:
        async with self._inside() as engine:
            return await engine.score(prompt, continuations)

    async def warm(self, prompt: Prompt, *, adapter: Adapter | None = None) -> None:
        """Gives way: a turn that needs the memory may stop the engine meanwhile."""
        self._starting.left(self._held)
        if self._held.facts is not None:
            await self._held.engine.warm(prompt, adapter=self._put(adapter))

    async def close(self) -> None:
        """Ends the engine for all; whoever needs it starts it anew."""
        if not self._guest:
            await asyncio.shield(self._stock.stop(self._held))

    @asynccontextmanager
    async def _inside(self) -> AsyncIterator[Engine]:
        if self._held.facts is None:
            await self.start()
        self._held.calls += 1
        try:
            yield self._held.engine
        finally:
            self._held.calls -= 1
            self._starting.came(self._held)
            self._stock.touch(self._held)
            self._stock.changed()
