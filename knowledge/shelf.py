"""What a search needs of a place where passages stand: an index on the disk, or the memory of a room.

Rows count from 0; a row means nothing outside its shelf and may mean another passage once the shelf has changed.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from knowledge.documents import Audience, Passage, Rule

Vector = NDArray[np.float32]
"""(D,), of length 1."""
Vectors = NDArray[np.float32]
"""(N, D), rows of length 1."""
Rows = NDArray[np.int64]
Scores = NDArray[np.float32]
Mask = NDArray[np.bool_]
"""(number of passages,): which rows may be found."""


class Shelf(Protocol):
    """Passages, searched by meaning and by words."""

    @property
    def private(self) -> Mapping[int, Audience]:
        """Rows that not everyone may see, and who may."""
        ...

    @property
    def rules(self) -> Mapping[int, Rule]:
        """Rows of lorebook entries, and when they come to mind."""
        ...

    def __len__(self) -> int: ...

    def passage(self, row: int) -> Passage:
        """The passage in a row."""
        ...

    def dense(self, vector: Vector, limit: int, allowed: Mask | None = None) -> tuple[Rows, Scores]:
        """The rows nearest in meaning, best first, with their cosines; none where the shelf has no vectors.

        A row whose script the embedder can't read has no vector and is never among them.
        """
        ...

    def words(self, terms: Sequence[str], limit: int, allowed: Mask | None = None) -> tuple[Rows, Scores]:
        """The rows with the most telling words in common, best first, with BM25 scores above 0."""
        ...

    def rarity(self, term: str) -> float:
        """How telling a word is: its inverse document frequency; 0 for a word that stands nowhere here."""
        ...

    def vectors(self, rows: Sequence[int]) -> Vectors:
        """Vectors of rows, zeros where a row has none: (len(rows), D)."""
        ...
