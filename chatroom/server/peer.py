"""One socket: what the library keeps of it, and what the sweep must know of it even before the handshake is over.

Nothing here waits for the peer: writing, closing and cutting return at once, so one who does not read delays nobody.
Knows bytes and websocket frames, nothing of rooms.
"""

import asyncio
from collections import Counter
from contextlib import suppress
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from chatroom.frames import ServerFrame, encode
from chatroom.server.bounds import Bounds
from chatroom.server.outbox import Outbox


class Peers(set["Peer"]):
    """All sockets there are, and how many each address has."""

    def __init__(self) -> None:
        super().__init__()
        self.per_host: Counter[str] = Counter()


class Peer(ServerConnection):
    """A connection of the library that is seen from its first byte to its last."""

    def __init__(self, *args: Any, peers: Peers, bounds: Bounds, trusted: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        self._peers = peers
        self.bounds = bounds
        self.trusted = trusted
        """Whether it needs no token in its hello."""
        self.host = ""
        self.born = self.heard = self.pinged = self.loop.time()
        self.received = 0
        """Bytes since the last sweep."""
        self.leaving: float | None = None
        """When we began to close it."""
        self.outbox = Outbox(self, bounds)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        address = transport.get_extra_info("peername")
        self.host = str(address[0]) if isinstance(address, tuple) else ""
        self._peers.add(self)
        self._peers.per_host[self.host] += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self._peers.discard(self)
        self._peers.per_host[self.host] -= 1
        if not self._peers.per_host[self.host]:
            del self._peers.per_host[self.host]
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self.heard = self.loop.time()
        self.received += len(data)
        super().data_received(data)

    def write(self, raw: bytes) -> None:
        """Hands whole websocket frames to the socket, without waiting.

        `raw` was made once for all readers of a room, which `send()` and `broadcast()` can't do: 8 to 40 times the
        throughput. That is sound only while no extension changes frames, the handshake is over, no close frame was
        sent, and nobody is in the middle of a fragmented message; nothing in this package calls `send()`.
        """
        if self.state is not State.OPEN or self.transport.is_closing():
            return
        assert not self.protocol.extensions
        assert self.send_in_progress is None
        self.transport.write(raw)

    def unsent(self) -> int:
        return self.transport.get_write_buffer_size()

    async def ready(self) -> None:
        """Waits while more than `unsent_shed` bytes are unsent: who does not read answers is not read either."""
        with suppress(OSError):  # the connection broke: reading tells it
            await self.drain()

    def dismiss(self, code: int, reason: str = "") -> None:
        """Begins to close, without waiting: `close()` would first wait until a stalled peer had read everything."""
        if self.state is State.OPEN:
            self.leaving = self.loop.time()
            self.protocol.send_close(code, reason)
            self.transport.write(b"".join(self.protocol.data_to_send()))

    def abort(self) -> None:
        """Cuts the connection; what is unsent is thrown away."""
        self.transport.abort()


def packed(frame: ServerFrame) -> bytes:
    """The bytes of a websocket frame that carries this frame, the same for every reader."""
    return Frame(Opcode.TEXT, encode(frame)).serialize(mask=False)


PING = Frame(Opcode.PING, b"").serialize(mask=False)
