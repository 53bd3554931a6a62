"""Starts a server and proves that it is the one that was asked for, before anybody speaks through it.

Its log is searched for LMDeploy's silent fallback to another engine, and the model that it serves must have the name
that was given to it just now. Whatever goes wrong, no process is left. Knows no prompt.
"""

import asyncio
import logging
import re
import secrets
import shutil
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from chatroom.engines._lmdeploy.backend import Backend
from chatroom.engines._lmdeploy.client import LmdeployClient
from chatroom.engines._lmdeploy.command import Launch, cache_share, command_line
from chatroom.engines._lmdeploy.limits import Limits
from chatroom.engines._lmdeploy.local_base import LocalBase
from chatroom.engines._lmdeploy.log import ServerLog
from chatroom.engines._lmdeploy.process import ServerProcess
from chatroom.engines._lmdeploy.server import Server
from chatroom.engines._lmdeploy.turn import Turn
from chatroom.engines.base import EngineOptions
from chatroom.errors import EngineError
from chatroom.messages import Sampling

log = logging.getLogger("chatroom.engines.lmdeploy")

FIRST_WORDS, ONE_TOKEN = "Hello.", Sampling(max_tokens=1)
PORTS = 3
"""How often another port is taken, where another program was faster."""

Free = Callable[[], Awaitable[int | None]]
"""Says how much GPU memory is free, in bytes; None where nobody knows."""


async def launch(
    backend: Backend,
    base: LocalBase,
    *,
    options: EngineOptions,
    limits: Limits,
    free: Free,
    adapters: tuple[tuple[str, str], ...] = (),
    beside: int = 0,
) -> Server:
    """Starts a server for a base and waits until it answers.

    Args:
        adapters: Name and folder of each LoRA that it loads with the base.
        beside: Bytes that these take beside the base's weights.

    Raises:
        EngineError: The backend can't load it, there is not enough memory, or it does not start.
    """
    backend.check(base.config, options.base, options.quantization == "int4")
    _check_command(options.command[0])
    share = await _share(base.weights + beside, options, free)
    for attempt in range(PORTS):
        asked = Launch(
            command=options.command,
            base=str(base.folder),
            name=f"{_plain(base.folder.name)}-{secrets.token_hex(4)}",
            port=_free_port(),
            key=secrets.token_hex(24),
            context=base.context,
            backend=backend.flag,
            adapters=adapters,
            cache_share=share,
            dtype=options.dtype,
            flags=options.flags,
        )
        kept = ServerLog(_log_file(options, backend, base.folder), secret=asked.key, wanted=backend.title)
        try:
            return await _started(asked, kept, limits, base)
        except EngineError:
            if not kept.port_taken or attempt == PORTS - 1:
                raise
    raise AssertionError("the last try returns or raises")


def _check_command(command: str) -> None:
    if shutil.which(command) is None:
        problem = f"there is no command {command!r}; set `lmdeploy` to the one of LMDeploy's own environment"
        raise EngineError(problem, code="engine")


async def _started(asked: Launch, kept: ServerLog, limits: Limits, base: LocalBase) -> Server:
    process = ServerProcess(command_line(asked), kept, grace=limits.grace)
    client = LmdeployClient(f"http://127.0.0.1:{asked.port}", key=asked.key, silence=limits.silence)
    server = Server(client, asked.name, process)
    try:
        await process.start()
        async with asyncio.timeout(limits.start):
            await _until_ready(server, kept, limits, asked.base)
            _check_served(asked, await client.models())
            await _check_speaks(server, kept, limits, base)
        return server
    except TimeoutError:
        await server.end()
        raise EngineError(
            f"the server did not get ready within {limits.start:.0f} s{kept.last_words()}", code="timeout"
        ) from None
    except BaseException:  # a cancelled start must not leave a process behind either
        await server.end()
        raise


async def _until_ready(server: Server, kept: ServerLog, limits: Limits, base: str) -> None:
    """Waits until the server is healthy; it binds its port only once the weights are loaded."""
    assert server.process
    clock, pause = asyncio.get_running_loop().time, 0.02
    told = began = clock()
    while await server.client.health() != "healthy":
        with suppress(TimeoutError):
            await asyncio.wait_for(server.process.ended.wait(), pause)
        _check_log(server.process, kept)
        pause = min(pause * 1.5, limits.poll)
        if clock() - told > limits.report:
            told = clock()
            log.info("LMDeploy has been loading %s for %.0f s: %s", base, told - began, kept.last)
    _check_log(server.process, kept)


def _check_served(asked: Launch, names: list[str]) -> None:
    """The base's name was made for this start; an adapter that is not served would be answered with 404."""
    if asked.name not in names:
        raise EngineError("another program answers on the server's port; try again", code="engine")
    if missing := [name for name, _ in asked.adapters if name not in names]:
        raise EngineError(f"LMDeploy loads no adapters on this engine: {', '.join(missing)[:300]}", code="bad_base")


async def _check_speaks(server: Server, kept: ServerLog, limits: Limits, base: LocalBase) -> None:
    """Lets it compute one token: a server may be healthy and fail at every turn."""
    assert server.process
    turn = Turn(server, base, base.template.line_ids(FIRST_WORDS), ONE_TOKEN)
    try:
        async for _ in turn.pieces():
            pass
    except EngineError:
        with suppress(TimeoutError):
            await asyncio.wait_for(server.process.ended.wait(), 1)
        _check_log(server.process, kept)  # its log may know the reason
        raise
    finally:
        await turn.settle(limits.settle)


def _check_log(process: ServerProcess, kept: ServerLog) -> None:
    if kept.fell_back:
        raise EngineError(
            f"LMDeploy would run this base on another engine than {kept.wanted}, so it was ended; set engine = "
            f"'transformers_peft' for the role, or repair LMDeploy's environment. It says: {kept.fell_back[:300]}",
            code="bad_base",
        )
    if process.ended.is_set():
        raise process.loss()


async def _share(weights: int, options: EngineOptions, free: Free) -> float:
    if not options.cache_bytes:
        return 0.0
    left = await free()
    if left is None:
        raise EngineError("the driver does not say how much GPU memory is free; is there a GPU?", code="engine")
    return cache_share(options.cache_bytes, left, weights)


def _log_file(options: EngineOptions, backend: Backend, folder: Path) -> Path | None:
    """A file of its own for each folder, whatever it is called: those of roles have one name."""
    if not options.logs:
        return None
    digest = sha256(str(folder).encode()).hexdigest()[:6]
    return Path(options.logs, f"{backend.flag}-{_plain(folder.parent.name)}-{_plain(folder.name)}-{digest}.log")


def _plain(name: str) -> str:
    return re.sub(r"[^\w.-]", "-", name)[:40]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
