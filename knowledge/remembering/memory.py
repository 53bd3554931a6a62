"""The long memory of a room: lines that no prompt holds any more, to be found again by those who heard them.

A `Shelf` that grows. It knows no rooms: it is handed lines, oldest first, and says up to which `seq` it has them; the
rest is handed over again next time. Invariant: every line up to `seq` is in a passage, on the disk as well unless that
fails, and no later line is. All is derived from the room's log, so a memory that can't be used is simply empty.

Vectors are compared one by one: 100,000 lines are some 40,000 passages, and that takes a few milliseconds.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from knowledge.documents import Audience, Passage, Rule, sought
from knowledge.embed import Embedder
from knowledge.language.terms import VERSION
from knowledge.remembering.memory_files import Kind, MemoryFiles
from knowledge.remembering.postings import Postings
from knowledge.remembering.remembered import Remembered, Stretch, stretches
from knowledge.shelf import Mask, Rows, Scores, Vector, Vectors

__all__ = ["Memory", "Remembered"]

BATCH = 256
"""Passages that are embedded and kept in one go; a kill loses no more work than that."""


class Memory:
    """What was said in one room.

    Args:
        folder: Where it is kept; made when there is something to keep.
        epoch: Of the room's log; in another epoch a memory is begun anew.
        embedder: None to search by words only.
    """

    rules: Mapping[int, Rule] = {}

    def __init__(self, folder: Path, *, epoch: str, embedder: Embedder | None) -> None:
        self.seq = 0
        self.private: dict[int, Audience] = {}
        self._embedder = embedder
        identity, dimension = (embedder.identity, embedder.dimension) if embedder else ("", 0)
        self._files = MemoryFiles(folder, Kind(epoch=epoch, embedder=identity, dimension=dimension, terms=VERSION))
        self._passages: list[Passage] = []
        self._postings = Postings()
        self._spans: NDArray[np.int64] = np.zeros((0, 2), np.int64)
        self._vectors: Vectors = np.zeros((0, dimension), np.float32)
        self._legible: Mask = np.zeros(0, np.bool_)
        self._take_in(*self._files.read())

    def add(self, lines: Iterable[Remembered], *, final: bool = False) -> None:
        """Takes lines in, in the order of their seqs; those that it has already are passed over.

        Args:
            final: Whether lines at the end that do not fill a passage become a short one; else they are not taken,
                and are handed over again with what follows them.
        """
        later = (line for line in lines if line.seq > self.seq)
        for made in _batches(stretches(list(later), len(self), final=final)):
            vectors = self._embedded([sought(each.passage) for each in made])
            self._files.append(made, vectors)
            self._take_in(made, vectors)

    def up_to(self, seq: int) -> Mask:
        """The rows of which every line is at or before `seq`."""
        return self._spans[:, 1] <= seq

    def since(self, seq: int) -> Mask:
        """The rows of which every line is after `seq`."""
        return self._spans[:, 0] > seq

    def __len__(self) -> int:
        return len(self._passages)

    def passage(self, row: int) -> Passage:
        return self._passages[row]

    def dense(self, vector: Vector, limit: int, allowed: Mask | None = None) -> tuple[Rows, Scores]:
        if not self._vectors.size:
            return _best(np.zeros(len(self), np.float32), np.zeros(len(self), np.bool_), limit)
        return _best(self._vectors @ vector, self._legible if allowed is None else self._legible & allowed, limit)

    def words(self, terms: Sequence[str], limit: int, allowed: Mask | None = None) -> tuple[Rows, Scores]:
        scores = self._postings.scores(terms)
        return _best(scores, scores > 0 if allowed is None else (scores > 0) & allowed, limit)

    def rarity(self, term: str) -> float:
        return self._postings.rarity(term)

    def vectors(self, rows: Sequence[int]) -> Vectors:
        return self._vectors[np.asarray(rows, np.int64)]

    def _embedded(self, texts: Sequence[str]) -> Vectors:
        """Vectors of texts, zeros for those that the embedder can't read: (len(texts), D)."""
        vectors = np.zeros((len(texts), self._vectors.shape[1]), np.float32)
        if self._embedder and (rows := [row for row, text in enumerate(texts) if self._embedder.reads(text)]):
            vectors[rows] = self._embedder.encode([texts[row] for row in rows])
        return vectors

    def _take_in(self, made: Sequence[Stretch], vectors: Vectors) -> None:
        if not made:
            return
        for each in made:
            if each.passage.audience is not None:
                self.private[len(self._passages)] = each.passage.audience
            self._passages.append(each.passage)
            self._postings.add(each.terms)
        self._spans = np.concatenate([self._spans, [(each.first, each.last) for each in made]])
        self._vectors = np.concatenate([self._vectors, vectors])
        self._legible = np.concatenate([self._legible, vectors.any(axis=1)])
        self.seq = made[-1].last


def _batches(groups: Iterable[list[Stretch]]) -> Iterator[list[Stretch]]:
    """Joins groups, none of which is torn apart, so that a line is taken in as a whole."""
    batch: list[Stretch] = []
    for group in groups:
        batch += group
        if len(batch) >= BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _best(scores: Scores, allowed: Mask, limit: int) -> tuple[Rows, Scores]:
    """The highest scores among the allowed rows; the older one first where two are alike."""
    rows = np.flatnonzero(allowed)
    if len(rows) > limit:  # sorting all of them would take as long as comparing the vectors did
        rows = rows[scores[rows] >= np.partition(scores[rows], -limit)[-limit]]
    best = rows[np.argsort(-scores[rows], kind="stable")[:limit]]
    return best, scores[best]
