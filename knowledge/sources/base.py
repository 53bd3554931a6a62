"""The contract of a source format, and the file that it is handed.

A format is a module with `HELP`, `SUFFIXES`, `claims` and `read`. It knows its format and nothing of folders, indexes
or roles. It is deterministic: the same bytes, the same documents. It never follows a link out of its file, opens no
network, resolves no entity and runs nothing that it finds.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

import msgspec

from knowledge.documents import Document

HEAD = 4096
"""Bytes of a file that `claims` is shown."""


class SourceFile(msgspec.Struct, frozen=True, kw_only=True):
    """A regular file that may be read; how it was found and checked is reading.py's business.

    Args:
        name: Relative to what was indexed, with `/`: the `source` of its documents.
        path: The real path.
        skip: Tells of a part that can't be read: a place as `line 12`, and what is wrong. The rest is read on.
    """

    name: str
    path: Path
    skip: Callable[[str, str], None] = lambda place, problem: None

    @property
    def stem(self) -> str:
        """A title for a document without one: the file's name, without suffix, with spaces."""
        return self.path.stem.replace("_", " ").replace("-", " ").strip() or self.path.name

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    def open(self) -> BinaryIO:
        """Opens it for streaming."""
        return self.path.open("rb")


class Source(Protocol):
    """What a module in this folder defines."""

    HELP: str
    """What it reads, in a few words, as `MediaWiki XML exports`."""
    SUFFIXES: tuple[str, ...]
    """File name endings that may be this format, in small letters and with their dot."""
    __doc__: str | None

    def claims(self, head: bytes) -> bool:
        """Whether a file with such a suffix that begins so is of this format; the first that claims it reads it."""
        ...

    def read(self, file: SourceFile) -> Iterator[Document]:
        """Reads the documents of a file, in order.

        Raises:
            UnreadableError: The file as a whole can't be read. A part that can't is told to `file.skip`.
        """
        ...
