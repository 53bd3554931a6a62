"""Which entries of a lorebook come to mind: by the words of the latest lines, and by the words of one another.

Pure: lines in, rows out. A row is a number that means something to the caller; a rule says when it is up. Full and half
width are alike. Knows nothing of likeness: what no key asks for may still be found by a search, unless it is barred.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Literal, NamedTuple

from knowledge.documents import Rule
from knowledge.lorebooks.key_search import Key, Search, comparable, spaced_once

DEPTH = 4
"""Lines that are looked at where neither the entry nor the caller says how many."""
MOST_ROUNDS = 3
"""How often the texts of entries that came up are looked at for others."""


class Awake(NamedTuple):
    """What came to mind.

    Args:
        rows: Those that are up, in the lorebook's order, then by row.
        why: For each of them, whether a key brought it up or it always is.
        barred: Rows that must not be found by likeness either: a key of theirs was said, but their secondary keys
            forbid it, or they wait for another entry to bring them up, and none did.
    """

    rows: tuple[int, ...]
    why: Mapping[int, Literal["key", "constant"]]
    barred: frozenset[int]


class _Entry(NamedTuple):
    rule: Rule
    primary: frozenset[Key]
    secondary: frozenset[Key]

    def is_up(self, found: Set[Key]) -> bool:
        """Whether the secondary keys agree, given which keys were found; the primary ones are not asked."""
        if not self.secondary:
            return True
        some, every = not self.secondary.isdisjoint(found), self.secondary <= found
        return {"and_any": some, "and_all": every, "not_any": not some, "not_all": not every}[self.rule.logic]


class Keys:
    """The keys of a lorebook, ready to be looked for; made once, asked at every turn.

    Args:
        rules: Rows and when they come up.
        text: The text of a row, asked only where others may be named in it.
    """

    def __init__(self, rules: Mapping[int, Rule], text: Callable[[int], str]) -> None:
        self._text = text
        self._entries = {row: _entry(rule) for row, rule in rules.items()}
        self._constant = [row for row, rule in rules.items() if rule.constant]
        self._rounds = MOST_ROUNDS if any(rule.recursive for rule in rules.values()) else 0
        self._delayed = [row for row, rule in rules.items() if rule.delayed and not rule.constant]
        self._rows: dict[Key, list[int]] = defaultdict(list)
        for row, entry in self._entries.items():
            for key in entry.primary:
                self._rows[key].append(row)
        self._search = Search(key for entry in self._entries.values() for key in entry.primary | entry.secondary)

    def awake(self, lines: Sequence[str], *, depth: int = DEPTH, hidden: Set[int] = frozenset()) -> Awake:
        """Finds what comes to mind.

        Args:
            lines: The latest lines of a conversation, oldest first; `Name: text` or text alone.
            depth: How many of them are looked at where an entry does not say.
            hidden: Rows that whoever asks may not see: they are not up, and their texts bring up no others.
        """
        turn = _Turn(self._entries, self._rows, self._search, [spaced_once(line) for line in lines], depth, hidden)
        fresh = turn.raise_constant(self._constant) + turn.raise_named()
        for _ in range(self._rounds):
            loud = [row for row in fresh if not self._entries[row].rule.silent]
            if not loud:
                break
            turn.listen_to("\n".join(spaced_once(self._text(row)) for row in loud))
            fresh = turn.raise_named()
        rows = sorted(turn.up, key=lambda row: (self._entries[row].rule.order, row))
        return Awake(tuple(rows), turn.up, frozenset(turn.barred.union(self._delayed) - turn.up.keys()))


class _Turn:
    """One look: what was said, what is up so far, and which keys were found where."""

    def __init__(
        self,
        entries: Mapping[int, _Entry],
        rows: Mapping[Key, Sequence[int]],
        search: Search,
        lines: Sequence[str],
        depth: int,
        hidden: Set[int],
    ) -> None:
        self._entries, self._rows, self._search, self._hidden = entries, rows, search, hidden
        self._lines, self._depth = lines, depth
        self._heard = {count: self._found_in(count) for count in {self._count(entry) for entry in entries.values()}}
        self._told: set[Key] = set()
        self._both = self._heard
        self.up: dict[int, Literal["key", "constant"]] = {}
        self.barred: set[int] = set()

    def raise_constant(self, rows: Iterable[int]) -> list[int]:
        fresh = [row for row in rows if row not in self._hidden]
        self.up.update(dict.fromkeys(fresh, "constant"))
        return fresh

    def raise_named(self) -> list[int]:
        """Raises the entries of which a key was found; they are returned."""
        fresh = []
        for row in self._named():
            found = self._found_for(self._entries[row])
            if found and self._entries[row].is_up(found):
                fresh.append(row)
            elif found:
                self.barred.add(row)
        self.up.update(dict.fromkeys(fresh, "key"))
        return fresh

    def listen_to(self, text: str) -> None:
        """Takes in the text of entries that came up."""
        self._told |= self._search.found_in(text)
        self._both = {count: heard | self._told for count, heard in self._heard.items()}

    def _count(self, entry: _Entry) -> int:
        return min(entry.rule.depth or self._depth, len(self._lines))

    def _found_in(self, count: int) -> set[Key]:
        return self._search.found_in("\n".join(self._lines[len(self._lines) - count :]))

    def _named(self) -> list[int]:
        """Rows that are not up yet and of which some key was found somewhere."""
        keys = self._told.union(*self._heard.values())
        rows = {row for key in keys for row in self._rows.get(key, ())}
        return sorted(row for row in rows if row not in self.up and row not in self._hidden)

    def _found_for(self, entry: _Entry) -> Set[Key]:
        """The keys found where this entry looks for them; none if no primary one is among them."""
        recursive = entry.rule.recursive and not entry.rule.excluded
        found = (self._both if recursive else self._heard)[self._count(entry)]
        asked = (self._told if recursive else set()) if entry.rule.delayed else found
        return set() if entry.primary.isdisjoint(asked) else found


def _entry(rule: Rule) -> _Entry:
    return _Entry(rule, frozenset(comparable(rule, rule.keys)), frozenset(comparable(rule, rule.secondary)))
