"""Tells whether an exchange was there before, letter for letter or nearly, in time that grows with the text only.

Letters count, not case, width, blanks and punctuation. Two texts are nearly the same if they share most of their runs
of five letters; which ones are compared at all is decided by MinHash. A reply that is held out must not be learnt from
somewhere else: `Known` is asked before a moment is learnt.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Literal

import numpy as np
import numpy.typing as npt

from finetune.dataset.moment import Moment

Likeness = Literal["", "duplicates", "near-duplicates"]
Numbers = npt.NDArray[np.uint64]

SHARED = 0.85
"""Share of the runs of two texts that must be the same ones."""
RUN = 5
"""Letters of a run."""
MOST = 4000
"""Letters of a text that are looked at."""
TELLING = 24
"""Letters from which on a reply alone says where it is from; `Yes, sir.` is said everywhere."""
_BANDS, _ROWS = 16, 4
"""Two texts that share 0.85 of their runs are overlooked once in 100,000 times; two that share 0.5 meet in 2 of 3."""
_TRIES = 8
"""Texts of a bucket that a new one is compared with: a bound for hostile input."""
_RANDOM = np.random.default_rng(20_011)
_FACTORS = _RANDOM.integers(1, 1 << 63, (_BANDS * _ROWS, 1), dtype=np.uint64) | np.uint64(1)
_ADDENDS = _RANDOM.integers(0, 1 << 63, (_BANDS * _ROWS, 1), dtype=np.uint64)
_PRIME, _MIX, _SHIFT = np.uint64(1_099_511_628_211), np.uint64(0x9E3779B97F4A7C15), np.uint64(29)


class Known:
    """Remembers texts, in about eight bytes a letter."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._same: set[str] = set()
        self._runs: list[Numbers] = []
        self._buckets: dict[bytes, list[int]] = {}
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        """Remembers a text."""
        letters = _letters(text)
        self._same.add(letters)
        runs = _runs(letters)
        for key in _keys(runs):
            bucket = self._buckets.setdefault(key, [])
            if len(bucket) < _TRIES:
                bucket.append(len(self._runs))
        self._runs.append(runs)

    def like(self, text: str) -> Likeness:
        """How a text is like one that was there before, if it is."""
        letters = _letters(text)
        if letters in self._same:
            return "duplicates"
        runs = _runs(letters)
        met = {at for key in _keys(runs) for at in self._buckets.get(key, ())}
        return "near-duplicates" if any(_shared(runs, self._runs[at]) >= SHARED for at in met) else ""


def held_out_texts(moments: Iterable[Moment]) -> Iterator[str]:
    """What of held-out moments must not be learnt: the exchanges, and replies long enough to be theirs alone."""
    for moment in moments:
        yield exchange(moment)
        if is_telling(moment.reply):
            yield moment.reply


def distinct(moments: Iterable[Moment], known: Known, held_out: Known, counts: Counter[str]) -> Iterator[Moment]:
    """The moments that are like none before them and like none that is held out.

    Args:
        known: What is learnt already; it remembers what is given.
        counts: Is told how many were dropped, and why.
    """
    for moment in moments:
        text = exchange(moment)
        if held_out.like(text) or (is_telling(moment.reply) and held_out.like(moment.reply)):
            counts["left out: like a held-out one"] += 1
        elif likeness := known.like(text):
            counts[f"left out: {likeness}"] += 1
        else:
            known.add(text)
            yield moment


def exchange(moment: Moment) -> str:
    """What is compared: the last line heard, and the reply."""
    before = moment.heard[-1].text if moment.heard else moment.premise
    return f"{before}\n{moment.reply}"


def is_telling(text: str) -> bool:
    """Whether a text is long enough to be one occasion's alone; a Chinese character says as much as two letters."""
    letters = _letters(text)
    return len(letters) + sum(char >= "\u3400" for char in letters) >= TELLING


def alike(one: str, other: str) -> bool:
    """Whether two texts are the same, or nearly."""
    first, second = _letters(one), _letters(other)
    return first == second or _shared(_runs(first), _runs(second)) >= SHARED


def holds(text: str, part: str) -> bool:
    """Whether a text holds another one, but for blanks and punctuation."""
    return _letters(part) in _letters(text, whole=True)


def _letters(text: str, *, whole: bool = False) -> str:
    plain = unicodedata.normalize("NFKC", text if whole else text[: 4 * MOST]).casefold()
    letters = "".join(filter(str.isalnum, plain)) or " ".join(plain.split())  # `……` is all that some replies say
    return letters if whole else letters[:MOST]


def _runs(letters: str) -> Numbers:
    """The different runs of a text, as numbers in order."""
    codes = np.frombuffer(letters.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    length = min(RUN, len(codes))
    count = len(codes) - length + 1 if length else 0
    total = np.zeros(count, np.uint64)
    for at in range(length):
        total = total * _PRIME + codes[at : at + count]
    total = (total ^ (total >> _SHIFT)) * _MIX
    return np.unique(total ^ (total >> _SHIFT))


def _keys(runs: Numbers) -> list[bytes]:
    """The buckets that a text is in, by bands of its MinHash."""
    if not len(runs):
        return []
    least = (runs[None, :] * _FACTORS + _ADDENDS).min(axis=1).reshape(_BANDS, _ROWS)  # (hashes, runs) → (bands, rows)
    return [bytes([band]) + row.tobytes() for band, row in enumerate(least)]


def _shared(one: Numbers, other: Numbers) -> float:
    """Jaccard's measure of two sets of runs."""
    both = len(np.intersect1d(one, other, assume_unique=True))
    return both / max(1, len(one) + len(other) - both)
