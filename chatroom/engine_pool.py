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
        """Gives a role's engine, ready to answer, with the facts of its base."""
        engine = self.engine(role)
        return engine, await engine.start()

    async def close(self) -> None:
        """Ends every engine."""
        await asyncio.gather(*(engine.close() for engine in self._engines.values()))

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
