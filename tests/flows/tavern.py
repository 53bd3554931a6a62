"""For tests of the server: a tavern whose log is a list, guests that read only when asked, and a house for both."""

import asyncio
import base64
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from websockets.asyncio.client import ClientConnection, connect, unix_connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from chatroom.errors import HistoryError, RefusedError
from chatroom.frames import (
    SUBPROTOCOL,
    AnyServerFrame,
    ClientFrame,
    Hello,
    History,
    Ok,
    PostedFrame,
    RoomState,
    Say,
    Seat,
    ServerFrame,
    Typing,
    TypingFrame,
    Welcome,
    decode_server,
    encode,
)
from chatroom.messages import Audience, Speaker
from chatroom.server import Bounds, Broadcast, Server

MARA = Speaker(id="mara", name="Mara Vell", kind="role")
PATIENCE = 20
"""Seconds after which a test that waits in vain fails."""

F = TypeVar("F", bound=ServerFrame)


class Tavern:
    """A room manager without roles: keeps what is said in a list per room, publishes it, and remembers who is there."""

    rooms = ("tavern", "attic")

    def __init__(self, publish: Callable[[str, ServerFrame, Audience | None], None]) -> None:
        self.publish = publish
        self.log: dict[str, list[PostedFrame]] = {room: [] for room in self.rooms}
        self.present: list[str] = []
        self.changed = asyncio.Event()
        """Set when somebody came or left."""
        self.may_enter = asyncio.Event()
        self.may_enter.set()

    def admit(self, name: str) -> Speaker:
        if not name.isalpha():
            raise RefusedError("bad_name", "a name has letters only")
        return Speaker(id=f"~{name.lower()}", name=name, kind="person")

    async def enter(self, seat: Seat, person: Speaker, subscribe: Callable[[], None]) -> RoomState:
        if seat.room not in self.rooms:
            raise RefusedError("no_room", "there is no such room")
        subscribe()
        events = tuple(event for event in self.log[seat.room][seat.seq :] if may_see(event, person))
        self.present.append(person.id)
        self.changed.set()
        await self.may_enter.wait()
        return RoomState(
            room=seat.room,
            name=seat.room,
            premise="",
            epoch="e1",
            head=len(self.log[seat.room]),
            roster=(),
            recovered=seat.seq > 0,
            events=events,
            more=False,
            busy=False,
        )

    def leave(self, room: str, person: Speaker) -> None:
        self.present.remove(person.id)
        self.changed.set()

    async def receive(self, frame: ClientFrame, person: Speaker) -> Ok | None:
        match frame:
            case Say() if frame.text.startswith("crash"):
                raise ZeroDivisionError(frame.text)
            case Say(text="disk full"):
                raise HistoryError("the room log can't be written: disk full")
            case Say():
                posted = self.post(frame.room, person, frame.text)
                return Ok(cid=frame.cid, seq=posted.seq, id=posted.id)
            case History():
                events = tuple(event for event in self.log[frame.room] if may_see(event, person))
                return Ok(cid=frame.cid, events=events)
            case Typing():
                self.publish(frame.room, TypingFrame(room=frame.room, who=person), None)
        return None

    def post(self, room: str, author: Speaker, text: str, audience: Audience | None = None) -> PostedFrame:
        seq = len(self.log[room]) + 1
        posted = PostedFrame(
            room=room, seq=seq, prev=seq - 1, at=1.0, id=f"m{seq}", author=author, text=text, audience=audience
        )
        self.log[room].append(posted)
        self.publish(room, posted, audience)
        return posted


def may_see(event: PostedFrame, person: Speaker) -> bool:
    return event.audience is None or person.id in event.audience


class Guest:
    """A client that says hello and reads frames one by one, and only when asked."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def hello(self, name: str, **fields: Any) -> Welcome:
        await self.send(Hello(name=name, **fields))
        return await self.next(Welcome)

    async def send(self, frame: ClientFrame) -> None:
        await self.socket.send(encode(frame).decode())

    async def say(self, text: str, cid: str = "c1", room: str = "tavern") -> None:
        await self.send(Say(cid=cid, room=room, text=text))

    async def read(self) -> AnyServerFrame:
        frame = decode_server(await soon(self.socket.recv()))
        assert frame is not None
        return frame

    async def next(self, kind: type[F]) -> F:
        """The next frame of a kind; those before it are skipped."""
        while not isinstance(frame := await self.read(), kind):
            pass
        return frame

    async def closed(self) -> int | None:
        """Reads to the end and tells the close code; None if the connection was cut without one."""
        try:
            while True:
                await soon(self.socket.recv())
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else None


T = TypeVar("T")


async def soon(awaitable: Awaitable[T]) -> T:
    return await asyncio.wait_for(awaitable, PATIENCE)


class House:
    """A server with its tavern, and the clients that came to it."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "room.sock"
        self.server: Server
        self.tavern: Tavern
        self._open: list[ClientConnection] = []
        self._servers: list[Server] = []

    async def serve(self, *, bounds: Bounds | None = None, **options: Any) -> None:
        broadcast = Broadcast(bounds)
        self.tavern = Tavern(broadcast.publish)
        self.server = Server(self.tavern, broadcast, bounds=bounds, socket_file=self.file, **options)
        await self.server.start()
        self._servers.append(self.server)

    async def guest(self, name: str = "", **options: Any) -> Guest:
        """Connects by TCP; with a name, also says hello."""
        url = f"ws://127.0.0.1:{self.server.port}"
        socket = await connect(url, **self._options(options))
        return await self._greeted(socket, name)

    async def neighbour(self, name: str = "", **options: Any) -> Guest:
        """Connects by the Unix socket, whose buffers are small and do not grow."""
        return await self._greeted(await unix_connect(str(self.file), **self._options(options)), name)

    async def raw(self, **headers: str) -> tuple[str, asyncio.StreamReader, asyncio.StreamWriter]:
        """Asks for an upgrade by hand: the status line, and the connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        fields = {
            "Host": f"127.0.0.1:{self.server.port}",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Protocol": SUBPROTOCOL,
        } | {name.replace("_", "-"): value for name, value in headers.items()}
        lines = ["GET / HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items() if value), "", ""]
        writer.write("\r\n".join(lines).encode())
        answer = (await soon(reader.readuntil(b"\r\n\r\n"))).decode()
        return answer.splitlines()[0].split(" ", 2)[1], reader, writer

    async def status(self, **headers: str) -> str:
        status, _, writer = await self.raw(**headers)
        writer.close()
        return status

    async def until_present(self, *persons: str) -> None:
        """Waits until exactly these are there."""
        while sorted(self.tavern.present) != sorted(persons):
            self.tavern.changed.clear()
            await soon(self.tavern.changed.wait())

    async def close(self) -> None:
        for socket in self._open:
            socket.transport.abort()
        for server in self._servers:
            await server.close()

    async def _greeted(self, socket: ClientConnection, name: str) -> Guest:
        self._open.append(socket)
        guest = Guest(socket)
        if name:
            await guest.hello(name)
        return guest

    def _options(self, options: dict[str, Any]) -> dict[str, Any]:
        return {"subprotocols": [SUBPROTOCOL], "compression": None, "ping_interval": None} | options


@asynccontextmanager
async def visited(folder: Path) -> AsyncIterator[House]:
    """A house that is closed in the end, whatever happened."""
    house = House(folder)
    try:
        yield house
    finally:
        await house.close()


def masked(opcode: Opcode, data: bytes) -> bytes:
    return Frame(opcode, data).serialize(mask=True)
