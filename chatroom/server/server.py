"""Puts the parts together: listens on TCP and, where asked, on a Unix socket; ends within seconds.

    server = Server(manager, broadcast, host="127.0.0.1", port=0)
    await server.start(); print(server.port); await server.close()

The manager is given `broadcast.publish` when it is made, so neither needs the other first.
"""

import asyncio
import logging
import os
import random
import socket
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

from websockets.asyncio.server import Server as Listener
from websockets.asyncio.server import ServerConnection, serve
from websockets.protocol import State
from websockets.typing import Subprotocol

from chatroom.errors import SettingsError
from chatroom.frames import MAX_FRAME, SUBPROTOCOL, Bye
from chatroom.server.bounds import Bounds
from chatroom.server.broadcast import Broadcast
from chatroom.server.connection import Connection, Desk, Manager
from chatroom.server.gate import Gate, require_token
from chatroom.server.peer import Peer, Peers, packed
from chatroom.server.rates import Rates
from chatroom.server.sweep import Sweep

# The library logs requests and messages at DEBUG: tokens and what people say must reach no log, whatever its level.
_library_log = logging.getLogger(f"{__name__}.websockets")
_library_log.setLevel(logging.WARNING)


class Server:
    """Serves a manager's rooms.

    Args:
        manager: Carries out what clients ask for.
        broadcast: Where the manager publishes.
        host: Address to listen on; without a token only a loopback one is accepted.
        port: 0 lets the system choose; see `port`.
        token: What clients must know; empty lets in everybody who can connect.
        socket_file: A Unix socket to serve beside TCP, for the user who owns it: no token is asked there.
        origins: Origins of web pages that are let in beside the server's own.
    """

    def __init__(
        self,
        manager: Manager,
        broadcast: Broadcast,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        token: str = "",
        socket_file: Path | None = None,
        origins: Sequence[str] = (),
        bounds: Bounds | None = None,
    ) -> None:
        self._host, self._port, self._token, self._socket_file = host, port, token, socket_file
        self._bounds = bounds or Bounds()
        self._peers = Peers()
        gate = Gate(self._peers, self._bounds, host, origins, token)
        rates = Rates(self._bounds.burst, self._bounds.per_second)
        self._desk = Desk(manager=manager, broadcast=broadcast, gate=gate, rates=rates, bounds=self._bounds)
        self._sweep = Sweep(self._peers, rates, self._bounds)
        self._sweeping: asyncio.Task[None] | None = None
        self._listeners: list[Listener] = []

    @property
    def port(self) -> int:
        """The TCP port it listens on, once started."""
        return self._port

    async def start(self) -> None:
        """Listens. Raises SettingsError where that is unsafe or impossible."""
        require_token(self._host, self._token)
        try:
            await self._listen()
        except OSError as error:
            await self.close()
            raise SettingsError(f"can't listen on {self._host}, port {self._port}: {error}") from error
        self._sweeping = asyncio.create_task(self._sweep.run())

    async def close(self) -> None:
        """Says bye to all and ends, within `bounds.shutdown` even if nobody answers; twice is fine."""
        listeners, self._listeners = self._listeners, []
        self._desk.broadcast.flush()
        for peer in tuple(self._peers):
            self._say_bye(peer)
        for listener in listeners:
            listener.close(close_connections=False)
        await self._wait_or_cut(listeners)
        if self._sweeping is not None:
            self._sweeping.cancel()
        if self._socket_file is not None and listeners:
            self._socket_file.unlink(missing_ok=True)

    async def _listen(self) -> None:
        tcp = await self._serve(trusted=False, host=self._host, port=self._port)
        self._listeners.append(tcp)
        self._port = tcp.sockets[0].getsockname()[1]
        if self._socket_file is not None:
            self._listeners.append(await self._serve(trusted=True, sock=_private_socket(self._socket_file)))

    async def _serve(self, *, trusted: bool, **where: Any) -> Listener:
        peer = partial(Peer, peers=self._peers, bounds=self._bounds, trusted=trusted)
        return await serve(
            self._handle,
            **where,
            process_request=self._inspect,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            create_connection=cast("type[ServerConnection]", peer),  # any maker of one will do, says the library
            compression=None,  # three times the memory, half the throughput, and frames could not be shared
            ping_interval=None,  # see sweep.py
            open_timeout=self._bounds.hello,
            close_timeout=self._bounds.closing,
            max_size=MAX_FRAME,
            write_limit=self._bounds.unsent_shed,
            server_header=None,
            logger=_library_log,
        )

    def _inspect(self, peer: ServerConnection, request: Any) -> Any:
        assert isinstance(peer, Peer)
        return self._desk.gate.inspect(peer, request)

    async def _handle(self, peer: ServerConnection) -> None:
        assert isinstance(peer, Peer)
        await Connection(peer, self._desk).run()

    def _say_bye(self, peer: Peer) -> None:
        if peer.state is not State.OPEN:
            peer.abort()
            return
        # Not all at once: each client waits for another while before it comes back.
        peer.write(packed(Bye(code="restart", retry_ms=random.randint(500, 3000))))
        peer.dismiss(1012)

    async def _wait_or_cut(self, listeners: Sequence[Listener]) -> None:
        """Waits for the connections, cuts those that are left, and leaves behind what even then does not end."""
        ends = [asyncio.ensure_future(listener.wait_closed()) for listener in listeners]
        if not ends:
            return
        await asyncio.wait(ends, timeout=self._bounds.shutdown)
        for peer in tuple(self._peers):
            peer.abort()
        _, stuck = await asyncio.wait(ends, timeout=self._bounds.closing)
        for end in stuck:
            end.cancel()


def _private_socket(file: Path) -> socket.socket:
    """A Unix socket that only its owner may use, from its first moment on; one left by a crash is replaced."""
    if file.is_socket():
        file.unlink()
    listening = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        listening.bind(str(file))
    except OSError:
        listening.close()
        raise
    finally:
        os.umask(before)
    return listening
