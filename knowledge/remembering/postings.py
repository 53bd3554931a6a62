"""BM25 over passages that only grow in number: which passage holds which term, and how often.

An index of bm25s can't be added to; this is the same formula (Lucene's, as bm25s computes it) over the same figures,
looked up at the time of asking: every score counts all passages there are, and adding one costs its own terms only.
"""

from array import array
from collections import Counter, defaultdict
from collections.abc import Sequence
from math import log

import numpy as np
from numpy.typing import NDArray

from knowledge.shelf import Scores

K1 = 1.5
B = 0.75


class Postings:
    """Rows count from 0, in the order in which they were added."""

    def __init__(self) -> None:
        self._rows: defaultdict[str, array[int]] = defaultdict(lambda: array("i"))
        self._counts: defaultdict[str, array[int]] = defaultdict(lambda: array("i"))
        self._lengths = array("i")

    def __len__(self) -> int:
        return len(self._lengths)

    def add(self, terms: Sequence[str]) -> None:
        """Adds one row."""
        for term, count in Counter(terms).items():
            self._rows[term].append(len(self._lengths))
            self._counts[term].append(count)
        self._lengths.append(len(terms))

    def rarity(self, term: str) -> float:
        """Inverse document frequency; 0 for a term that stands nowhere."""
        held = len(self._rows.get(term, ()))
        return log(1 + (len(self) - held + 0.5) / (held + 0.5)) if held else 0.0

    def scores(self, terms: Sequence[str]) -> Scores:
        """BM25 of every row: (number of rows,); a term that is asked twice counts twice."""
        found = np.zeros(len(self), np.float32)
        lengths = _copy(self._lengths)
        norms = K1 * (1 - B + B * lengths / max(lengths.mean(), 1)) if len(self) else lengths
        for term, asked in Counter(terms).items():
            if term in self._rows:
                rows, counts = _copy(self._rows[term]), _copy(self._counts[term])
                found[rows] += asked * self.rarity(term) * counts / (counts + norms[rows])
        return found


def _copy(values: "array[int]") -> NDArray[np.int32]:
    """A copy, because an array can't grow while something looks into it."""
    return np.array(values, np.int32)
