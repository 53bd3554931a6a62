"""Which engine answers for a role: roles of one base share one engine, and so its memory of the transcript.

Engines are started when they are first asked for, or ahead of it, and stay until the pool is closed.
"""

import asyncio

from chatroom import plugins
from chatroom.engines.base import Engine, EngineOptions, Facts
from chatroom.roles import Role
from chatroom.settings import Settings


class EnginePool:
    """All engines of a server."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._engines: dict[tuple[str, str], Engine] = {}
        self._loading: set[asyncio.Task[Facts]] = set()

    def engine(self, role: Role) -> Engine:
        """The engine that answers for a role; it may not have been started.

        Raises:
            PluginError: There is no engine of that name.
        """
        kind = role.engine or self._settings.engine
        key = (kind, role.weights or role.base)
        if key not in self._engines:
            make = plugins.load("chatroom.engines", kind).Engine
            self._engines[key] = make(self._options(key[1]))
        return self._engines[key]

    async def start(self, role: Role) -> tuple[Engine, Facts]:
        """Gives a role's engine, ready to answer, with the facts of its base.

        Loading goes on when who asked for it is cancelled: the next turn will want it.
        """
        engine = self.engine(role)
        loading = asyncio.create_task(engine.start())
        self._loading.add(loading)
        loading.add_done_callback(self._loaded)
        return engine, await asyncio.shield(loading)

    async def close(self) -> None:
        """Ends every engine."""
        for loading in self._loading:
            loading.cancel()
        await asyncio.gather(*self._loading, return_exceptions=True)
        await asyncio.gather(*(engine.close() for engine in self._engines.values()))

    def _loaded(self, loading: asyncio.Task[Facts]) -> None:
        self._loading.discard(loading)
        if not loading.cancelled():
            loading.exception()  # whoever waits is told; where nobody waits any more, the next start tells

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
