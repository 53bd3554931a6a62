"""The contract of a client, and the connection that every client is handed.

A plug-in is a module with `async def run(connection, name) -> int`: it joins as `name`, shows messages in order of seq,
and returns the exit status. The connection dials a server, joins, keeps its place in every room over reconnects, and
never loses a line that was typed while it was away. It knows frames and sockets; it knows no screen.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Protocol

import msgspec
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from chatroom.clients._dial import LostError, MismatchError, dialled
from chatroom.clients._outbox import Outbox, resolve
from chatroom.clients._room_feed import RoomFeed
from chatroom.errors import ChatroomError, FrameError, RefusedError
from chatroom.frames import (
    AnyServerFrame,
    Bye,
    ClientFrame,
    Dismiss,
    Error,
    Hello,
    History,
    Invite,
    Limits,
    Ok,
    Retry,
    Say,
    Stop,
    Welcome,
    decode_server,
    encode,
)

WELCOME_WITHIN = 10.0
BACKOFF = (0.5, 30.0)
"""Seconds before the first new try, and the most between two."""


class Connecting(msgspec.Struct, frozen=True):
    """Dialling, or waiting to be let in."""


class Online(msgspec.Struct, frozen=True):
    """In every room that was asked for."""


class Offline(msgspec.Struct, frozen=True):
    """Not connected; the next try comes in `wait` seconds."""

    reason: str
    wait: float


State = Connecting | Online | Offline
News = AnyServerFrame | State
"""What a client hears: frames in order, and what becomes of the connection."""


class Clock(Protocol):
    async def sleep(self, seconds: float) -> None: ...


class Client(Protocol):
    """What a plug-in module offers."""

    async def run(self, connection: "Connection", name: str) -> int:
        """Joins as `name` and stays until the user or the server ends it; gives the exit status."""
        ...


class WallClock:
    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Connection:
    """A place at a server's tables.

    Args:
        address: `ws://…`, `wss://…`, or the path of a Unix socket.
        token: What the server asks for at the door, if anything.
        rooms: Ids of the rooms to join; the server's first room if there are none.
        client: What this client calls itself, for the server's log.
    """

    def __init__(
        self,
        address: str,
        *,
        token: str = "",
        rooms: Sequence[str] = (),
        client: str = "",
        rng: Random | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.address = address
        self.state: State = Connecting()
        self.limits = Limits()
        self._token, self._client = token, client
        self._rng, self._clock = rng or Random(), clock or WallClock()
        self._feeds = {room: RoomFeed(room) for room in rooms}
        self._socket: ClientConnection | None = None
        self._outbox = Outbox()
        self._asked: dict[str, asyncio.Future[Ok]] = {}
        self._fills: dict[str, RoomFeed] = {}
        self._resend: asyncio.Task[None] | None = None
        self._was_welcome = False
        self._bye_ms = 0
        self._ended: RefusedError | None = None

    @property
    def room(self) -> str:
        """The room that is meant where none is named; empty until the server has let us in."""
        return next(iter(self._feeds), "")

    @property
    def unsent(self) -> tuple[str, ...]:
        """Lines that the server has not acknowledged yet."""
        return self._outbox.texts

    async def listen(self, name: str) -> AsyncGenerator[News, None]:
        """Joins as `name` and yields what comes, reconnecting for as long as it is iterated over.

        Answers are taken in here too: whoever iterates must not wait for `say` or `history` in the same task.

        Raises:
            RefusedError: The server does not let us in, and trying again would not help.
        """
        tries = 0
        try:
            while True:
                yield self._become(Connecting())
                try:
                    async with self._joined(name) as (socket, welcome):
                        tries = 0
                        yield self._become(Online())
                        yield welcome
                        async for frame in self._frames(socket):
                            yield frame
                except LostError as lost:
                    if isinstance(lost, MismatchError) and not self._was_welcome:
                        raise RefusedError("version", str(lost)) from lost
                    offline = Offline(str(lost), self._wait(tries, lost.retry_ms or self._bye_ms))
                tries += 1
                yield self._become(offline)
                await self._clock.sleep(offline.wait)
        except RefusedError as refused:
            self._end(refused)
            raise
        finally:
            self._end(RefusedError("offline", "the client has ended"))

    # --- what a user can do -------------------------------------------------------------------------------------------

    async def say(self, text: str, *, room: str = "") -> Ok:
        """Says a line; while offline it is kept, and said once the server is there again."""
        if self._ended:
            raise self._ended
        answer = self._outbox.add(Say(cid=self._cid(), room=room or self.room or "-", text=text))
        await self._send_next()
        return await answer

    async def stop(self, *, turn: str = "", room: str = "") -> Ok:
        """Ends the running turn."""
        return await self._ask(Stop(cid=self._cid(), room=room or self.room, turn=turn))

    async def retry(self, *, id: str = "", room: str = "") -> Ok:
        """Asks for another reply in place of the last one."""
        return await self._ask(Retry(cid=self._cid(), room=room or self.room, id=id))

    async def invite(self, role: str, *, room: str = "") -> Ok:
        """Seats a role."""
        return await self._ask(Invite(cid=self._cid(), room=room or self.room, role=role))

    async def dismiss(self, role: str, *, room: str = "") -> Ok:
        """Sends a role away."""
        return await self._ask(Dismiss(cid=self._cid(), room=room or self.room, role=role))

    async def history(self, *, before: int, room: str = "", limit: int = 50) -> Ok:
        """Gives the page of events that ends before a seq."""
        page = min(limit, self.limits.page)
        return await self._ask(History(cid=self._cid(), room=room or self.room, before=before, limit=page))

    # --- dialling and joining -----------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _joined(self, name: str) -> AsyncIterator[tuple[ClientConnection, Welcome]]:
        """A socket on which the server has welcomed us."""
        self._bye_ms = 0
        try:
            async with dialled(self.address) as socket:
                welcome = await self._enter(socket, name)
                self._socket = socket
                for feed in self._feeds.values():
                    await self._fill(feed)
                await self._send_next()
                yield socket, welcome
        except FrameError as error:
            raise LostError(str(error)) from error
        finally:
            self._hang_up()

    async def _enter(self, socket: ClientConnection, name: str) -> Welcome:
        seats = tuple(feed.seat for feed in self._feeds.values())
        await socket.send(encode(Hello(name=name, token=self._token, client=self._client, rooms=seats)), text=True)
        async with asyncio.timeout(WELCOME_WITHIN):
            while not isinstance(frame := decode_server(await socket.recv()), Welcome):
                self._check_refusal(frame)
                if isinstance(frame, Error):
                    raise self._refusal(frame)  # no welcome will follow it
        self._was_welcome, self.limits = True, frame.limits
        for state in frame.rooms:
            self._feeds.setdefault(state.room, RoomFeed(state.room)).enter(state)
        return frame

    def _check_refusal(self, frame: AnyServerFrame | None) -> None:
        """Ends or loses the connection where the server says so."""
        if isinstance(frame, Bye):
            self._bye_ms = frame.retry_ms
        if isinstance(frame, Error) and frame.fatal:
            raise self._refusal(frame)

    def _refusal(self, frame: Error) -> ChatroomError:
        # Our own connection that broke may keep the name for a while; the server will notice that it is gone.
        if frame.retry_ms or (frame.code == "name_taken" and self._was_welcome):
            return LostError(frame.text, frame.retry_ms)
        return RefusedError(frame.code, frame.text)

    def _hang_up(self) -> None:
        self._socket = None
        self._outbox.rewind()
        self._fills.clear()
        if self._resend:
            self._resend.cancel()
        while self._asked:
            resolve(self._asked.popitem()[1], RefusedError("offline", "the connection was lost"))

    def _wait(self, tries: int, retry_ms: int) -> float:
        """Doubles up to a limit; the jitter keeps a thousand clients from coming back in the same moment."""
        first, most = BACKOFF
        wait = min(most, first * 2.0 ** min(tries, 16)) * (0.5 + self._rng.random() / 2)
        return max(wait, retry_ms / 1000 * (1 + self._rng.random() / 4))

    def _end(self, error: RefusedError) -> None:
        """Nothing will be sent any more: whoever waits is told so."""
        self._ended = self._ended or error
        self._outbox.give_up(self._ended)

    # --- frames in and out --------------------------------------------------------------------------------------------

    async def _frames(self, socket: ClientConnection) -> AsyncIterator[AnyServerFrame]:
        async for raw in socket:
            frame = decode_server(raw)
            for known in await self._sort(frame) if frame is not None else ():
                yield known
        raise LostError("the server closed the connection")

    async def _sort(self, frame: AnyServerFrame) -> Sequence[AnyServerFrame]:
        """Answers go to those who asked; the rest, put in order, to the listener."""
        if isinstance(frame, Ok):
            return await self._answered(frame.cid, frame)
        self._check_refusal(frame)
        if isinstance(frame, Error) and frame.cid:
            return await self._answered(frame.cid, RefusedError(frame.code, frame.text, retry_ms=frame.retry_ms))
        feed = self._feeds.get(getattr(frame, "room", ""))
        if feed is None:
            return (frame,)
        was_filling, ready = feed.filling, feed.take(frame)
        if feed.filling and not was_filling:
            await self._fill(feed)
        return ready

    async def _answered(self, cid: str, answer: Ok | RefusedError) -> Sequence[AnyServerFrame]:
        if feed := self._fills.pop(cid, None):
            if isinstance(answer, RefusedError) and answer.retry_ms:
                await self._clock.sleep(answer.retry_ms / 1000)  # the gap must be filled before what comes after it
                await self._fill(feed)
                return ()
            ready = feed.fill(answer.events, more=answer.more) if isinstance(answer, Ok) else feed.release()
            await self._fill(feed)
            return ready
        if isinstance(answer, RefusedError) and answer.retry_ms and self._outbox.under_way == cid:
            self._resend = asyncio.create_task(self._send_again(answer.retry_ms / 1000))
        elif self._outbox.settle(cid, answer):
            await self._send_next()
        elif asked := self._asked.pop(cid, None):
            resolve(asked, answer)
        return ()

    async def _fill(self, feed: RoomFeed) -> None:
        if feed.filling:
            cid = self._cid()
            self._fills[cid] = feed
            await self._send(History(cid=cid, room=feed.room, after=feed.seq, limit=self.limits.page))

    async def _send_again(self, wait: float) -> None:
        await self._clock.sleep(wait)
        self._outbox.rewind()
        await self._send_next()

    async def _send_next(self) -> None:
        if self._socket and (say := self._outbox.next()):
            await self._send(say if say.room != "-" else msgspec.structs.replace(say, room=self.room))

    async def _ask(self, frame: Stop | Retry | Invite | Dismiss | History) -> Ok:
        if self._socket is None:
            raise RefusedError("offline", "not connected")
        answer: asyncio.Future[Ok] = asyncio.get_running_loop().create_future()
        self._asked[frame.cid] = answer
        await self._send(frame)
        return await answer

    async def _send(self, frame: ClientFrame) -> None:
        """Sends if there is a connection; if it breaks just now, the listener hears of it and puts things right."""
        try:
            if self._socket:
                await self._socket.send(encode(frame), text=True)
        except ConnectionClosed:
            return

    def _cid(self) -> str:
        return f"{self._rng.getrandbits(96):024x}"

    def _become(self, state: State) -> State:
        self.state = state
        return state
