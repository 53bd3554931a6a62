"""Opens rooms when somebody comes, keeps them apart, closes them at the end; one conductor task each.

Everything that rooms share is held here: the log, the engines, the cast. Knows no socket: the server hands decoded
frames in and gets frames to send by `publish`.
"""

import asyncio
import re
import unicodedata
from collections.abc import Callable, Mapping
from functools import partial

from chatroom.cast import Cast
from chatroom.engine_pool import EnginePool
from chatroom.errors import FolderError, RefusedError
from chatroom.frames import ClientFrame, Ok, RoomState, Seat, ServerFrame
from chatroom.history.base import History
from chatroom.librarian import Librarian
from chatroom.messages import Audience, Speaker
from chatroom.names import name_fault, name_key
from chatroom.open_room import OpenRoom
from chatroom.rooms import ROOM_ID, RoomFile
from chatroom.speaking import TurnLimits

Publish = Callable[[str, ServerFrame, Audience | None], None]
"""Hands a frame of a room to the server: room id, frame, ids of the persons it is for (None: all who sit there)."""


class RoomManager:
    """All rooms of a server.

    Args:
        files: The rooms to serve, by id; the first is the one meant when a client names none.
        cast: The roles as they are now.
        pool: The engines.
        history: Where the log lives.
        limits: How long a turn may take.
        librarian: Reminds the roles of what they know; None reminds nobody of anything.
        find: Reads a room that was made since; without it only `files` are served.
    """

    def __init__(
        self,
        files: Mapping[str, RoomFile],
        cast: Cast,
        pool: EnginePool,
        history: History,
        limits: TurnLimits,
        *,
        librarian: Librarian | None = None,
        find: Callable[[str], RoomFile] | None = None,
    ) -> None:
        self.publish: Publish = lambda room, frame, audience: None
        """Set by the server before anybody enters."""
        self._files, self._find = dict(files), find
        self._cast, self._pool, self._history, self._limits = cast, pool, history, limits
        self._librarian = librarian
        self._open: dict[str, asyncio.Task[OpenRoom]] = {}

    @property
    def rooms(self) -> tuple[str, ...]:
        """Ids of the rooms; the first is the one meant when a client names none."""
        return tuple(self._files)

    def admit(self, name: str) -> Speaker:
        """Checks a person's name and makes the speaker of it.

        Raises:
            RefusedError: `bad_name`, or `name_taken` by a role.
        """
        name = re.sub(" +", " ", unicodedata.normalize("NFC", name)).strip()
        if fault := name_fault(name):
            raise RefusedError("bad_name", f"the name {fault}")
        if name_key(name) in {name_key(taken) for taken in self._cast.names()}:
            raise RefusedError("name_taken", f"{name} is the name of a character here; take another one")
        return Speaker(id=f"~{name_key(name)}", name=name, kind="person")

    async def enter(self, seat: Seat, person: Speaker, subscribe: Callable[[], None]) -> RoomState:
        """Sits a person down. `subscribe` is called in the very step in which the state is taken, so that what the
        state lacks is exactly what is published from then on.

        Raises:
            RefusedError: `no_room`.
        """
        return await (await self.open(seat.room)).enter(seat, person, subscribe)

    def leave(self, room: str, person: Speaker) -> None:
        """One connection of this person to the room is gone."""
        if (opening := self._open.get(room)) and opening.done() and not opening.exception():
            opening.result().leave(person)

    async def receive(self, frame: ClientFrame, person: Speaker) -> Ok | None:
        """Carries out a frame that names a room; returns only after what it acknowledges is durable.

        Raises:
            RefusedError: With a stable code.
        """
        return await (await self.open(getattr(frame, "room", ""))).receive(frame, person)

    async def open(self, id: str) -> OpenRoom:
        """Gives a room, opened when it is first asked for.

        Raises:
            RefusedError: `no_room`.
            HistoryError: Its log can't be read; the next one who asks tries again.
        """
        if id not in self._files:
            self._files[id] = self._found(id)
        opening = self._open.get(id)
        if opening is None or (opening.done() and (opening.cancelled() or opening.exception())):
            opening = self._open[id] = asyncio.create_task(self._opened(id))
        return await asyncio.shield(opening)

    async def hush(self) -> None:
        """Ends all turns as interrupted, what was said is kept, while those who listen can still be told."""
        opened = await asyncio.gather(*self._open.values(), return_exceptions=True)
        await asyncio.gather(*(room.close() for room in opened if isinstance(room, OpenRoom)))

    async def close(self) -> None:
        """Closes rooms, engines and the log; twice is fine."""
        await self.hush()
        await self._pool.close()
        if self._librarian is not None:
            await self._librarian.close()
        await self._history.close()

    def _found(self, id: str) -> RoomFile:
        if self._find is None or not ROOM_ID.fullmatch(id):
            raise RefusedError("no_room", f"there is no room {id!r} here; there are: {', '.join(self.rooms)}")
        try:
            return self._find(id)
        except FolderError as fault:
            raise RefusedError("no_room", f"there is no room {id!r} here: {fault}") from None

    async def _opened(self, id: str) -> OpenRoom:
        publish = partial(self._publish, id)
        files, parts = self._files, (self._cast, self._pool, self._history, self._limits, publish, self._librarian)
        room = OpenRoom(files[id], *parts)
        await room.open()
        return room

    def _publish(self, room: str, frame: ServerFrame, audience: Audience | None) -> None:
        self.publish(room, frame, audience)
