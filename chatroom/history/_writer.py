"""The one thread that writes to the log: what is queued while a commit runs shares the next commit.

A piece of work is a plain function of the connection; its caller hears of it only after COMMIT, in the order of the
queue. If the commit fails, every caller of that batch gets the error and nothing was written. Knows no events.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from chatroom.errors import HistoryError, RefusedError

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], Any]
Waiting = tuple[Work, "asyncio.Future[Any]"]

MAX_BATCH = 500
"""Most pieces of work in one commit, so that the first of them does not wait for too many others."""


class Writer:
    """Commits work in groups.

    Args:
        connect: Opens the database; called again after an error, since a connection that failed is not trusted.
        committed: Called after each commit and before anyone hears of it.
    """

    def __init__(
        self, connect: Callable[[], sqlite3.Connection], committed: Callable[[sqlite3.Connection], None]
    ) -> None:
        self._connect, self._committed = connect, committed
        self._connection: sqlite3.Connection | None = None
        self._queue: deque[Waiting] = deque()
        self._scheduled = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="history-writer")

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Does the work in the next transaction; returns once that is committed. Raises HistoryError."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.append((work, future))
        if not self._scheduled:
            self._scheduled = True
            try:
                self._thread.submit(self._drain)
            except RuntimeError as error:
                self._scheduled = False
                self._queue.clear()
                raise HistoryError("the room log is closed") from error
        return await future

    async def close(self) -> None:
        """Commits what is queued and ends the thread."""
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        self._thread.shutdown()
        self._forget()

    def _drain(self) -> None:
        self._scheduled = False  # first: whatever is queued from here on schedules another run
        while self._queue:
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), MAX_BATCH))]
            outcomes = self._commit([work for work, _ in batch])
            futures = [future for _, future in batch]
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                futures[0].get_loop().call_soon_threadsafe(_settle, futures, outcomes)

    def _commit(self, works: Sequence[Work]) -> list[Any]:
        try:
            connection = self._connection = self._connection or self._connect()
            connection.execute("BEGIN IMMEDIATE")
            outcomes = [_outcome(work, connection) for work in works]
            connection.execute("COMMIT")
        except Exception as error:  # whatever it was: nobody may wait for ever, and the thread must live
            self._forget()
            return [_explained(error) for _ in works]
        self._committed(connection)
        return outcomes

    def _forget(self) -> None:
        """Closes the connection, which also rolls back what it had begun."""
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None


def _outcome(work: Work, connection: sqlite3.Connection) -> Any:
    """A refusal is an answer to one caller, and no reason to roll the others back: it comes before any writing."""
    try:
        return work(connection)
    except RefusedError as refusal:
        return refusal


def _explained(error: Exception) -> HistoryError:
    explained = HistoryError(f"the room log can't be written: {error}")
    explained.__cause__ = error
    return explained


def _settle(futures: Sequence["asyncio.Future[Any]"], outcomes: Sequence[Any]) -> None:
    for future, outcome in zip(futures, outcomes, strict=True):
        if future.done():  # its caller was cancelled meanwhile
            continue
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
