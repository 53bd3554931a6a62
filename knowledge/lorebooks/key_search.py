"""Finds many keys in a text at once: plain ones, as texts or whole words, and regular expressions.

Pure. What is alike but for width, case and spaces counts as the same, unless a rule says that case matters. Knows which
rule a key belongs to only for as long as it makes the key comparable; what follows from a find is keys.py's business.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from knowledge.documents import Rule
from knowledge.lorebooks.key_patterns import LONGEST, Pattern, compiled, is_regex

MOST_TEXT = 20_000
"""Characters that are looked at, the latest."""
LIMIT = 0.05
"""Seconds of one search for a regular expression; one that takes longer is never tried again."""
MOST_SLOW = 3
"""Such expressions in one text; the others wait for the next."""

_START = 4
"""Characters by which keys are told apart before they are compared."""
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u9fff\uac00-\ud7af\U00020000-\U0003ffff]")
"""Thai, Lao, Burmese, Khmer, kana, Han, Hangul: words stand without spaces between them."""


class Plain(NamedTuple):
    """A key that is a text, made comparable."""

    words: str
    cased: bool
    whole: bool


Key = Plain | str
"""A regular expression is known by how it is written."""


def comparable(rule: Rule, keys: Sequence[str]) -> Iterator[Key]:
    """The keys of a rule as they are looked for; those that can't stand anywhere are left out."""
    for key in keys:
        if is_regex(key):
            yield key
        elif len(key) <= LONGEST and (words := _folded(key, rule.case_sensitive)):
            yield Plain(words, rule.case_sensitive, rule.whole_words)


def _folded(key: str, cased: bool) -> str:
    text = unicodedata.normalize("NFKC", spaced_once(key))
    return (text if cased else unicodedata.normalize("NFKC", text.casefold())).strip()


def spaced_once(text: str) -> str:
    """A text on one line, with one space between two words."""
    return " ".join(text.split())


class Search:
    """Looks for many keys at once."""

    def __init__(self, keys: Iterable[Key]) -> None:
        plain = []
        self._patterns: dict[str, Pattern] = {}
        for key in dict.fromkeys(keys):
            if isinstance(key, Plain):
                plain.append(key)
            else:
                with suppress(ValueError):  # told when the lorebook was read
                    self._patterns[key] = compiled(key)
        self._folded = _Words(key for key in plain if not key.cased)
        self._cased = _Words(key for key in plain if key.cased)

    def found_in(self, text: str) -> set[Key]:
        """The keys that stand in a text."""
        raw = text[-MOST_TEXT:]
        cased = unicodedata.normalize("NFKC", raw)
        folded = unicodedata.normalize("NFKC", cased.casefold())
        return {*self._folded.found_in(folded), *self._cased.found_in(cased), *self._matching(raw)}

    def _matching(self, text: str) -> Iterator[str]:
        text, slow = unicodedata.normalize("NFC", text), 0
        for key, pattern in list(self._patterns.items()):
            try:
                if slow < MOST_SLOW and pattern.search(text, timeout=LIMIT):
                    yield key
            except TimeoutError:
                slow += 1
                self._patterns.pop(key, None)


class _Words:
    """Plain keys by how they begin: a text is gone through once, however many keys there are."""

    def __init__(self, keys: Iterable[Plain]) -> None:
        self._keys: dict[str, list[Plain]] = defaultdict(list)
        for key in keys:
            self._keys[key.words].append(key)
        self._lengths: dict[str, list[int]] = defaultdict(list)
        for start, length in sorted({(words[:_START], len(words)) for words in self._keys}):
            self._lengths[start].append(length)
        self._sizes = sorted({len(start) for start in self._lengths})

    def found_in(self, text: str) -> Iterator[Plain]:
        """The keys that stand in a text; a whole word is one that no letter of a spaced script goes on."""
        for size in self._sizes:
            for at in [at for at in range(len(text) - size + 1) if text[at : at + size] in self._lengths]:
                for length in self._lengths[text[at : at + size]]:
                    for key in self._keys.get(text[at : at + length], ()):
                        if not key.whole or _is_whole(text, at, at + len(key.words)):
                            yield key


def _is_whole(text: str, start: int, end: int) -> bool:
    return not (_go_on(text[max(start - 1, 0) : start], text[start]) or _go_on(text[end - 1], text[end : end + 1]))


def _go_on(left: str, right: str) -> bool:
    return left.isalnum() and right.isalnum() and not (_UNSPACED.match(left) or _UNSPACED.match(right))
