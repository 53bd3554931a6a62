"""An index on the disk, opened for searching: passages, their vectors, their words.

Invariant: it is opened only if every byte is as the manifest says, and stays as it was opened while builds go on: they
write new files and take the old ones away only from the folder. Only what is looked at is read into memory, but for the
vectors. Knows neither how an index is built nor what a search makes of it.
"""

import mmap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from knowledge.documents import Audience, Passage, Rule
from knowledge.errors import UnusableIndexError
from knowledge.indexing import manifest as manifests
from knowledge.indexing.entries import Marked, Told
from knowledge.indexing.manifest import Kind, Manifest, file_name
from knowledge.indexing.nearest import Cells, Nearest
from knowledge.indexing.wordindex import WordIndex
from knowledge.shelf import Mask, Rows, Scores, Vector, Vectors

_TRIES = 3
"""How often an index is opened that is being replaced meanwhile."""
_told = msgspec.json.Decoder(Told)


class Index:
    """Fulfils `Shelf`. Made by `open`.

    Args:
        manifest: What it was made from.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder, self.manifest = folder, manifest
        self._places: NDArray[np.int64] = self._array("rows.npy")  # (N, 2): where a row begins and ends in the file
        self._text = _mapped(self._path("passages.jsonl"))
        self._marked = msgspec.json.decode(self._path("marked.json").read_bytes(), type=Marked)
        self._vector_rows: NDArray[np.int64] = np.zeros(0, np.int64)
        self._vectors: Vectors = np.zeros((0, manifest.dimension), np.float32)
        if manifest.has("vectors.npy"):
            self._vector_rows, self._vectors = self._array("vector_rows.npy"), self._array("vectors.npy")
        self._check_shapes()
        self._words = WordIndex(folder, manifest.generation) if manifest.has("words.json") else None
        self._nearest = self._made_nearest() if len(self._vectors) else None

    @classmethod
    def open(cls, folder: Path) -> "Index":
        """Opens an index after a look at every byte.

        Raises:
            UnusableIndexError: It is missing, foreign or damaged.
        """
        for _ in range(_TRIES):
            manifest = manifests.read(folder)
            if not (damaged := manifests.damaged(folder, manifest)):
                return cls._opened(folder, manifest)
            if manifests.read(folder).generation == manifest.generation:
                raise UnusableIndexError(str(folder), f"its file {damaged[0]} is missing or damaged")
        raise UnusableIndexError(str(folder), "it is being built again and again")

    @classmethod
    def _opened(cls, folder: Path, manifest: Manifest) -> "Index":
        """Opens files that are as they were written; in a folder that came from elsewhere, that may be by anybody."""
        try:
            return cls(folder, manifest)
        except (OSError, ValueError, KeyError, AssertionError, msgspec.MsgspecError) as error:
            raise UnusableIndexError(str(folder), f"its files don't fit each other ({error!r})") from error

    @property
    def private(self) -> Mapping[int, Audience]:
        return self._marked.private

    @property
    def rules(self) -> Mapping[int, Rule]:
        return self._marked.rules

    def __len__(self) -> int:
        return len(self._places)

    def passage(self, row: int) -> Passage:
        start, end = self._places[row]
        return _told.decode(self._text[start:end]).passage

    def dense(self, vector: Vector, limit: int, allowed: Mask | None = None) -> tuple[Rows, Scores]:
        if self._nearest is None:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        places, scores = self._nearest.search(vector, limit, None if allowed is None else allowed[self._vector_rows])
        return self._vector_rows[places], scores

    def words(self, terms: Sequence[str], limit: int, allowed: Mask | None = None) -> tuple[Rows, Scores]:
        if self._words is None:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        return self._words.search(terms, limit, allowed)

    def rarity(self, term: str) -> float:
        return self._words.rarity(term) if self._words else 0.0

    def vectors(self, rows: Sequence[int]) -> Vectors:
        found = np.zeros((len(rows), self.manifest.dimension), np.float32)
        if len(self._vector_rows):
            places = np.searchsorted(self._vector_rows, rows).clip(max=len(self._vector_rows) - 1)
            there = self._vector_rows[places] == np.asarray(rows, np.int64)
            found[there] = self._vectors[places[there]]
        return found

    def close(self) -> None:
        """Lets go of its files; it is not to be used any more. Twice is fine."""
        self._nearest = self._words = None
        self._vectors = np.zeros((0, self.manifest.dimension), np.float32)
        self._vector_rows = np.zeros(0, np.int64)
        self._places = np.zeros((0, 2), np.int64)
        self._text = b""

    def _path(self, kind: Kind) -> Path:
        return self.folder / file_name(kind, self.manifest.generation)

    def _array(self, kind: Kind) -> NDArray[Any]:
        return np.asarray(np.load(self._path(kind), mmap_mode="r", allow_pickle=False))

    def _made_nearest(self) -> Nearest:
        if not self.manifest.has("cells.npy"):
            return Nearest(self._vectors, None)
        return Nearest(self._vectors, Cells(self._array("centroids.npy"), self._array("cells.npy")))

    def _check_shapes(self) -> None:
        number, rows = len(self._places), self._vector_rows
        fitting = (
            self._places.shape == (self.manifest.passages, 2)
            and (number == 0 or 0 <= self._places.min() <= self._places.max() <= len(self._text))
            and all(0 <= row < number for row in (*self._marked.private, *self._marked.rules))
            and self._vectors.shape == (len(rows), self.manifest.dimension)
            and self._vectors.dtype == np.float32
            and (len(rows) == 0 or (rows[0] >= 0 and rows[-1] < number and bool(np.all(np.diff(rows) > 0))))
        )
        if not fitting:
            raise ValueError("their lengths differ")


def _mapped(path: Path) -> bytes | mmap.mmap:
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if path.stat().st_size else b""
