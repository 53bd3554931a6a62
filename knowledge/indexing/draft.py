"""A new generation of an index while it is being written. Passages go to the disk as they come; what stays in memory is
a few hundred bytes for each.

Which passages are near-duplicates is decided here, over all sources in their order. A passage with a rule is never one:
the same text under other keys is another entry.
"""

import os
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from knowledge.documents import Audience, Passage, Rule, heading, sought
from knowledge.indexing.duplicates import NearDuplicates
from knowledge.indexing.entries import Entry, Marked, Told, key
from knowledge.indexing.manifest import IndexFile, Kind, file_name, sealed
from knowledge.indexing.nearest import MOST_COMPARED, cells
from knowledge.indexing.wordindex import Counting
from knowledge.shelf import Vector

_told = msgspec.json.Decoder(Told)
_BLOCK = 1024
"""Vectors that are written at a time."""


class Draft:
    """Files of a generation, and what they will hold.

    Args:
        generation: A part of their names that no other build uses.
    """

    def __init__(self, folder: Path, generation: str) -> None:
        self.folder, self.generation = folder, generation
        self.keys: list[bytes] = []
        self.seen = self.vectors = 0
        self._kinds: list[Kind] = ["passages.jsonl"]
        self._places = array("q")
        self._private: dict[int, Audience] = {}
        self._rules: dict[int, Rule] = {}
        self._counting, self._duplicates = Counting(), NearDuplicates()
        self._file = self.path("passages.jsonl").open("w+b")

    def __len__(self) -> int:
        """Passages that can be found."""
        return len(self.keys)

    @property
    def dropped(self) -> int:
        """Near-duplicates so far."""
        return self.seen - len(self)

    @property
    def size(self) -> int:
        """Bytes of passages so far."""
        return self._file.tell()

    def add(self, entry: Entry, line: bytes) -> None:
        """Adds a passage.

        Args:
            line: The entry as it is written, with its line end.
        """
        passage, start = entry.passage, self._file.tell()
        self._file.write(line)
        self.seen += 1
        if passage.rule or self._duplicates.is_new(passage.text, title=heading(passage), audience=passage.audience):
            self._take(entry, start, start + len(line))

    def texts(self, rows: Iterable[int]) -> list[str]:
        """What is searched of passages. To be asked once all are added."""
        return [sought(passage) for passage in self._passages(rows)]

    def save_words(self) -> None:
        """Writes the word index, and what is to be known of rows without reading them."""
        self._file.flush()
        self._save_array("rows.npy", np.frombuffer(self._places, np.int64).reshape(-1, 2))
        marked = Marked(private=self._private, rules=self._rules)
        self.path("marked.json").write_bytes(msgspec.json.encode(marked))
        self._kinds += ["marked.json", *self._counting.save(self.folder, self.generation)]

    def save_vectors(self, vector: Callable[[bytes], Vector | None], dimension: int) -> None:
        """Writes the vectors of those rows that have one.

        Args:
            vector: The vector of a key.
        """
        keys = np.frombuffer(b"".join(self.keys), np.uint8).reshape(-1, 16)
        self._save_array("keys.npy", keys)
        rows = [row for row, each in enumerate(self.keys) if vector(each) is not None]
        self.vectors = len(rows)
        if not rows:
            return
        self._save_array("vector_rows.npy", np.array(rows, np.int64))
        found = (each for row in rows if (each := vector(self.keys[row])) is not None)
        self._kinds.append("vectors.npy")
        # Not through a mapped file: on a full disk, writing to one kills the process.
        with self.path("vectors.npy").open("wb") as file:
            head = {"descr": "<f4", "fortran_order": False, "shape": (len(rows), dimension)}
            np.lib.format.write_array_header_1_0(file, head)
            for block in _blocks(found):
                file.write(np.stack(block).astype("<f4").tobytes())

    def save_cells(self) -> None:
        """Writes what makes a search among many vectors quick; nothing where there are few."""
        if "vectors.npy" not in self._kinds:
            return
        vectors = np.asarray(np.load(self.path("vectors.npy"), mmap_mode="r"))
        if len(vectors) > MOST_COMPARED:
            found = cells(vectors)
            self._save_array("centroids.npy", found.centroids)
            self._save_array("cells.npy", found.of)

    def sealed(self) -> dict[str, IndexFile]:
        """All files, as they lie on the disk."""
        names = [file_name(kind, self.generation) for kind in self._kinds]
        return {name: sealed(self.folder / name) for name in names}

    def path(self, kind: Kind) -> Path:
        return self.folder / file_name(kind, self.generation)

    def close(self) -> None:
        self._file.close()

    def _take(self, entry: Entry, start: int, end: int) -> None:
        passage, row = entry.passage, len(self)
        self._places.extend((start, end))
        self.keys.append(key(sought(passage)))
        self._counting.add(entry.terms)
        if passage.audience is not None:
            self._private[row] = passage.audience
        if passage.rule is not None:
            self._rules[row] = passage.rule

    def _passages(self, rows: Iterable[int]) -> Iterator[Passage]:
        self._file.flush()
        for row in rows:
            start, end = self._places[2 * row : 2 * row + 2]
            yield _told.decode(os.pread(self._file.fileno(), end - start, start)).passage

    def _save_array(self, kind: Kind, array: NDArray[np.generic]) -> None:
        np.save(self.path(kind), array, allow_pickle=False)
        self._kinds.append(kind)


def _blocks(vectors: Iterator[Vector]) -> Iterator[Sequence[Vector]]:
    while block := list(islice(vectors, _BLOCK)):
        yield block
