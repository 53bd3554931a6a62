"""Passages in memory as a shelf, for tests of the search: BM25 by our own postings, cosines one by one."""

from collections.abc import Sequence

import numpy as np

from knowledge.documents import Passage, sought
from knowledge.embed import Embedder
from knowledge.language.terms import terms
from knowledge.remembering.postings import Postings
from knowledge.shelf import Mask, Rows, Scores, Vector, Vectors


class Bookshelf:
    """Fulfils knowledge/shelf.py; without an embedder it has no vectors."""

    def __init__(self, passages: Sequence[Passage], embedder: Embedder | None = None) -> None:
        self.embedder, self._passages, self._postings = embedder, passages, Postings()
        for passage in passages:
            self._postings.add(terms(sought(passage)))
        self.private = {row: each.audience for row, each in enumerate(passages) if each.audience is not None}
        self.rules = {row: each.rule for row, each in enumerate(passages) if each.rule is not None}
        dimension = embedder.dimension if embedder else 0
        self._vectors = np.zeros((len(passages), dimension), np.float32)
        if embedder and passages:
            self._vectors = embedder.encode([sought(passage) for passage in passages])

    def __len__(self) -> int:
        return len(self._passages)

    def passage(self, row: int) -> Passage:
        return self._passages[row]

    def dense(self, vector: Vector, limit: int, allowed: Mask | None = None) -> tuple[Rows, Scores]:
        if self.embedder is None:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        return self._best(self._vectors @ vector, np.asarray(self._vectors.any(axis=1), np.bool_), limit, allowed)

    def words(self, terms: Sequence[str], limit: int, allowed: Mask | None = None) -> tuple[Rows, Scores]:
        scores = self._postings.scores(terms)
        return self._best(scores, np.asarray(scores > 0), limit, allowed)

    def rarity(self, term: str) -> float:
        return self._postings.rarity(term)

    def vectors(self, rows: Sequence[int]) -> Vectors:
        return self._vectors[np.asarray(rows, np.int64)]

    def _best(self, scores: Scores, found: Mask, limit: int, allowed: Mask | None) -> tuple[Rows, Scores]:
        rows = np.flatnonzero(found if allowed is None else found & allowed)
        best = rows[np.argsort(-scores[rows], kind="stable")[:limit]]
        return best, scores[best]
