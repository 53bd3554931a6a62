"""What a role is reminded of before it speaks in a room: its pages, what was said long ago, how it talks.

Chooses the lines that the search starts from, and hands the lines that prompts no longer hold to the room's long
memory. Finds nothing itself: the librarian does, in a process of its own; without one nobody is reminded of anything.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from chatroom.addressing import addressed
from chatroom.errors import HistoryError
from chatroom.history.base import EVERYTHING, History
from chatroom.librarian import Ask, Librarian, Lore, Reader, Said, Span
from chatroom.messages import Audience, Message, Recalled, SeatedRole
from chatroom.roles import Role
from chatroom.rooms import RoomFile
from chatroom.transcript import Transcript

MOMENT = 4
"""How many of the latest lines say what the moment is about."""
PAGE = 100
"""Entries of the log read at a time for the long memory."""
PATIENCE = 5.0
"""Seconds that a turn waits for the long memory to take in what it has not; it goes on doing so afterwards."""


class Recalling:
    """The reminders of one room.

    Args:
        file: The room as its file describes it.
        history: Where the log lives.
        librarian: Who searches; None reminds nobody of anything.
    """

    def __init__(self, file: RoomFile, history: History, librarian: Librarian | None) -> None:
        self._epoch = ""
        self._file, self._room, self._history, self._librarian = file, file.id, history, librarian
        self._kept = 0
        self._keeping: asyncio.Task[None] | None = None

    def open(self, epoch: str) -> None:
        """Names the log that the long memory must be of."""
        self._epoch = epoch

    def prepare(self, role: Role) -> None:
        """Sees that what a role knows can be searched when it speaks."""
        if self._librarian is not None:
            self._librarian.prepare(self._reader(role))

    async def recall(
        self, role: Role, audience: Audience | None, heard: Sequence[Message], after: int, passed: int
    ) -> Recalled:
        """Finds what a role is reminded of.

        Args:
            role: Whose turn it is.
            audience: Who will hear its answer: a whisper reminds nobody of anything in public.
            heard: What the role heard, oldest first.
            after: Seq after which it heard; 0 for all.
            passed: Last seq that its prompt no longer holds; 0 if it holds all.
        """
        moment = tuple(Said(name=m.author.name, text=m.text) for m in _moment(role, audience, heard))
        if self._librarian is None or not moment:
            return Recalled()
        if role.memory and passed > after:
            await self._keep(passed)
        memory = Span(room=self._room, epoch=self._epoch, after=after, up_to=passed)
        return await self._librarian.recall(self._reader(role), Ask(lines=moment, memory=memory))

    async def close(self) -> None:
        """Lets go of the long memory."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)

    def _reader(self, role: Role) -> Reader:
        return Reader.of(role, Lore.of(self._file))

    async def _keep(self, passed: int) -> None:
        """Sees that the long memory holds everything up to `passed`; one that lags behind holds nobody up for long."""
        if self._keeping is None or self._keeping.done():
            if passed <= self._kept:
                return
            self._keeping = asyncio.create_task(self._hand_over(passed))
        await asyncio.wait([self._keeping], timeout=PATIENCE)

    async def _hand_over(self, passed: int) -> None:
        """Hands over the messages that the memory has not, page by page.

        The newest message of a page is left for the next: only the newest one can still be retried.
        """
        assert self._librarian
        transcript, taken = Transcript(), await self._librarian.remember(self._room, self._epoch, ())
        transcript.seq = taken or 0
        with suppress(HistoryError):  # the turn itself will say so
            while taken is not None and transcript.seq < passed:
                entries = await self._history.view(self._room, EVERYTHING, after=transcript.seq, limit=PAGE)
                transcript.extend(entries, entries[-1].seq)
                lines = [m for m in transcript.messages[:-1] if taken < m.seq <= passed and m.text]
                over = transcript.seq >= passed
                taken = await self._librarian.remember(self._room, self._epoch, lines, final=over)
            self._kept = passed if taken is not None else self._kept


def _moment(role: Role, audience: Audience | None, heard: Sequence[Message]) -> Sequence[Message]:
    """The lines up to the one that is answered: a person's, or another role's that speaks to this one.

    What other roles have answered meanwhile is not what the moment is about, or the second one asked would search for
    the first one's "Let me think".
    """
    said = [message for message in heard if _open_to(audience, message) and not message.notice]
    me = SeatedRole(id=role.id, name=role.name, aliases=role.aliases)

    def answered(message: Message) -> bool:
        if message.author.kind == "person":
            return message.audience == audience
        return message.author.id != role.id and bool(addressed(message.text, [me]))

    last = next((at for at in range(len(said) - 1, -1, -1) if answered(said[at])), len(said) - 1)
    return said[max(0, last + 1 - MOMENT) : last + 1]


def _open_to(audience: Audience | None, message: Message) -> bool:
    """Whether everybody who hears the answer heard this message."""
    return message.audience is None or (audience is not None and audience <= message.audience)
