"""A process of its own in which one object lives; its methods are called there, one after the other.

When the process is lost, the next call gets a new one. It ends with this process, whatever ends it, and takes no
Ctrl-C: that is for the server to decide. Knows neither rooms nor what the object does.
"""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context, parent_process
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

D = TypeVar("D")
P = ParamSpec("P")
T = TypeVar("T")


class LostError(Exception):
    """The process ended in the middle of a call."""


class Workplace(Generic[D]):
    """Where an object works.

    Args:
        make: Makes the object, in the process.
        niceness: By how much the process gives way to others.
        threads: CPU threads of a computation; 0 leaves it to the library.
    """

    def __init__(self, make: Callable[[], D], *, niceness: int = 0, threads: int = 0) -> None:
        self._begin = partial(_begin, make, niceness, threads)
        self._pool: ProcessPoolExecutor | None = None
        self._asked: dict[object, float] = {}

    @property
    def silent_for(self) -> float:
        """Seconds since the oldest call that has not been answered."""
        return time.monotonic() - min(self._asked.values(), default=time.monotonic())

    async def run(self, method: Callable[Concatenate[D, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Calls a method of the object.

        Raises:
            LostError: The process is gone.
            Exception: What the method raised.
        """
        pool = self._pool = self._pool or ProcessPoolExecutor(
            1, mp_context=get_context("spawn"), initializer=self._begin
        )
        try:
            answer = asyncio.wrap_future(pool.submit(partial(_call, method, args, kwargs)))
            self._asked[answer] = time.monotonic()
            answer.add_done_callback(self._answered)
            return await asyncio.shield(answer)  # whoever asks may be cancelled, the call must not be
        except BrokenExecutor as error:
            if self._pool is pool:
                self.close()
            raise LostError("its process ended") from error

    def close(self) -> None:
        """Ends the process, whatever it is at; twice is fine, and the next call starts another one."""
        pool, self._pool = self._pool, None
        if pool is not None:
            for process in list((pool._processes or {}).values()):  # only it knows whether the pid is still ours
                process.kill()
            pool.shutdown(wait=False)

    def _answered(self, answer: "asyncio.Future[Any]") -> None:
        self._asked.pop(answer, None)
        if not answer.cancelled():
            answer.exception()  # whoever asked may have gone


_here: list[Any] = []
"""In the process: the object that works there."""


def _begin(make: Callable[[], object], niceness: int, threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if threads:
        os.environ["OMP_NUM_THREADS"] = str(threads)
    os.nice(niceness)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _here.append(make())


def _call(method: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
    return method(_here[0], *args, **kwargs)


def _end_with_parent() -> None:
    """Waits for the server's end, also by SIGKILL, so that no worker is ever left over."""
    if parent := parent_process():
        parent.join()
    os._exit(0)
