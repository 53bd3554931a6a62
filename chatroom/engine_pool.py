"""Which engine answers for a role: roles of one base share one engine, and so its memory of the transcript.

Engines are started when they are first asked for, or ahead of it, and stay until the pool is closed.
"""

import asyncio
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from chatroom import plugins
from chatroom.engines.base import Engine, EngineOptions, Facts
from chatroom.errors import EngineError
from chatroom.roles import Role, fingerprint
from chatroom.settings import Settings

AGAIN_SECONDS = 10.0
"""After a base could not be loaded, until it is tried again."""


REMOTE = "openai_api"
"""The engine that asks the server of the settings where a role names none."""


class EnginePool:
    """All engines of a server."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._engines: dict[tuple[str, EngineOptions], tuple[str, Engine]] = {}
        self._loading: set[asyncio.Task[Facts]] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._failed: dict[Engine, tuple[float, EngineError]] = {}

    def engine(self, role: Role) -> Engine:
        """The engine that answers for a role; it may not have been started. Changed weights get a new one.

        Raises:
            PluginError: There is no engine of that name.
        """
        kind, options = role.engine or self._settings.engine, self._options(role)
        mark = fingerprint(Path(role.weights)) if role.weights else ""
        known, engine = self._engines.get((kind, options), ("", None))
        if engine is None or known != mark:
            if engine is not None:
                self._end(engine)
            engine = plugins.load("chatroom.engines", kind).Engine(options)
            self._engines[kind, options] = mark, engine
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

    def _options(self, role: Role) -> EngineOptions:
        """What its engine is set up with; roles with the same share one."""
        chosen = self._settings
        address = role.address or (chosen.remote if (role.engine or chosen.engine) == REMOTE else "")
        return EngineOptions(
            base=role.weights or role.base,
            context=chosen.context,
            memory=chosen.memory,
            threads=chosen.threads,
            dtype=chosen.dtype,
            device=chosen.device,
            address=address,
            served=role.served,
            key=chosen.remote_key if address and _same_server(address, chosen.remote) else "",
            command=chosen.lmdeploy,
            flags=chosen.lmdeploy_flags,
            quantization=role.quantization,
            logs=str(chosen.home / "engines"),
        )


def _same_server(one: str, other: str) -> bool:
    """Whether two addresses are of one server: nobody else is sent its key."""
    return urlsplit(one)[:2] == urlsplit(other)[:2]
