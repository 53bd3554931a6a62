"""BM25 over the terms of passages, by bm25s: counted once when the index is built, looked up when it is searched.

The terms of a row are given as numbers of a vocabulary that grows as they come, so that the same passages give the same
files on every machine. Knows rows of terms, no passages and no languages.
"""

import warnings
from array import array
from collections.abc import Sequence
from math import log
from pathlib import Path
from typing import Any

import numpy as np

from knowledge.indexing.manifest import Kind, file_name
from knowledge.shelf import Mask, Rows, Scores

K1, B = 1.5, 0.75
KINDS: tuple[Kind, ...] = ("words.json", "terms.json", "postings.npy", "scores.npy", "starts.npy")
_ARGUMENTS = ("params_name", "vocab_name", "indices_name", "data_name", "indptr_name")


class Counting:
    """Gathers the terms of rows."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._rows: list[array[int]] = []

    def add(self, terms: Sequence[str]) -> None:
        """Adds the next row."""
        numbers = self._numbers
        self._rows.append(array("i", [numbers.setdefault(term, len(numbers)) for term in terms]))

    def save(self, folder: Path, generation: str) -> tuple[Kind, ...]:
        """Writes the index; nothing where no row has a term. Says which files there are now."""
        if not self._numbers:
            return ()
        scorer = _bm25s().BM25(k1=K1, b=B, method="lucene")
        scorer.index((self._rows, self._numbers), create_empty_token=False, show_progress=False)
        scorer.save(folder, show_progress=False, **_names(generation))
        return KINDS


class WordIndex:
    """Scores rows. Its arrays stay on the disk until they are looked at."""

    def __init__(self, folder: Path, generation: str) -> None:
        self._scorer = _bm25s().BM25.load(folder, mmap=True, show_progress=False, **_names(generation))
        held = self._scorer.scores
        held.update({name: np.asarray(held[name]) for name in ("data", "indices", "indptr")})
        assert len(held["indptr"]) == len(self._scorer.vocab_dict) + 1

    def __len__(self) -> int:
        return int(self._scorer.scores["num_docs"])

    def rarity(self, term: str) -> float:
        """Inverse document frequency, as the scores hold it; 0 for a term that stands nowhere."""
        number = self._scorer.vocab_dict.get(term)
        if number is None:
            return 0.0
        starts = self._scorer.scores["indptr"]
        rows = int(starts[number + 1] - starts[number])
        return log(1 + (len(self) - rows + 0.5) / (rows + 0.5))

    def search(self, terms: Sequence[str], limit: int, allowed: Mask | None) -> tuple[Rows, Scores]:
        """The rows with the highest scores above 0, best first; of equals the first."""
        known = [term for term in terms if term in self._scorer.vocab_dict]
        if not known or limit <= 0:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        scores: Scores = self._scorer.get_scores(known, weight_mask=allowed)
        rows = np.flatnonzero(scores > 0)
        if len(rows) > limit:
            least = np.partition(scores[rows], -limit)[-limit]
            rows = rows[scores[rows] >= least]
        rows = rows[np.argsort(-scores[rows], kind="stable")][:limit]
        return rows, scores[rows]


def _names(generation: str) -> dict[str, str]:
    return {argument: file_name(kind, generation) for argument, kind in zip(_ARGUMENTS, KINDS, strict=True)}


def _bm25s() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import bm25s
    return bm25s
