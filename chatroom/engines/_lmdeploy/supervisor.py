"""Keeps one server for a base: starts it when it is needed, anew after a crash, and ends one that hangs.

Every crash in a row makes the pause before the next start longer. Knows no prompt and no turn.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from chatroom.engines._lmdeploy.limits import Limits
from chatroom.engines._lmdeploy.local_base import LocalBase
from chatroom.engines._lmdeploy.server import Server, found
from chatroom.engines.base import EngineOptions
from chatroom.errors import EngineError

Opening = Callable[[LocalBase], Awaitable[Server]]
"""Starts a server for a base."""

log = logging.getLogger("chatroom.engines.lmdeploy")

SILENT = 2
"""So many turns in a row without a word, and the server counts as hung, whatever it says of its health."""


class Supervisor:
    """The server of a base, over its starts and ends."""

    def __init__(self, options: EngineOptions, limits: Limits, opening: Opening) -> None:
        self._options, self._limits, self._opener = options, limits, opening
        self._server: Server | None = None
        self._opening: asyncio.Task[Server] | None = None
        self._crashes = self._silent = 0

    async def up(self, base: LocalBase) -> None:
        """Sees to it that the server runs. One caller at a time.

        Raises:
            EngineError: It can't be started.
        """
        if self._server is not None and not self._server.lost:
            return
        lost, self._server = self._server, None
        self._server = await self._opened(base, lost)

    @property
    def is_up(self) -> bool:
        """Whether the server runs."""
        return self._server is not None and not self._server.lost

    def running(self) -> Server:
        """The server, to be asked.

        Raises:
            EngineError: There is none at the moment.
        """
        if self._server is None:
            raise EngineError("the engine isn't running; start it first", code="engine_lost")
        if self._server.lost and self._server.process is not None:
            raise self._server.process.loss()
        return self._server

    def went_well(self) -> None:
        """A turn came to its end: the next crash is a first one again."""
        self._crashes = 0

    def was_heard(self) -> None:
        """A turn had words to the last, however it ended."""
        self._silent = 0

    async def explained(self, server: Server, error: EngineError) -> EngineError:
        """The reason behind a broken connection, if the server's process has just ended."""
        if error.code == "engine_lost" and server.process is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(server.process.ended.wait(), 1)
            if server.process.ended.is_set():
                return server.process.loss()
        return error

    async def doubt(self, server: Server) -> None:
        """A turn fell silent: a server that is not healthy, or was silent before, is ended."""
        self._silent += 1
        if server.process is None or server.lost:
            return
        if self._silent >= SILENT or await server.client.health() != "healthy":
            log.warning("the server of %s is silent and is ended; the next turn starts it anew", self._options.base)
            self._silent = 0
            await server.end()

    async def down(self) -> None:
        """Ends the server, also one that is just starting; twice is fine."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        server, self._server, self._crashes = self._server, None, 0
        if server is not None:
            await server.end()

    async def _opened(self, base: LocalBase, lost: Server | None) -> Server:
        self._opening = asyncio.ensure_future(self._open(base, lost))
        try:
            return await self._opening
        except EngineError:
            self._crashes += 1
            raise
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            raise EngineError("the engine was closed while it was starting", code="engine_lost") from None
        finally:
            self._opening = None

    async def _open(self, base: LocalBase, lost: Server | None) -> Server:
        """Clears away what a crash left, waits if it was not the first in a row, and starts."""
        if lost is not None:
            self._crashes += 1
            await lost.end()
        if self._crashes:
            await asyncio.sleep(self._limits.pauses[min(self._crashes, len(self._limits.pauses)) - 1])
        if self._options.address:
            return await found(base, self._options, self._limits)
        return await self._opener(base)
