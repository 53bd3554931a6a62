"""A websocket server that does what the test says: it speaks frames.py and decides nothing itself."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from websockets.asyncio.server import ServerConnection, serve, unix_serve

from chatroom.frames import (
    SUBPROTOCOL,
    AnyClientFrame,
    DurableFrame,
    Limits,
    RoomState,
    Seated,
    ServerFrame,
    Snap,
    Welcome,
    decode_client,
    encode,
)
from chatroom.messages import Speaker

Frame = TypeVar("Frame", bound=AnyClientFrame)

ANN = Speaker(id="~ann", name="Ann", kind="person")
BEN = Speaker(id="~ben", name="Ben", kind="person")
MARA = Speaker(id="mara", name="Mara Vell", kind="role")
ROSTER = (Seated(who=MARA), Seated(who=ANN))


def welcome(
    *events: DurableFrame,
    epoch: str = "e",
    head: int | None = None,
    recovered: bool = False,
    more: bool = False,
    busy: bool = False,
    running: tuple[Snap, ...] = (),
    roster: tuple[Seated, ...] = ROSTER,
) -> Welcome:
    state = RoomState(
        room="r",
        name="The room",
        premise="",
        epoch=epoch,
        head=head if head is not None else max((event.seq for event in events), default=0),
        roster=roster,
        recovered=recovered,
        events=events,
        more=more,
        busy=busy,
        running=running,
    )
    return Welcome(you=ANN, session="s", server="v", limits=Limits(), rooms=(state,))


class Peer:
    """One connection, seen from the server."""

    def __init__(self, socket: ServerConnection) -> None:
        self._socket = socket

    async def receive(self, kind: type[Frame]) -> Frame:
        async with asyncio.timeout(60):
            frame = decode_client(await self._socket.recv())
        assert isinstance(frame, kind), frame
        return frame

    async def send(self, *frames: ServerFrame) -> None:
        for frame in frames:
            await self._socket.send(encode(frame), text=True)

    async def send_raw(self, text: str) -> None:
        await self._socket.send(text)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self._socket.close(code, reason)

    def cut(self) -> None:
        """As if the cable were pulled."""
        self._socket.transport.abort()


class ScriptedServer:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._peers: asyncio.Queue[Peer] = asyncio.Queue()

    async def peer(self) -> Peer:
        """The next connection that comes."""
        async with asyncio.timeout(60):
            return await self._peers.get()

    async def serve(self, socket: ServerConnection) -> None:
        self._peers.put_nowait(Peer(socket))
        await socket.wait_closed()


@asynccontextmanager
async def serving(path: Path) -> AsyncIterator[ScriptedServer]:
    """A server on a Unix socket."""
    server = ScriptedServer(path)
    async with unix_serve(server.serve, str(path), subprotocols=[SUBPROTOCOL], close_timeout=1):
        yield server


@asynccontextmanager
async def serving_port(path: Path) -> AsyncIterator[tuple[ScriptedServer, str]]:
    """A server on a free port of the loopback interface, and its address."""
    server = ScriptedServer(path)
    async with serve(server.serve, "127.0.0.1", 0, subprotocols=[SUBPROTOCOL], close_timeout=1) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        yield server, f"ws://127.0.0.1:{port}/"


class GateClock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self._ticks: asyncio.Queue[None] = asyncio.Queue()

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        await self._ticks.get()

    def tick(self) -> None:
        self._ticks.put_nowait(None)


async def until(reached: Callable[[], bool]) -> None:
    """Lets everything run until a condition holds; ends a wait in vain after ten seconds."""
    async with asyncio.timeout(60):
        while not reached():
            await asyncio.sleep(0)
