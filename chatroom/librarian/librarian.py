"""The librarian as the server sees it: asks go out, reminders come back, and nothing that goes wrong stops a turn.

An index that is missing or older than its documents is built in the background, in a process that gives way to
others; until it is there, the role goes without. What can't be found, for whatever reason, is said in the log.
"""

import asyncio
import logging
from collections.abc import Awaitable, Iterable
from functools import partial
from typing import TypeVar

from chatroom.librarian.asking import Ask, Line, Reader, Recalled, Setup
from chatroom.librarian.desk import Desk
from chatroom.librarian.workplace import Workplace
from chatroom.messages import Message
from chatroom.roles import Role

log = logging.getLogger(__name__)

T = TypeVar("T")

PATIENCE = 10.0
"""Seconds that a turn waits to be reminded: the first one may have to wait for a model to load."""


class Librarian:
    """Reminds the roles of all rooms.

    Args:
        setup: Where indexes lie and what searches them.
        patience: Seconds that a turn waits.
    """

    def __init__(self, setup: Setup, *, patience: float = PATIENCE) -> None:
        self._patience = patience
        make = partial(Desk, setup)
        self._desk = Workplace(make, threads=1)  # more would fight with the engine's for a question of ten words
        self._bindery = Workplace(make, niceness=10)
        self._building: dict[str, asyncio.Task[None]] = {}
        self._seen: dict[str, str] = {}
        self._binding = 0

    async def recall(self, role: Role, ask: Ask) -> Recalled:
        """Finds what a role is reminded of; nothing, where it can't be found in time."""
        self.prepare(role)
        found = await self._in_time(self._recall(role, ask), f"{role.id} is reminded of nothing")
        return found or Recalled()

    async def remember(self, room: str, epoch: str, lines: Iterable[Message], *, final: bool = False) -> int | None:
        """Hands lines to a room's long memory; gives the seq up to which it holds them, None if it can't be reached.

        Lines that it does not hold yet are to be handed over again, with what follows; the `final` ones it takes all.
        """
        given = tuple(Line(seq=m.seq, name=m.author.name, text=m.text, audience=m.audience) for m in lines)
        try:
            return await self._desk.run(Desk.remember, room, epoch, given, final=final)
        except Exception as error:  # whatever breaks there, the turn goes on
            log.warning("the long memory of %s takes nothing in: %s", room, error)
        return None

    def prepare(self, role: Role) -> None:
        """Sees that a role's indexes are there and up to date, in the background. Asked again, it only looks whether
        the folder has changed since."""
        if self._seen.get(role.id) == role.fingerprint:
            return
        self._seen[role.id] = role.fingerprint
        before = self._building.get(role.id)
        self._building[role.id] = asyncio.create_task(self._build(_reader(role), before))

    async def close(self) -> None:
        """Ends both processes; what is being built goes on from there the next time."""
        self._desk.close()
        self._bindery.close()
        for task in self._building.values():
            task.cancel()
        await asyncio.gather(*self._building.values(), return_exceptions=True)

    async def _recall(self, role: Role, ask: Ask) -> Recalled:
        await asyncio.shield(self._building[role.id])
        return await self._desk.run(Desk.recall, _reader(role), ask)

    async def _build(self, reader: Reader, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await before
        try:
            if not await self._desk.run(Desk.is_ready, reader):
                await self._bind(reader)
            await self._desk.run(Desk.warm)
        except Exception as error:  # a role that knows nothing can still talk
            log.warning("what %s knows can't be read: %s", reader.id, error)

    async def _bind(self, reader: Reader) -> None:
        """Builds indexes; the process that does so goes when nobody waits for it, for it holds a model of its own."""
        self._binding += 1
        try:
            log.info("reading what %s knows", reader.id)
            log.info("%s", await self._bindery.run(Desk.build, reader))
        finally:
            self._binding -= 1
            if not self._binding:
                self._bindery.close()

    async def _in_time(self, wanted: Awaitable[T], otherwise: str) -> T | None:
        try:
            async with asyncio.timeout(self._patience):
                return await wanted
        except TimeoutError:
            log.warning("%s: the search is not ready", otherwise)
        except Exception as error:  # whatever breaks in a search, the turn goes on
            log.warning("%s: %s", otherwise, error)
        return None


def _reader(role: Role) -> Reader:
    return Reader(
        id=role.id,
        mark=role.fingerprint,
        names=(role.name, *role.aliases),
        folder=role.folder,
        sources=role.sources,
        passages=role.top_k,
        memories=role.memory,
        examples=role.examples,
    )
