"""Names that the user wants gone: Latin ones as whole words, as written or in capitals; Chinese ones anywhere.

The longest name wins where one holds another. It finds no names by itself.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from finetune.scrub.folding import fold
from finetune.scrub.found import Found


class Names:
    """A finder for given names; many thousands cost little, for a text is looked at once, by what names begin with."""

    def __init__(self, names: Sequence[str]) -> None:
        self._by_start: dict[str, list[tuple[str, str]]] = defaultdict(list)
        plain = sorted({fold(name.strip()).text for name in names} - {""}, key=lambda name: (-len(name), name))
        for name in plain:
            for form in dict.fromkeys((name, name.upper())):
                self._by_start[form[:2]].append((form, name))
        first = "".join(re.escape(start[0]) for start in self._by_start)
        self._start = re.compile(f"[{first}]") if first else None

    def find(self, text: str) -> Iterator[Found]:
        """Finds the names in a folded text."""
        if not self._start:
            return
        end = 0
        for start in self._start.finditer(text):
            if start.start() >= end and (found := self._at(text, start.start())):
                end = found.end
                yield found

    def _at(self, text: str, start: int) -> Found | None:
        for key in (text[start : start + 2], text[start]):
            for form, name in self._by_start.get(key, ()):
                if text.startswith(form, start) and _stands_alone(text, start, len(form)):
                    return Found(start, start + len(form), "name", name)
        return None


def _stands_alone(text: str, start: int, length: int) -> bool:
    """Whether a name is no part of a longer word; Chinese has no spaces, so there any place will do."""
    before, after = text[start - 1 : start] if start else "", text[start + length : start + length + 1]
    return not (_joined(before, text[start]) or _joined(text[start + length - 1], after))


def _joined(left: str, right: str) -> bool:
    return bool(left and right) and _is_spaced(left) and _is_spaced(right)


def _is_spaced(char: str) -> bool:
    """Whether a character belongs to a script that puts spaces between words."""
    return char == "_" or (char.isalnum() and not "\u2e80" <= char <= "\ud7ff")
