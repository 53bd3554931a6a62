"""Which sources are as they were when the index was built: by size and date, by their bytes only where these differ.

A copied folder has new dates, so a date alone never makes a file a changed one. Reads no document.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from knowledge.errors import UnreadableError
from knowledge.indexing.manifest import SourceRecord
from knowledge.reading import digest
from knowledge.sources.base import SourceFile


class Look(NamedTuple):
    """A source as it is now.

    Args:
        digest: "" for one that can't be opened.
        problem: Why it can't.
        before: What the index says of it, if that still holds.
    """

    file: SourceFile
    size: int
    mtime_ns: int
    digest: str
    problem: str
    before: SourceRecord | None


def survey(files: Iterable[SourceFile], sources: Mapping[str, SourceRecord]) -> list[Look]:
    """Looks at files, in their order.

    Args:
        sources: What the index was made from.
    """
    return [_look(file, sources.get(file.name)) for file in files]


def _look(file: SourceFile, before: SourceRecord | None) -> Look:
    try:
        size, mtime_ns = file.size, file.path.stat().st_mtime_ns
    except OSError:
        size = mtime_ns = 0
    if before and before.digest and (before.size, before.mtime_ns) == (size, mtime_ns):
        return Look(file, size, mtime_ns, before.digest, "", before)
    try:
        found, problem = digest(file), ""
    except UnreadableError as error:
        found, problem = "", error.problem
    return Look(file, size, mtime_ns, found, problem, before if before and before.digest == found else None)
