"""Vectors that a build has made so far, kept until it is done: a build that was killed goes on from here.

A file that only grows: a head, then records of a key and its vector with a check sum. Whatever a kill or a power cut
left behind the last whole record is cut off. A text that the embedder can't read has a vector of zeros.
"""

import os
import struct
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from knowledge.shelf import Vector, Vectors

_HEAD = struct.Struct("<8sQ")
_MAGIC = b"vectors1"
_MOST_DIMENSIONS = 1 << 16


class Journal:
    """The journal of one embedder in a folder.

    Args:
        identity: The embedder's.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        self._path = folder / f"embedded-{''.join(char if char.isalnum() else '-' for char in identity)}.part"
        self.dimension, self._places = _scanned(self._path)
        self._records: NDArray[np.void] | None = None

    def __contains__(self, key: bytes) -> bool:
        return key in self._places

    def vector(self, key: bytes) -> Vector:
        """A vector that is here."""
        if self._records is None:
            self._records = np.memmap(self._path, _record(self.dimension), "r", offset=_HEAD.size)
        found: Vector = self._records["vector"][self._places[key]]
        return found

    def writing(self, dimension: int) -> "Writing":
        """Opens the journal for more; one of another dimension begins anew."""
        if dimension != self.dimension:
            self.dimension, self._places = dimension, {}
            self._path.write_bytes(_HEAD.pack(_MAGIC, dimension))
        self._records = None
        return Writing(self._path, self._places, dimension)


class Writing:
    """Adds to a journal, after its last whole record."""

    def __init__(self, path: Path, places: dict[bytes, int], dimension: int) -> None:
        self._places, self._record = places, _record(dimension)
        self._file = path.open("r+b")
        self._file.truncate(_HEAD.size + len(places) * self._record.itemsize)
        self._file.seek(0, 2)

    def add(self, keys: Sequence[bytes], vectors: Vectors) -> None:
        """Adds vectors; after this call they survive whatever happens.

        Args:
            keys: None of them is here yet.
            vectors: (len(keys), dimension).
        """
        records = np.zeros(len(keys), self._record)
        records["key"] = np.frombuffer(b"".join(keys), np.uint8).reshape(len(keys), 16)
        records["vector"] = vectors
        for record in records:
            record["sum"] = _sum(record)
        self._file.write(records.tobytes())
        self._file.flush()
        os.fsync(self._file.fileno())
        for key in keys:
            self._places[key] = len(self._places)

    def __enter__(self) -> "Writing":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def sweep(folder: Path) -> None:
    """Takes the journals away, once an index holds what is in them."""
    for path in folder.glob("embedded-*.part"):
        path.unlink(missing_ok=True)


def _scanned(path: Path) -> tuple[int, dict[bytes, int]]:
    """The dimension of a journal, 0 where there is none, and the place of each key in it."""
    try:
        with path.open("rb") as file:
            magic, dimension = _HEAD.unpack(file.read(_HEAD.size))
            if magic != _MAGIC or not 0 < dimension <= _MOST_DIMENSIONS:
                return 0, {}
            places: dict[bytes, int] = {}
            kind = _record(dimension)
            while len(raw := file.read(kind.itemsize)) == kind.itemsize:
                record = np.frombuffer(raw, kind)[0]
                if record["sum"] != _sum(record):
                    break
                places[record["key"].tobytes()] = len(places)
            return dimension, places
    except (FileNotFoundError, struct.error):
        return 0, {}


def _record(dimension: int) -> np.dtype[np.void]:
    return np.dtype([("sum", "<u4"), ("key", "u1", 16), ("vector", "<f4", dimension)])


def _sum(record: np.void) -> int:
    return crc32(record.tobytes()[4:])
