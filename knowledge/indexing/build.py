"""Builds an index from files, and tells whether one still holds.

Only what changed is done anew: files with the same bytes are not read again, texts that have a vector are not embedded
again, and where nothing changed nothing is written and no model is loaded. The manifest is written last: whenever a
build is ended, by whatever, the index before it stays whole, and the next build takes up the vectors made so far. One
build at a time works on a folder; another one waits. Knows no roles and no rooms.
"""

import errno
import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from knowledge.embed import NONE, fetch, identity
from knowledge.errors import KnowledgeError, UnusableIndexError
from knowledge.indexing import journal, manifest
from knowledge.indexing.earlier import Earlier
from knowledge.indexing.estimate import Estimate, estimate
from knowledge.indexing.making import Making, Progress, Tell, parameters
from knowledge.indexing.manifest import Manifest
from knowledge.indexing.passages import SIZE, Size
from knowledge.indexing.survey import Look, survey
from knowledge.reading import Skipped, find_files

__all__ = ["Estimate", "Progress", "State", "Summary", "build", "estimate", "state"]

_REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "make room on the disk: what was done is kept"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "see to it that the folder may be written to"),
}

State = Literal["fresh", "missing", "stale", "damaged"]


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a build.

    Args:
        files: Sources, with those that could not be read.
        kept: Files that were as before; `changed` ones, with the new ones; `removed` ones, which are gone.
        passages: That can be found; without `dropped`, the near-duplicates among them.
        embedded: Texts that got a vector in this build.
        unread: Passages that the embedder can't read: they are found by their words only.
        bytes: Size of the index.
    """

    files: int
    kept: int
    changed: int
    removed: int
    documents: int
    passages: int
    dropped: int
    embedded: int
    unread: int
    skipped: tuple[Skipped, ...]
    bytes: int
    seconds: float


def build(
    folder: Path,
    roots: Sequence[Path],
    base: Path,
    spec: str,
    *,
    size: Size = SIZE,
    fresh: bool = False,
    progress: Tell | None = None,
) -> Summary:
    """Brings an index up to date with its sources, or makes it.

    Args:
        folder: Where the index lies; made if it is not there.
        roots: Files and folders inside `base`, whose names are relative to it.
        spec: The embedder, see `embed.identity`.
        fresh: Whether nothing is taken over from what was made before.
        progress: Told now and then, at least once for each file and each BATCH of passages.

    Raises:
        EmbedderError: It is needed and can't be loaded.
        KnowledgeError: The index can't be written; the one before it is as it was.
    """
    started = time.monotonic()
    with _told(folder), _locked(folder):
        fetch(spec)
        found = find_files(roots, base)
        earlier = Earlier(folder, parameters(size), identity(spec))
        if fresh:
            earlier.forget()
            journal.sweep(folder)
        looks = survey(found.files, earlier.sources)
        result, embedded = earlier.manifest, 0
        if result is None or not earlier.is_whole or not _same(looks, result):
            making = Making(folder, earlier, spec, size, progress or (lambda now: None))
            result, embedded = making.make(looks)
    return _summary(result, looks, found.skipped, earlier, embedded, time.monotonic() - started)


def state(folder: Path, roots: Sequence[Path], base: Path, spec: str, size: Size = SIZE) -> State:
    """Whether an index holds what its sources hold now; quick: a file is read only where its size or date changed.

    Bytes of the index are looked at when it is opened and when it is built, not here.
    """
    try:
        known = manifest.read(folder)
    except UnusableIndexError:
        return "damaged" if os.path.lexists(folder / manifest.FILE) else "missing"
    if not manifest.is_complete(folder, known):
        return "damaged"
    if known.embedder != identity(spec) or known.parameters != parameters(size):
        return "stale"
    return "fresh" if _same(survey(find_files(roots, base).files, known.sources), known) else "stale"


def _same(looks: Sequence[Look], known: Manifest) -> bool:
    """Whether the sources are those that an index was made from."""
    return len(looks) == len(known.sources) and all(look.before for look in looks)


def _summary(
    result: Manifest, looks: Sequence[Look], skipped: Sequence[Skipped], earlier: Earlier, embedded: int, seconds: float
) -> Summary:
    before = earlier.manifest.sources if earlier.manifest else {}
    kept = sum(1 for look in looks if look.before)
    faults = [
        Skipped(file=name, place=fault.place, problem=fault.problem)
        for name, source in result.sources.items()
        for fault in source.skipped
    ]
    return Summary(
        files=len(looks),
        kept=kept,
        changed=len(looks) - kept,
        removed=len(before.keys() - result.sources.keys()),
        documents=result.documents,
        passages=result.passages,
        dropped=result.dropped,
        embedded=embedded,
        unread=result.passages - result.vectors if result.embedder != NONE else 0,
        skipped=(*skipped, *faults),
        bytes=result.bytes,
        seconds=seconds,
    )


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keeps other builds away from a folder; waits until one that is at work has ended."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Tells a user what the system has to say against writing."""
    try:
        yield
    except OSError as error:
        # numpy tells of a short write without a number
        remedy = _REMEDIES.get(error.errno or errno.ENOSPC, "see to that and build it again")
        problem = error.strerror or str(error)
        raise KnowledgeError(
            f"the index {folder} can't be written: {problem}; {remedy}. What was there before is as it was"
        ) from error
