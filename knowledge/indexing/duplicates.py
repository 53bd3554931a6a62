"""Tells whether a text was there before: the same one, or one that says the same in almost the same words.

Facts are never dropped. Two texts count as the same only if their numbers, symbols, names and words that turn a
statement round are the same ones in the same order: `Tower A has 142 steps` and `Tower B has 118 steps` are two. The
rest may differ in case, width and punctuation, and in a long text also in a few ordinary words. Scripts without capital
letters don't show which words are names: there every word must be the same.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b

import numpy as np

from knowledge.documents import Audience

_WORD = re.compile(
    r"[-+<>=~$]?\d+(?:[.,:/]\d+)*%?|[^\W\d_]+(?:['’][^\W\d_]+)?"
    r"|[^\w\s!-/:-@\[-`{-~\u0300-\u036f\u00a0-\u00bf\u2000-\u206f\u3000-\u303f]"
)
"""A number with its sign, a word, or a symbol that means something, as `★`."""
_ORDINARY = re.compile(r"[a-zà-öø-ÿ'’]+")
_DENIALS = "no not never none nothing nobody neither nor without except only before after dead alive he she his her"
_DIRECTIONS = "north south east west left right up down above below"
_NUMBERS = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million dozen half first second third
"""
_TURNING = frozenset(f"{_DENIALS} {_DIRECTIONS} {_NUMBERS}".split())
"""Words in small letters that are facts by themselves."""
_LONG = 40
"""Words from which on a text may differ in a few of them."""
_NEAR = 3
"""Bits of the sketches, of 64, in which two long texts may differ: about one word in fifty."""
_TRIES = 8
"""Texts with the same facts that a new one is compared with: a bound for hostile input."""


class NearDuplicates:
    """Remembers the texts it was shown, a short one in about 150 bytes, a long one in 250."""

    def __init__(self) -> None:
        self._same: set[int] = set()
        self._sketches: dict[int, int] = {}

    def is_new(self, text: str, *, title: str = "", audience: Audience | None = None) -> bool:
        """Whether no text like this was shown before; it is remembered.

        Args:
            title: What the text is about: short texts are the same, and long ones nearly, only under the same title.
            audience: Who may see it: what others may see is another text.
        """
        plain = text if text.isascii() else unicodedata.normalize("NFKC", text).replace("’", "'")
        words = _WORD.findall(plain)
        about = repr((title.casefold(), audience))
        if len(words) < _LONG:
            return self._is_first(_digest([about, *words], fold=True))
        is_first = self._is_first(_digest([repr(audience), *words], fold=True))
        if not is_first:
            return False
        votes = [*map(_vote, words)]
        facts = [word for word, vote in zip(words, votes, strict=True) if vote is None]
        return self._is_far(_digest([about, *facts]), _sketch([vote for vote in votes if vote is not None]))

    def _is_first(self, key: int) -> bool:
        known = len(self._same)
        self._same.add(key)
        return len(self._same) > known

    def _is_far(self, key: int, sketch: int) -> bool:
        """Whether the sketches of all texts with the same facts are others; it takes the next free place after them."""
        for place in range(key, key + _TRIES):
            known = self._sketches.get(place)
            if known is None:
                self._sketches[place] = sketch
                return True
            if (known ^ sketch).bit_count() <= _NEAR:
                return False
        return True


@lru_cache(maxsize=50_000)
def _vote(word: str) -> int | None:
    """The 64 bits of an ordinary word; None for one that is a fact."""
    is_ordinary = _ORDINARY.fullmatch(word) and word not in _TURNING and "n't" not in word
    return _digest([word]) if is_ordinary else None


def _sketch(votes: Sequence[int]) -> int:
    """A SimHash: 64 bits, of which few differ where few words do."""
    bits = np.unpackbits(np.array(votes, dtype=np.uint64).view(np.uint8)).reshape(-1, 64)  # (words, 64)
    return int.from_bytes(np.packbits(2 * bits.sum(axis=0, dtype=np.int32) > len(votes)).tobytes(), "big")


def _digest(parts: Sequence[str], *, fold: bool = False) -> int:
    joined = "\0".join(parts)
    data = (joined.casefold() if fold else joined).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "big")
