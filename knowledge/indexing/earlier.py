"""What an earlier build left that the next one need not do again: passages of unchanged files, and vectors.

A damaged file costs only what is in it: whole vectors are used again although a word index is broken, and passages
although vectors are.
"""

from collections.abc import Iterator, Mapping
from itertools import accumulate
from pathlib import Path
from typing import cast

import msgspec
import numpy as np

from knowledge.errors import UnusableIndexError
from knowledge.indexing import manifest as manifests
from knowledge.indexing.entries import Entry
from knowledge.indexing.manifest import Kind, Manifest, Parameters, SourceRecord, file_name
from knowledge.shelf import Vector, Vectors

_entry = msgspec.json.Decoder(Entry)


class Earlier:
    """The index that a build finds.

    Args:
        parameters: Those of the new one: passages of others are of no use.
        embedder: The new one's identity: vectors of others are of no use.
    """

    def __init__(self, folder: Path, parameters: Parameters, embedder: str) -> None:
        self._folder, self.manifest, self._damaged = folder, _manifest(folder), set[str]()
        self._sources: dict[str, SourceRecord] = {}
        self._stretches: dict[str, tuple[int, int]] = {}
        self._places: dict[bytes, int] = {}
        self._vectors: Vectors = np.zeros((0, 0), np.float32)
        self.is_whole = False
        if self.manifest:
            self._damaged = set(manifests.damaged(folder, self.manifest))
            same = self.manifest.parameters == parameters
            self._sources = self.manifest.sources if same and self._has("passages.jsonl") else {}
            self._stretches = _stretches(self._sources)
            if self.manifest.embedder == embedder and self._has("keys.npy"):
                self._places = self._vector_places()
            self.is_whole = same and self.manifest.embedder == embedder and not self._damaged

    def forget(self) -> None:
        """Takes nothing over: all is made anew, and the index stays in place until that is done."""
        self._sources, self._stretches, self._places = {}, {}, {}
        self._vectors, self.is_whole = np.zeros((0, 0), np.float32), False

    @property
    def sources(self) -> dict[str, SourceRecord]:
        """Files whose passages are here."""
        return self._sources

    @property
    def dimension(self) -> int:
        """Of the vectors that are here; 0 where there are none."""
        return int(self._vectors.shape[1])

    def entries(self, name: str) -> Iterator[tuple[Entry, bytes]]:
        """What a source gave, each as it is and as it is written."""
        assert self.manifest
        start, length = self._stretches[name]
        with self._path("passages.jsonl").open("rb") as file:
            file.seek(start)
            while file.tell() < start + length:
                line = file.readline()
                yield _entry.decode(line), line

    def __contains__(self, key: bytes) -> bool:
        """Whether a text was seen by the embedder."""
        return key in self._places

    def vector(self, key: bytes) -> Vector | None:
        """The vector of a text that was seen; None for one that the embedder can't read."""
        place = self._places[key]
        return cast(Vector, self._vectors[place]) if place >= 0 else None

    def _vector_places(self) -> dict[bytes, int]:
        """Where the vector of each key is; -1 for none. Nothing is known where vectors are broken."""
        assert self.manifest
        places = np.full(self.manifest.passages, -1)
        if self.manifest.has("vectors.npy"):
            if not (self._has("vectors.npy") and self._has("vector_rows.npy")):
                return {}
            self._vectors = np.asarray(np.load(self._path("vectors.npy"), mmap_mode="r"))
            rows = np.load(self._path("vector_rows.npy"))
            places[rows] = np.arange(len(rows))
        keys = np.load(self._path("keys.npy"))
        return {key.tobytes(): int(place) for key, place in zip(keys, places, strict=True)}

    def _has(self, kind: Kind) -> bool:
        """Whether a file is there and whole."""
        assert self.manifest
        return self.manifest.has(kind) and file_name(kind, self.manifest.generation) not in self._damaged

    def _path(self, kind: Kind) -> Path:
        assert self.manifest
        return self._folder / file_name(kind, self.manifest.generation)


def _stretches(sources: Mapping[str, SourceRecord]) -> dict[str, tuple[int, int]]:
    """Where the passages of each source begin, and how many bytes they take up."""
    lengths = [(name, sources[name].bytes) for name in sorted(sources)]
    starts = accumulate((length for _, length in lengths), initial=0)
    return {name: (start, length) for (name, length), start in zip(lengths, starts, strict=False)}


def _manifest(folder: Path) -> Manifest | None:
    try:
        return manifests.read(folder)
    except UnusableIndexError:
        return None
