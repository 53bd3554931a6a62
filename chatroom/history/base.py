"""The contract of a room log: append-only, durable before it is acknowledged, read only through `view`.

A plug-in is a module with a class `History` that fulfils the protocol below. It knows events and readers; it knows no
socket and no model. `seq` counts from 1 without gaps per room; `epoch` names this log, so that a lost or restored one
can't be mistaken for the old one.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from chatroom.messages import AnyEvent, Entry, Running

EVERYTHING = "*"
"""The reader that may see every event: for folding a room's state and for exports by its owner, never for a client."""


class Appended(msgspec.Struct, frozen=True, kw_only=True):
    """Where an event stands. `dup` says that the same sender had sent this `cid` before: nothing was written."""

    entry: Entry
    dup: bool = False


class History(Protocol):
    """Every method may raise `HistoryError`: nothing was written then, and reading goes on working."""

    def __init__(self, home: Path) -> None:
        """`home` is the folder for its files; it is made if it is missing."""
        ...

    async def open_room(self, room: str) -> tuple[str, int]:
        """Gives the room's epoch and its last seq (0 if it is new), and ends turns that a crash left running.

        Each of them is appended as `Ended` with the status `interrupted` and the words that were checkpointed.
        """
        ...

    async def append(self, room: str, event: AnyEvent, *, sender: str = "", cid: str = "") -> Appended:
        """Commits an event and returns once it can't be lost any more. Appending `Ended` forgets its running turn.

        Raises:
            RefusedError: `cid_conflict`: this sender used the `cid` for something else.
        """
        ...

    async def checkpoint(self, room: str, turn: Running) -> None:
        """Keeps a running turn's words aside; later calls replace earlier ones."""
        ...

    async def view(
        self, room: str, reader: str, *, after: int | None = None, before: int | None = None, limit: int = 200
    ) -> Sequence[Entry]:
        """Gives events that the reader may see, in order of seq, with `prev` as that reader sees it.

        With `after`: the first `limit` after that seq. Otherwise: the last `limit` before `before` (or of all).
        """
        ...

    async def close(self) -> None:
        """Commits what is pending and ends; twice is fine."""
        ...
