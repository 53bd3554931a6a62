"""Commits a room's events, folds them into the room and tells those who may see them, always in the log's order.

Several commits may be under way at once (the log groups them); what comes back out of turn waits for its turn. A
whisper is no gap: every frame carries the seq of the last event before it that its reader may see.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable

import msgspec

from chatroom.frames import ServerFrame, durable
from chatroom.history.base import EVERYTHING, Appended, History
from chatroom.messages import AnyEvent, Audience, Entry
from chatroom.room import Room

PAGE = 1000
"""Entries read at a time while opening."""


class Journal:
    """The log of one room, as the running server writes it.

    Args:
        id: The room's.
        publish: Hands a frame to the persons with these ids; None: to all in the room.
        online: Gives the ids of the persons in the room.
    """

    def __init__(
        self,
        id: str,
        room: Room,
        history: History,
        *,
        publish: Callable[[ServerFrame, Audience | None], None],
        online: Callable[[], Iterable[str]],
    ) -> None:
        self.epoch = ""
        self._id, self._room, self._history = id, room, history
        self._publish, self._online = publish, online
        self._public = 0
        self._private: dict[str, int] = {}
        self._early: dict[int, Entry] = {}
        self._writing: set[asyncio.Task[Appended]] = set()

    async def open(self) -> None:
        """Opens the log and folds what is in it."""
        self.epoch, head = await self._history.open_room(self._id)
        while self._room.head < head:
            for entry in await self._history.view(self._id, EVERYTHING, after=self._room.head, limit=PAGE):
                self._fold(entry)

    async def commit(self, event: AnyEvent, *, sender: str = "", cid: str = "") -> Appended:
        """Appends an event; returns once it is durable. It is finished even if the caller is cancelled."""
        task = asyncio.create_task(self._append(event, sender, cid))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Waits for what is being written."""
        await asyncio.gather(*self._writing, return_exceptions=True)

    def last_seen(self, reader: str) -> int:
        """Seq of the last event that this reader may see."""
        return max(self._public, self._private.get(reader, 0))

    async def _append(self, event: AnyEvent, sender: str, cid: str) -> Appended:
        appended = await self._history.append(self._id, event, sender=sender, cid=cid)
        if not appended.dup:
            self._early[appended.entry.seq] = appended.entry
        while (entry := self._early.pop(self._room.head + 1, None)) is not None:
            frames = self._frames(entry)
            self._fold(entry)
            for frame, readers in frames:
                self._publish(frame, readers)
        return appended

    def _frames(self, entry: Entry) -> list[tuple[ServerFrame, Audience | None]]:
        """The frame of an event for each group of readers that saw the same event before it."""
        online, audience = set(self._online()), entry.event.audience
        groups: dict[int, set[str]] = defaultdict(set)
        for reader in online if audience is None else online & audience:
            groups[self.last_seen(reader)].add(reader)
        if not groups:
            groups[self._public] = set()  # nobody reads it, but the server must know that a turn is over
        return [
            (durable(self._id, msgspec.structs.replace(entry, prev=prev)), frozenset(readers))
            for prev, readers in groups.items()
        ]

    def _fold(self, entry: Entry) -> None:
        self._room.fold(entry)
        if entry.event.audience is None:
            self._public = entry.seq
        for reader in entry.event.audience or ():
            self._private[reader] = entry.seq
