"""Which engine answers for a role: roles of one base share one engine, and so its memory of the transcript.

Engines are started when they are first asked for, or ahead of it, and stay until the pool is closed.
"""

import asyncio
from functools import partial
from pathlib import Path

from chatroom import plugins
from chatroom.engines.base import Engine, EngineOptions, Facts
from chatroom.errors import EngineError
from chatroom.roles import Role, fingerprint
from chatroom.settings import Settings

AGAIN_SECONDS = 10.0
"""After a base could not be loaded, until it is tried again."""


class EnginePool:
    """All engines of a server."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._engines: dict[tuple[str, str], tuple[str, Engine]] = {}
        self._loading: set[asyncio.Task[Facts]] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._failed: dict[Engine, tuple[float, EngineError]] = {}

    def engine(self, role: Role) -> Engine:
        """The engine that answers for a role; it may not have been started. Changed weights get a new one.

        Raises:
            PluginError: There is no engine of that name.
        """
        kind, path = role.engine or self._settings.engine, role.weights or role.base
        mark = fingerprint(Path(role.weights)) if role.weights else ""
        known, engine = self._engines.get((kind, path), ("", None))
        if engine is None or known != mark:
            if engine is not None:
                self._end(engine)
            engine = plugins.load("chatroom.engines", kind).Engine(self._options(path))
            self._engines[kind, path] = mark, engine
        return engine

    async def start(self, role: Role) -> tuple[Engine, Facts]:
        """Gives a role's engine, ready to answer, with the facts of its base.

        Loading goes on when who asked for it is cancelled: the next turn will want it. A load that has just failed is
        not tried again at once, or a table of roles would try it once each.
        """
        engine, now = self.engine(role), asyncio.get_running_loop().time()
        if engine in self._failed and now < self._failed[engine][0] + AGAIN_SECONDS:
            raise self._failed[engine][1]
        loading = asyncio.create_task(engine.start())
        self._loading.add(loading)
        loading.add_done_callback(partial(self._loaded, engine))
        return engine, await asyncio.shield(loading)

    async def close(self) -> None:
        """Ends every engine."""
        for loading in self._loading:
            loading.cancel()
        await asyncio.gather(*self._loading, return_exceptions=True)
        await asyncio.gather(*self._closing, *(engine.close() for _, engine in self._engines.values()))

    def _loaded(self, engine: Engine, loading: asyncio.Task[Facts]) -> None:
        self._loading.discard(loading)
        problem = None if loading.cancelled() else loading.exception()
        if isinstance(problem, EngineError):
            self._failed[engine] = asyncio.get_running_loop().time(), problem
        else:
            self._failed.pop(engine, None)

    def _end(self, engine: Engine) -> None:
        self._failed.pop(engine, None)
        ending = asyncio.create_task(engine.close())
        self._closing.add(ending)
        ending.add_done_callback(self._closing.discard)

    def _options(self, base: str) -> EngineOptions:
        chosen = self._settings
        return EngineOptions(
            base=base,
            context=chosen.context,
            memory=chosen.memory,
            threads=chosen.threads,
            dtype=chosen.dtype,
            device=chosen.device,
        )
