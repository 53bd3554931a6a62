"""A shelf of which only some rows may be found, as if the others did not stand there.

How telling a word is stays what it is on the whole shelf: that gives nothing away, and is known better there.
"""

from collections.abc import Mapping, Sequence

from knowledge.documents import Audience, Passage, Rule
from knowledge.shelf import Mask, Rows, Scores, Shelf, Vector, Vectors


class Part:
    """Fulfils shelf.py over another shelf; rows are those of the whole.

    Args:
        may: Which rows may be found.
    """

    def __init__(self, whole: Shelf, may: Mask) -> None:
        self._whole, self._may = whole, may

    @property
    def private(self) -> Mapping[int, Audience]:
        return self._whole.private

    @property
    def rules(self) -> Mapping[int, Rule]:
        return {row: rule for row, rule in self._whole.rules.items() if self._may[row]}

    def __len__(self) -> int:
        return len(self._whole)

    def passage(self, row: int) -> Passage:
        return self._whole.passage(row)

    def dense(self, vector: Vector, limit: int, allowed: Mask | None = None) -> tuple[Rows, Scores]:
        return self._whole.dense(vector, limit, self._both(allowed))

    def words(self, terms: Sequence[str], limit: int, allowed: Mask | None = None) -> tuple[Rows, Scores]:
        return self._whole.words(terms, limit, self._both(allowed))

    def rarity(self, term: str) -> float:
        return self._whole.rarity(term)

    def vectors(self, rows: Sequence[int]) -> Vectors:
        return self._whole.vectors(rows)

    def _both(self, allowed: Mask | None) -> Mask:
        return self._may if allowed is None else self._may & allowed
