"""The passages of one source: read from it, or taken over from the index where it is as it was."""

from collections.abc import Iterator
from typing import BinaryIO

from knowledge.documents import Document, sought
from knowledge.errors import UnreadableError
from knowledge.indexing.earlier import Earlier
from knowledge.indexing.entries import Entry, encode
from knowledge.indexing.manifest import Fault, SourceRecord
from knowledge.indexing.passages import Size, split
from knowledge.indexing.survey import Look
from knowledge.language.terms import terms
from knowledge.reading import read
from knowledge.sources.base import SourceFile


class Gathering:
    """Passages of a source, in its order; to be gone through once.

    Args:
        look: The source.
        earlier: Has its passages, if `look.before` holds.
        size: Of passages.
    """

    def __init__(self, look: Look, earlier: Earlier, size: Size) -> None:
        self._look, self._earlier, self._size = look, earlier, size
        self._documents = self._passages = self._bytes = 0
        self._faults: list[Fault] = []
        self._opened: list[BinaryIO] = []

    def __iter__(self) -> Iterator[tuple[Entry, bytes]]:
        """Entries, each as it is and as it is written."""
        for entry, line in self._earlier.entries(self._look.file.name) if self._look.before else self._read():
            self._passages += 1
            self._bytes += len(line)
            yield entry, line

    def read_bytes(self) -> int:
        """How far the source has been read."""
        last = self._opened[-1] if self._opened else None
        return self._look.size if last is None or last.closed else min(last.tell(), self._look.size)

    def record(self) -> SourceRecord:
        """What the manifest says of the source. To be asked at the end."""
        look, before = self._look, self._look.before
        return SourceRecord(
            digest=look.digest,
            size=look.size,
            mtime_ns=look.mtime_ns,
            documents=before.documents if before else self._documents,
            passages=self._passages,
            bytes=self._bytes,
            skipped=before.skipped if before else tuple(self._faults),
        )

    def _read(self) -> Iterator[tuple[Entry, bytes]]:
        if self._look.problem:
            self._skip("", self._look.problem)
            return
        file = self._look.file
        try:
            for document in read(_Watched(name=file.name, path=file.path, skip=self._skip, opened=self._opened)):
                self._documents += 1
                yield from self._entries(document)
        except UnreadableError as error:
            self._skip(error.place, error.problem)

    def _entries(self, document: Document) -> Iterator[tuple[Entry, bytes]]:
        for passage in split(document, size=self._size, first=self._passages):
            try:
                entry = Entry(passage=passage, terms=tuple(terms(sought(passage))))
                line = encode(entry) + b"\n"
            except UnicodeEncodeError:
                self._skip(passage.place, "it holds characters that are no text")
            else:
                yield entry, line

    def _skip(self, place: str, problem: str) -> None:
        self._faults.append(Fault(place=place, problem=problem))


class _Watched(SourceFile, frozen=True, kw_only=True):
    """A source whose reading can be followed, because large ones take minutes."""

    opened: list[BinaryIO]

    def open(self) -> BinaryIO:
        file = super().open()
        self.opened.append(file)
        return file
