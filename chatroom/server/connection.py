"""One client from hello to goodbye: reads its frames, hands them to the room manager, answers, and says what was wrong.

Knows frames and the manager's interface. It writes through the outbox only and never waits for a slow reader except by
not reading on. Whatever goes wrong in one connection ends that connection, and nothing else.
"""

import logging
import secrets
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn, Protocol

from websockets.exceptions import ConnectionClosed

from chatroom import __version__
from chatroom.errors import ChatroomError, FrameError, RefusedError
from chatroom.frames import (
    AnyClientFrame,
    ClientFrame,
    Error,
    Hello,
    Limits,
    Ok,
    RoomState,
    Seat,
    Typing,
    Welcome,
    decode_client,
)
from chatroom.messages import Speaker
from chatroom.server.bounds import Bounds
from chatroom.server.broadcast import Broadcast
from chatroom.server.gate import Gate
from chatroom.server.peer import Peer, packed
from chatroom.server.rates import Rates

log = logging.getLogger(__name__)


class Manager(Protocol):
    """What the server asks of chatroom/room_manager.py, where each of these is explained."""

    @property
    def rooms(self) -> tuple[str, ...]: ...
    def admit(self, name: str) -> Speaker: ...
    async def enter(self, seat: Seat, person: Speaker, subscribe: Callable[[], None]) -> RoomState: ...
    def leave(self, room: str, person: Speaker) -> None: ...
    async def receive(self, frame: ClientFrame, person: Speaker) -> Ok | None: ...


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What all connections share."""

    manager: Manager
    broadcast: Broadcast
    gate: Gate
    rates: Rates
    bounds: Bounds


class Dismissal(Exception):
    """Ends this connection with a close code; the client has been told why."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Connection:
    """One client's visit; `run` is all of it."""

    def __init__(self, peer: Peer, desk: Desk) -> None:
        self._peer, self._desk = peer, desk
        self._outbox = peer.outbox
        self._person: Speaker | None = None
        self._seats: list[str] = []
        self._unreadable = self._strikes = 0

    async def run(self) -> None:
        """Serves the client until either side ends."""
        try:
            await self._visit()
        except ConnectionClosed:
            pass
        except Dismissal as dismissal:
            self._peer.dismiss(dismissal.code)
        except Exception as error:  # our bug, or a plug-in's: it costs this connection only
            # Where it happened, and not what was said: the text of an error may quote a message or a token.
            where = "".join(traceback.format_tb(error.__traceback__))
            log.error("a connection failed: %s\n%s", type(error).__name__, where)
            self._peer.dismiss(1011)

    async def _visit(self) -> None:
        try:
            person = await self._greet()
            while True:
                await self._serve(await self._receive(), person)
        finally:
            self._leave()

    async def _greet(self) -> Speaker:
        """Reads the hello, seats the person and sends the welcome."""
        hello = await self._receive()
        if not isinstance(hello, Hello):
            self._end(RefusedError("no_hello", "the first frame must be hello"), 4001, getattr(hello, "cid", ""))
        if not (self._peer.trusted or self._desk.gate.knows(hello.token)):
            self._end(RefusedError("token", "the token is missing or wrong"), 4001)
        try:
            person = self._person = self._desk.manager.admit(hello.name)
            self._outbox.reader = person.id
            rooms = [await self._sit(seat, person) for seat in self._wanted(hello)]
        except ChatroomError as error:
            self._end(error, 4003 if isinstance(error, RefusedError) else 1011)
        session, server = secrets.token_hex(8), f"chatroom/{__version__}"
        welcome = Welcome(you=person, session=session, server=server, limits=self._limits(), rooms=tuple(rooms))
        self._outbox.open(packed(welcome))
        return person

    def _limits(self) -> Limits:
        bounds = self._desk.bounds
        return Limits(burst=bounds.burst, per_second=bounds.per_second)

    def _wanted(self, hello: Hello) -> list[Seat]:
        """Each room once; without any, the server's first."""
        seats = hello.rooms or tuple(Seat(room=room) for room in self._desk.manager.rooms[:1])
        return list({seat.room: seat for seat in seats}.values())

    async def _sit(self, seat: Seat, person: Speaker) -> RoomState:
        def subscribe() -> None:
            self._desk.broadcast.join(seat.room, self._outbox)

        try:
            state = await self._desk.manager.enter(seat, person, subscribe)
        except BaseException:
            self._desk.broadcast.leave(seat.room, self._outbox)
            raise
        self._seats.append(seat.room)
        return state

    async def _receive(self) -> AnyClientFrame:
        """The next readable frame. A client whose answers pile up is not read until it has taken them."""
        while True:
            await self._peer.ready()
            raw = await self._peer.recv()
            if isinstance(raw, bytes):
                self._end(FrameError("frames are text, not binary"), 1003)
            try:
                frame = decode_client(raw)
                self._unreadable = 0
                return frame
            except FrameError as error:
                self._unreadable += 1
                if self._person is None or self._unreadable >= self._desk.bounds.unreadable:
                    self._end(error, 4002, error.cid)
                self._refuse(error, error.cid)

    async def _serve(self, frame: AnyClientFrame, person: Speaker) -> None:
        cid = getattr(frame, "cid", "")
        try:
            self._check(frame, person)
            answer = await self._desk.manager.receive(frame, person)
        except ChatroomError as error:
            if not isinstance(frame, Typing):  # not worth an answer
                self._refuse(error, cid)
        else:
            if answer is not None:
                self._outbox.answer(packed(answer))

    def _check(self, frame: AnyClientFrame, person: Speaker) -> None:
        """Refuses what is none of the manager's business: too many frames, another hello, a room not sat in."""
        if wait := self._desk.rates.take(person.id, self._peer.loop.time()):
            refusal = RefusedError("rate", "too many messages, wait a moment", retry_ms=wait)
            self._strikes += 1
            if self._strikes >= self._desk.bounds.strikes:
                self._end(refusal, 4008, getattr(frame, "cid", ""))
            raise refusal
        self._strikes = 0
        if isinstance(frame, Hello):
            raise RefusedError("hello_again", "hello is said once")
        if frame.room not in self._seats:
            raise RefusedError("forbidden", "you do not sit in that room")

    def _refuse(self, error: ChatroomError, cid: str, *, fatal: bool = False) -> None:
        path, retry_ms = getattr(error, "path", ""), getattr(error, "retry_ms", 0)
        frame = Error(code=error.code, text=str(error), cid=cid, path=path, retry_ms=retry_ms, fatal=fatal)
        self._outbox.answer(packed(frame))

    def _end(self, error: ChatroomError, code: int, cid: str = "") -> NoReturn:
        self._refuse(error, cid, fatal=True)
        raise Dismissal(code)

    def _leave(self) -> None:
        for room in self._seats:
            self._desk.broadcast.leave(room, self._outbox)
            if self._person is not None:
                self._desk.manager.leave(room, self._person)
