"""One build of an index, from files to manifest: reading, embedding, writing.

What an earlier build left is used where it still holds. Knows no locks, and trusts that nobody else writes there.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from secrets import token_hex
from typing import Literal

import msgspec
import numpy as np

from knowledge.embed import NONE, Embedder, identity, open_embedder
from knowledge.indexing import journal, manifest, passages
from knowledge.indexing.draft import Draft
from knowledge.indexing.earlier import Earlier
from knowledge.indexing.gathering import Gathering
from knowledge.indexing.manifest import Manifest, Parameters, SourceRecord
from knowledge.indexing.passages import Size
from knowledge.indexing.survey import Look
from knowledge.language import terms
from knowledge.shelf import Vector, Vectors

READING = 2
"""Grows whenever formats give other documents from the same files; an index of another version is built anew."""
BATCH = 64
"""Passages that are read, or embedded and put on the disk, between two calls of `progress`."""
_LIBRARIES = ("bm25s", "faiss-cpu", "jieba", "numpy", "PyStemmer", "sentence-transformers")

Stage = Literal["reading", "embedding", "writing"]


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a build has come.

    Args:
        done: Of `total`: bytes of the sources while reading, texts while embedding, steps while writing.
        passages: Found so far.
    """

    stage: Stage
    done: int
    total: int
    passages: int


Tell = Callable[[Progress], None]


class Making:
    """One build.

    Args:
        earlier: The index that is there.
        spec: The embedder.
        size: Of passages.
        tell: Is told how far it has come.
    """

    def __init__(self, folder: Path, earlier: Earlier, spec: str, size: Size, tell: Tell) -> None:
        self._folder, self._earlier, self._spec, self._size, self._tell = folder, earlier, spec, size, tell
        self._journal = journal.Journal(folder, identity(spec))
        self._draft: Draft

    def make(self, looks: Sequence[Look]) -> tuple[Manifest, int]:
        """Gives the new manifest, and how many texts were embedded."""
        manifest.sweep(self._folder, self._earlier.manifest)
        self._draft, result = Draft(self._folder, token_hex(4)), None
        try:
            sources = self._read(looks)
            embedded = self._embed() if self._spec != NONE else 0
            result = self._write(sources)
        finally:
            with suppress(OSError):  # a full disk is told by whoever met it first
                self._draft.close()
            with suppress(OSError):
                manifest.sweep(self._folder, result or self._earlier.manifest)
        with suppress(OSError):
            journal.sweep(self._folder)
        return result, embedded

    def _read(self, looks: Sequence[Look]) -> dict[str, SourceRecord]:
        """Puts the passages of all sources into the draft."""
        sources: dict[str, SourceRecord] = {}
        done, total = 0, sum(look.size for look in looks)
        for look in looks:
            gathering = Gathering(look, self._earlier, self._size)
            for entry, line in gathering:
                self._draft.add(entry, line)
                if self._draft.seen % BATCH == 0:
                    self._say("reading", done + gathering.read_bytes(), total)
            sources[look.file.name] = gathering.record()
            done += look.size
            self._say("reading", done, total)
        return sources

    def _embed(self) -> int:
        """Puts a vector of each new text into the journal; says of how many."""
        first: dict[bytes, int] = {}
        for row, key in enumerate(self._draft.keys):
            if key not in self._earlier and key not in self._journal:
                first.setdefault(key, row)
        embedder = open_embedder(self._spec) if first else None
        if embedder is None:
            return 0
        todo = list(first.items())
        self._say("embedding", 0, len(todo))
        with self._journal.writing(embedder.dimension) as writing:
            for start in range(0, len(todo), BATCH):
                keys, rows = zip(*todo[start : start + BATCH], strict=True)
                writing.add(keys, _embedded(embedder, self._draft.texts(rows)))
                self._say("embedding", start + len(keys), len(todo))
        return len(todo)

    def _write(self, sources: dict[str, SourceRecord]) -> Manifest:
        """Writes what is not written yet, the manifest last."""
        dimension = self._earlier.dimension or self._journal.dimension
        steps: list[Callable[[], None]] = [self._draft.save_words]
        if self._spec != NONE:
            steps += [lambda: self._draft.save_vectors(self._vector, dimension), self._draft.save_cells]
        for done, step in enumerate(steps):
            self._say("writing", done, len(steps))
            step()
        result = self._manifest(sources, dimension)
        self._say("writing", len(steps), len(steps))
        manifest.write(self._folder, result)
        return result

    def _vector(self, key: bytes) -> Vector | None:
        """Of a text that was embedded in this build or before; None where the embedder can't read it."""
        if key in self._earlier:
            return self._earlier.vector(key)
        found = self._journal.vector(key)
        return found if found.any() else None

    def _manifest(self, sources: dict[str, SourceRecord], dimension: int) -> Manifest:
        return Manifest(
            version=manifest.VERSION,
            generation=self._draft.generation,
            embedder=identity(self._spec),
            dimension=dimension,
            parameters=parameters(self._size),
            sources=sources,
            files=self._draft.sealed(),
            documents=sum(source.documents for source in sources.values()),
            passages=len(self._draft),
            dropped=self._draft.dropped,
            vectors=self._draft.vectors,
            built=datetime.now(UTC),
            libraries={name: version(name) for name in _LIBRARIES},
        )

    def _say(self, stage: Stage, done: int, total: int) -> None:
        self._tell(Progress(stage=stage, done=done, total=total, passages=len(self._draft)))


def _embedded(embedder: Embedder, texts: Sequence[str]) -> Vectors:
    """Vectors of texts; zeros for those that the embedder can't read."""
    vectors = np.zeros((len(texts), embedder.dimension), np.float32)
    rows = [row for row, text in enumerate(texts) if embedder.reads(text)]
    vectors[rows] = embedder.encode([texts[row] for row in rows])
    return vectors


def parameters(size: Size) -> Parameters:
    """What an index of these sizes is made with, by the code as it is."""
    return Parameters(
        target=size.target, most=size.most, reading=READING, passages=passages.VERSION, terms=terms.VERSION
    )
