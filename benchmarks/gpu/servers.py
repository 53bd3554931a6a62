"""The server of LMDeploy that runs at the moment; it stays for the next part if that wants the same one.

Started by the very command line of the engine, with two changes that no role needs: more replies at a time, and one
without prefix cache to compare with. It says how long start and end took, and what memory of the GPU it took.
"""

import asyncio
import secrets
import socket
import time
from pathlib import Path

import msgspec

from benchmarks.gpu.asking import Asker
from benchmarks.gpu.bench import Bench
from chatroom.engines._http import HttpClient
from chatroom.engines._lmdeploy.client import LmdeployClient
from chatroom.engines._lmdeploy.command import Launch, cache_share, command_line
from chatroom.engines._lmdeploy.gpu_memory import free_gpu_bytes
from chatroom.engines._lmdeploy.local_base import LocalBase, load_base
from chatroom.engines._lmdeploy.log import ServerLog
from chatroom.engines._lmdeploy.process import ServerProcess
from chatroom.errors import EngineError

CACHING = "--enable-prefix-caching"
POLL = 0.05


class Want(msgspec.Struct, frozen=True, kw_only=True):
    """Which server is wanted.

    Args:
        weights: Its folder.
        dtype: "auto" where the weights are quantized.
        caching: Whether prefixes are kept between replies.
    """

    weights: Path
    dtype: str
    caching: bool = True


class Served(msgspec.Struct, kw_only=True):
    """A server that answers, and what it took to get there."""

    want: Want
    base: LocalBase
    asker: Asker
    start: float
    held: int
    client: LmdeployClient
    http: HttpClient
    process: ServerProcess

    async def end(self) -> float:
        """Ends it; gives the seconds that took."""
        began = time.perf_counter()
        await self.client.abort_all()
        await self.process.end()
        await asyncio.gather(self.client.close(), self.http.close())
        return time.perf_counter() - began


class Servers:
    """One server at a time."""

    def __init__(self, bench: Bench) -> None:
        self.ended: dict[Want, float] = {}
        self._bench = bench
        self._now: Served | None = None

    async def of(self, want: Want) -> Served:
        """The server that is wanted: the one that runs, or a new one after that has ended.

        Raises:
            EngineError: It does not start; its log says more.
        """
        if self._now is None or self._now.want != want or self._now.process.lost:
            await self.close()
            self._now = await self._started(want)
        return self._now

    async def base(self, weights: Path) -> LocalBase:
        """What is known of a base here."""
        return await asyncio.to_thread(load_base, str(weights), self._bench.context)

    async def close(self) -> None:
        """Ends the server that runs; how long that took is kept."""
        served, self._now = self._now, None
        if served is not None:
            self.ended[served.want] = await served.end()

    async def _started(self, want: Want) -> Served:
        base = await self.base(want.weights)
        free, began = await free_gpu_bytes(), time.perf_counter()
        if free is None:
            raise EngineError("the driver does not say how much GPU memory is free; is there a GPU?")
        launch = self._launch(want, base, free)
        log = ServerLog(self._bench.folder / "logs" / f"{launch.name}.log", secret=launch.key, wanted="TurboMind")
        process = ServerProcess(_command(launch, want), log)
        address = f"http://127.0.0.1:{launch.port}"
        client, http = LmdeployClient(address, key=launch.key), HttpClient(address, key=launch.key)
        try:
            await process.start()
            async with asyncio.timeout(self._bench.start):
                await _until_healthy(client, process, log)
        except BaseException as error:
            await process.end()
            await asyncio.gather(client.close(), http.close())
            if isinstance(error, TimeoutError):
                raise EngineError(f"not ready within {self._bench.start:.0f} s{log.last_words()}") from None
            raise
        held = free - (await free_gpu_bytes() or free)
        start = time.perf_counter() - began
        asker = Asker(http, launch.name)
        return Served(
            want=want, base=base, asker=asker, start=start, held=held, client=client, http=http, process=process
        )

    def _launch(self, want: Want, base: LocalBase, free: int) -> Launch:
        return Launch(
            command=self._bench.command,
            base=str(base.folder),
            name=f"bench-{secrets.token_hex(4)}",
            port=_free_port(),
            key=secrets.token_hex(16),
            context=base.context,
            cache_share=cache_share(self._bench.cache, free, base.weights),
            dtype=want.dtype,
            batch=max(self._bench.streams),
        )


def _command(launch: Launch, want: Want) -> tuple[str, ...]:
    return tuple(arg for arg in command_line(launch) if want.caching or arg != CACHING)


async def _until_healthy(client: LmdeployClient, process: ServerProcess, log: ServerLog) -> None:
    while await client.health() != "healthy":
        if process.ended.is_set():
            raise process.loss()
        await asyncio.sleep(POLL)
    if log.fell_back:
        raise EngineError(f"this is not TurboMind: {log.fell_back}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
