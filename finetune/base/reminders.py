"""What a bundled role is reminded of while it learns: pages and examples, found by the desk that searches for the room.

The examples nearest to a line hold the very reply that is to be learnt, where the line is another wording of theirs.
In a share of the moments it stays there: the role learns to see that an example fits and to say it again, to the person
who asks now. In the others it is taken away, and the role must find words of its own.
"""

import random
import shutil
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from chatroom.librarian.asking import Ask, Reader, Said, Setup, Span
from chatroom.librarian.desk import Desk
from chatroom.messages import Example, Passage, Recalled
from finetune.base.role_data import RoleData, Table
from finetune.dialogue import Line

NOWHERE = Span(room="", epoch="")
KEPT = 0.4
"""Share of the moments in which the reply itself may stand among the examples."""
LINES = 4
"""Lines that say what a moment is about, as in chatroom/recalling.py."""
PASSAGES, EXAMPLES = (0, 1, 1, 2, 2), (0, 1, 2, 3, 3)
"""How many of each a role is given; drawn anew each time, as a room's settings may differ."""


class Reminders:
    """Searches what each role knows and said.

    Args:
        table: The roles and their room.
        home: Where copies of what they know, and the indexes, are kept.
    """

    def __init__(self, table: Table, home: Path) -> None:
        self._desk = Desk(Setup(home=home, embedder="minilm"))
        self._readers = {role.id: _reader(role, table, home / "shelves" / role.id) for role in table.roles}
        for reader in self._readers.values():
            print(self._desk.build(reader), flush=True)

    def about(self, role: RoleData, heard: Sequence[Line], reply: str, rng: random.Random) -> Recalled:
        """What a role is reminded of before it says `reply`."""
        found = self._found(role.id, tuple((line.name, line.text) for line in heard[-LINES:]))
        keep = rng.random() < KEPT
        examples = [each for each in found.examples if keep or not _same(each.text, reply)]
        return Recalled(
            passages=tuple(found.passages[: rng.choice(PASSAGES)]),
            examples=tuple(examples[: rng.choice(EXAMPLES)]),
        )

    def examples(self, role: RoleData, heard: Sequence[Line], rng: random.Random) -> tuple[Example, ...]:
        """Examples alone."""
        return self.about(role, heard, "", rng).examples

    def passage(self, role: RoleData, heard: Sequence[Line]) -> tuple[Passage, ...]:
        """The page that is nearest, whatever it is about."""
        return self._found(role.id, tuple((line.name, line.text) for line in heard[-LINES:])).passages[:1]

    @lru_cache(maxsize=100_000)  # noqa: B019  # lives as long as the program
    def _found(self, role: str, heard: tuple[tuple[str, str], ...]) -> Recalled:
        lines = tuple(Said(name=name, text=text) for name, text in heard)
        return self._desk.recall(self._readers[role], Ask(lines=lines, memory=NOWHERE)).recalled


def _reader(role: RoleData, table: Table, shelf: Path) -> Reader:
    """A role as the desk knows it, with the room's pages among its own."""
    shutil.rmtree(shelf, ignore_errors=True)
    shutil.copytree(role.folder / "wiki", shelf / "wiki")
    shutil.copytree(table.room, shelf / "room", ignore=shutil.ignore_patterns("talk*"))
    shutil.copy2(role.folder / "lines.jsonl", shelf)
    return Reader(
        id=role.id,
        mark="",
        name=role.name,
        called=role.called,
        folder=shelf,
        sources=(shelf / "wiki", shelf / "room"),
        passages=max(PASSAGES),
        memories=0,
        examples=2 * max(EXAMPLES),
    )


def _same(one: str, other: str) -> bool:
    """Whether two replies are one in other words: most of their words are the same."""
    first, second = set(one.lower().split()), set(other.lower().split())
    return len(first & second) > 0.6 * max(1, min(len(first), len(second)))
