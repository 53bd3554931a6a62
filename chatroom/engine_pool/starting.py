"""Starts engines: memory first, then weights, then the engine; one after another where each takes a share of the GPU,
also one that starts anew because it lost its server.

Whoever waits does so within limits, and hears why it can't be. Loading goes on when who asked for it is cancelled: the
next turn will want it. Knows no role and no plan.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

import msgspec

from chatroom.engine_plan.reasons import gib
from chatroom.engine_plan.wishes import LORA
from chatroom.engine_pool.held import Held
from chatroom.engine_pool.order import merged_into
from chatroom.engine_pool.stock import Grade, Stock
from chatroom.engines.base import Facts, is_up
from chatroom.errors import EngineError
from chatroom.messages import Adapter

log = logging.getLogger("chatroom.engine_pool")

Merge = Callable[[Path, Path, Path], Awaitable[Path]]
"""Base, LoRA, home → a folder with the LoRA merged into the base's weights."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds.

    Args:
        room: Longest wait for memory that running turns hold, and for engines that are started before.
        start: Longest start of an engine.
        coming: Within which whoever was given an engine asks it; until then it is not stopped.
        again: After a start has failed, until it is tried again: a table of roles would try it once each.
    """

    room: float = 60.0
    start: float = 1800.0
    coming: float = 15.0
    again: float = 10.0


class Busy(EngineError):
    """There is no memory now; another time there may be."""

    def __init__(self, text: str) -> None:
        super().__init__(text, code="overloaded")


class Starting:
    """Brings engines up.

    Args:
        home: Where merged weights are kept.
    """

    def __init__(self, stock: Stock, merge: Merge, home: Path, limits: Limits) -> None:
        self.grade: Grade = lambda held: 0
        self.one_at_a_time = False
        self._stock, self._merge, self._home, self._limits = stock, merge, home, limits
        self._queue, self._alone = asyncio.Lock(), asyncio.Lock()
        self._given: dict[asyncio.Task[Any], Held] = {}
        self._closed = False

    async def up(self, held: Held) -> Facts:
        """Gives an engine's facts once it is up; nobody stops it before the task that asks has had its turn.

        Raises:
            EngineError: It can't be started, or (`overloaded`) there is no memory for it now.
        """
        task = _task()
        self._expect(task, held)
        try:
            facts = await self._loaded(held)
        except BaseException:
            self._let_go(task)
            raise
        self.came(held)
        return facts

    def came(self, held: Held) -> None:
        """The task that was given an engine has just used it, and may do so again."""
        if self._given.get(task := _task()) is held:
            held.expect(task, _now() + self._limits.coming)

    def left(self, held: Held) -> None:
        """The task that was given an engine has no turn on it: others may have its memory."""
        if self._given.get(task := _task()) is held:
            self._let_go(task)

    async def ahead(self, held: Held) -> bool:
        """Brings an engine up for which there is room, and stops none for it; says whether it is up."""
        if held.facts is not None:
            return True
        while self._queue.locked():  # turns go first
            await self._stock.news()
        if not (held.bytes or self._stock.fits(held.order.bytes)):
            return False
        try:
            await self._loaded(held)
        except Busy:
            return False
        return True

    @asynccontextmanager
    async def joining(self, held: Held, adapter: Adapter | None) -> AsyncIterator[None]:
        """To the first piece of a turn: where it makes the engine start anew with one more adapter, no other loads."""
        order = held.order
        known = adapter is None or adapter in held.joined or adapter in order.options.adapters
        anew = self.one_at_a_time and order.engine == LORA and not known
        async with self._alone if anew else nullcontext():
            yield
        if adapter is not None and anew:
            held.joined.add(adapter)

    def close(self) -> None:
        """No engine is started from now on."""
        self._closed = True

    def _expect(self, task: asyncio.Task[Any], held: Held) -> None:
        """A task waits for one engine at a time, so that no two can wait for each other's."""
        if task not in self._given:
            task.add_done_callback(self._let_go)
        elif self._given[task] is not held:
            self._given[task].let_go(task)
        self._given[task] = held
        held.expect(task)

    def _let_go(self, task: asyncio.Task[Any]) -> None:
        if (held := self._given.get(task)) is not None:
            held.let_go(task)
            if task.done():
                del self._given[task]
            self._stock.changed()

    async def _loaded(self, held: Held) -> Facts:
        if self._closed or not self._stock.has(held):
            raise EngineError("the engine was ended; ask again", code="engine_lost")
        if held.failed and _now() < held.failed[0] + self._limits.again:
            raise held.failed[1]
        if not held.is_loading:
            held.loading = asyncio.create_task(self._load(held))
            held.loading.add_done_callback(lambda loading: self._over(held, loading))
        assert held.loading is not None
        loading = held.loading
        try:
            return await asyncio.shield(loading)
        except asyncio.CancelledError:
            if loading.cancelled() and not _task().cancelling():
                raise EngineError("the engine was ended while it was starting", code="engine_lost") from None
            raise

    async def _load(self, held: Held) -> Facts:
        while held.closing is not None:
            await asyncio.shield(held.closing)
        if held.bytes or not held.order.bytes:  # it is counted, or holds nothing here
            return await self._begun(held)
        self._check_size(held)
        if held.order.lora:
            folder = await self._merge(Path(held.order.options.base), Path(held.order.lora), self._home)
            self._stock.remake(held, merged_into(held.order, folder))
        await self._enter(held)
        if not self.one_at_a_time:
            self._queue.release()
            return await self._begun(held)
        try:
            return await self._begun(held)
        finally:
            self._queue.release()

    async def _enter(self, held: Held) -> None:
        """Waits for its place in the queue and for memory; holds the queue afterwards."""
        try:
            async with asyncio.timeout(self._limits.room):
                await self._queue.acquire()
                try:
                    there = await self._stock.make_room(held, self.grade)
                    if not there:
                        raise Busy("there is no room for it now")
                except BaseException:
                    self._queue.release()
                    raise
        except TimeoutError:
            raise Busy(self._why(held)) from None

    async def _begun(self, held: Held) -> Facts:
        try:
            async with asyncio.timeout(self._limits.start), self._while_no_other_loads(held):
                held.facts = await held.engine.start()
        except TimeoutError:
            raise EngineError(f"{held.name} did not start within {self._limits.start:.0f} s", code="timeout") from None
        return held.facts

    def _while_no_other_loads(self, held: Held) -> AbstractAsyncContextManager[object]:
        """Nobody waits for memory in here: who holds the queue may be waiting for a turn on an engine that is lost."""
        loads = held.facts is None or not is_up(held.engine)
        return self._alone if self.one_at_a_time and held.order.bytes and loads else nullcontext()

    def _over(self, held: Held, loading: asyncio.Task[Facts]) -> None:
        """Remembers a failure, and frees what a failed start may hold."""
        problem = None if loading.cancelled() else loading.exception()
        if isinstance(problem, EngineError) and not isinstance(problem, Busy):
            log.warning("%s could not be started: %s", held.name, problem)
            held.failed = _now(), problem
        elif problem is None and not loading.cancelled():
            held.failed = None
        if problem is not None:
            held.facts = None
            if held.bytes and not held.calls:
                self._stock.stop(held)
        self._stock.changed()

    def _check_size(self, held: Held) -> None:
        if held.order.bytes > self._stock.budget:
            needed, there = gib(held.order.bytes), gib(self._stock.budget)
            raise EngineError(f"too large: {held.name} needs {needed} of {there}", code="bad_base")

    def _why(self, held: Held) -> str:
        others = [f"{other.name} ({gib(other.bytes)})" for other in self._stock if other.bytes and other is not held]
        needed = f"{held.name} needs {gib(held.order.bytes)} of {gib(self._stock.budget)}"
        return (
            f"no memory within {self._limits.room:.0f} s: {needed}, taken by {', '.join(others) or 'nobody'}; try again"
        )


def _task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None  # only coroutines ask
    return task


def _now() -> float:
    return asyncio.get_running_loop().time()
