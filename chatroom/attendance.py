"""Which persons are in a room just now; tells changes of the roster at most once a second, however many come and go."""

import asyncio
from collections import Counter
from collections.abc import Callable

from chatroom.messages import Speaker

QUIET_SECONDS = 1.0
"""Between two tellings."""


class Attendance:
    """Counts connections per person.

    Args:
        tell: Publishes the roster, if it is another one than before.
    """

    def __init__(self, tell: Callable[[], None]) -> None:
        self._tell = tell
        self._connections: Counter[str] = Counter()
        self._persons: dict[str, Speaker] = {}
        self._due: asyncio.TimerHandle | None = None
        self._told = float("-inf")

    @property
    def persons(self) -> list[Speaker]:
        """Who is here, in the order in which they came."""
        return list(self._persons.values())

    def __contains__(self, id: str) -> bool:
        return id in self._persons

    def come(self, person: Speaker) -> None:
        """One more connection of this person."""
        self._connections[person.id] += 1
        if person.id not in self._persons:
            self._persons[person.id] = person
            self.changed()

    def go(self, person: Speaker) -> None:
        """One connection less."""
        self._connections[person.id] -= 1
        if self._connections[person.id] <= 0:
            del self._connections[person.id]
            if self._persons.pop(person.id, None):
                self.changed()

    def changed(self) -> None:
        """The roster is to be told, now or when the quiet time is over."""
        if self._due is None:
            loop = asyncio.get_running_loop()
            self._due = loop.call_at(max(loop.time(), self._told + QUIET_SECONDS), self._now)

    def close(self) -> None:
        """Tells nothing any more."""
        if self._due is not None:
            self._due.cancel()

    def _now(self) -> None:
        self._due, self._told = None, asyncio.get_running_loop().time()
        self._tell()
