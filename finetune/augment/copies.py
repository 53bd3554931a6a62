"""Tells copies: a reply that is taken from its source word for word, and one that says what another has said already.

Texts are compared by the stretches of characters they share, so it works without spaces between words. What it
remembers is bounded by what it was given. It knows no records and no files.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable

_SHORT, _LONG = 3, 8
"""Characters of a stretch: to compare two replies; to tell what was copied from a page."""
LIKE_ANOTHER, LIKE_SOURCE = 0.8, 0.8
_LEAST_COPIED = 12
"""A shorter reply may well use the very words of a page."""
_MOST_HOLDERS = 64
"""A stretch that more replies share tells nothing."""
_GAPS = re.compile(r"[\W_]+")


def is_copied(text: str, sources: Iterable[str]) -> bool:
    """Whether most of a text stands in one of its sources."""
    plain = _plain(text)
    if len(plain) < _LEAST_COPIED:
        return any(plain == _plain(source) for source in sources)
    stretches = _stretches(plain, _LONG)
    return any(len(stretches & _stretches(_plain(source), _LONG)) >= LIKE_SOURCE * len(stretches) for source in sources)


class Said:
    """What was said so far."""

    def __init__(self) -> None:
        self._sizes: list[int] = []
        self._holders: dict[str, list[int]] = defaultdict(list)
        self._whole: set[str] = set()

    def add(self, text: str) -> bool:
        """Remembers a text; False where it is much like one that was said already, which is then not remembered."""
        plain = _plain(text)
        stretches = _stretches(plain, _SHORT)
        if plain in self._whole or self._is_like_another(stretches):
            return False
        self._whole.add(plain)
        for stretch in stretches:
            if len(self._holders[stretch]) < _MOST_HOLDERS:
                self._holders[stretch].append(len(self._sizes))
        self._sizes.append(len(stretches))
        return True

    def _is_like_another(self, stretches: set[str]) -> bool:
        shared = Counter(holder for stretch in stretches for holder in self._holders.get(stretch, ()))
        return any(
            both >= LIKE_ANOTHER * (len(stretches) + self._sizes[holder] - both) for holder, both in shared.items()
        )


def _plain(text: str) -> str:
    return _GAPS.sub("", text.casefold())


def _stretches(plain: str, length: int) -> set[str]:
    return {plain[at : at + length] for at in range(max(1, len(plain) - length + 1))}
