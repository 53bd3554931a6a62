"""An event loop whose clock jumps to the next timer when nothing else is to do: hours pass in milliseconds.

While a thread works for the loop, the clock stands still, so that no limit runs out because a disk is slow.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop without waiting. A wait that nothing can end fails instead of hanging."""

    def __init__(self) -> None:
        self._now, self._threads = 0.0, 0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        return self._now

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> "asyncio.Future[Any]":
        working = super().run_in_executor(executor, func, *args)
        self._threads += 1
        working.add_done_callback(self._returned)
        return working

    async def shutdown_default_executor(self, *args: Any) -> None:
        self._threads += 1
        await super().shutdown_default_executor(*args)

    def _returned(self, working: object) -> None:
        self._threads -= 1


class _Jumping(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        if self._loop._threads:
            return super().select(timeout if timeout == 0 else 5)
        found = super().select(0)
        if not found and timeout is None:
            raise RuntimeError("everybody waits for something that nobody will do")
        if not found and timeout:
            self._loop._now += timeout
        return found


def play(scenario: Coroutine[Any, Any, T]) -> T:
    """Runs a scenario in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(scenario)
