"""The librarian as the server sees it: asks go out, reminders come back, and nothing that goes wrong stops a turn.

An index that is missing or older than its documents is built in the background, in a process that gives way to
others; until it is there, the role goes without. What can't be found, for whatever reason, is said in the log.
"""

import asyncio
import logging
from collections.abc import Iterable
from functools import partial
from time import monotonic

from chatroom.librarian.asking import Ask, Line, Reader, Setup
from chatroom.librarian.desk import Desk
from chatroom.librarian.workplace import Workplace
from chatroom.messages import Message, Recalled

log = logging.getLogger(__name__)

PATIENCE = 10.0
"""Seconds that a turn waits to be reminded: the first one may have to wait for a model to load."""
SOON = 2.0
"""Seconds that a turn waits for an index that is being built: enough for an edited page, not for a new wiki."""
HUNG = 180.0
"""Seconds after which a search that has not answered never will; its process is replaced."""
AGAIN = 60.0
"""Seconds after which a build that failed is tried once more."""


class Librarian:
    """Reminds the roles of all rooms.

    Args:
        setup: Where indexes lie and what searches them.
        patience: Seconds that a turn waits for a search.
        soon: Seconds that it waits before that for an index to be built.
    """

    def __init__(self, setup: Setup, *, patience: float = PATIENCE, soon: float = SOON) -> None:
        self._patience, self._soon = patience, soon
        make = partial(Desk, setup)
        self._desk = Workplace(make, threads=1)  # more would fight with the engine's for a question of ten words
        self._bindery = Workplace(make, niceness=10)
        self._building: dict[str, asyncio.Task[None]] = {}
        self._seen: dict[str, str] = {}
        self._failed: dict[str, float] = {}
        self._binding = 0

    async def recall(self, reader: Reader, ask: Ask) -> Recalled:
        """Finds what a role is reminded of; nothing, where it can't be found in time."""
        key = self.prepare(reader)
        await asyncio.wait([self._building[key]], timeout=self._soon)
        if not self._answers():
            return Recalled()
        try:
            async with asyncio.timeout(self._patience):
                found = await self._desk.run(Desk.recall, reader, ask)
        except Exception as error:  # whatever breaks in a search, the turn goes on
            log.warning("%s is reminded of nothing: %s", reader.id, str(error) or "the search is not ready")
            return Recalled()
        if not found.complete and self._building[key].done():
            self._seen.pop(key, None)  # something was taken away or damaged since: look again at the next turn
        return found.recalled

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

    def prepare(self, reader: Reader) -> str:
        """Sees that a role's indexes are there and up to date, in the background; gives the key of that task. Asked
        again, it only looks whether a folder has changed since."""
        key = f"{reader.id} in {reader.lore.room}" if reader.lore else reader.id
        failed = self._failed.get(key)
        if self._seen.get(key) != reader.state or (failed is not None and monotonic() >= failed + AGAIN):
            self._seen[key] = reader.state
            self._failed.pop(key, None)
            self._building[key] = asyncio.create_task(self._build(reader, key, self._building.get(key)))
        return key

    async def close(self) -> None:
        """Ends both processes; what is being built goes on from there the next time."""
        self._desk.close()
        self._bindery.close()
        for task in self._building.values():
            task.cancel()
        await asyncio.gather(*self._building.values(), return_exceptions=True)

    async def _build(self, reader: Reader, key: str, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await before
        try:
            if not await self._desk.run(Desk.is_ready, reader):
                await self._bind(reader)
            await self._desk.run(Desk.warm)
        except Exception as error:  # a role that knows nothing can still talk
            self._failed[key] = monotonic()
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

    def _answers(self) -> bool:
        """Whether the search answers at all: while it does not, no turn waits for it; one that hangs is replaced."""
        silent = self._desk.silent_for
        if silent > HUNG:
            log.warning("the search has not answered for %d s: it is started anew", silent)
            self._desk.close()
        return silent <= self._patience
