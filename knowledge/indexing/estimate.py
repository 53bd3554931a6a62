"""How long a build will take and how much room it needs, told before it begins: from a sample of its files.

Only the beginning of a large file is looked at, through the same formats that will read it; so it is quick for any
number and size of files, and about right: within a factor of two on wikis.
"""

import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import msgspec

from knowledge.embed import NONE
from knowledge.errors import UnreadableError
from knowledge.indexing.passages import split
from knowledge.reading import read
from knowledge.sources.base import SourceFile

PASSAGES_A_SECOND = 25
"""That the bundled embedder takes on two cores with nothing else to do."""
_READ_A_SECOND = 3000
_BYTES, _VECTOR = 2000, 1600
"""On the disk for each passage, and for its vector of 384 numbers."""
_SAMPLED = 32
"""Files that are looked at."""
_HEAD = 1 << 20
"""Bytes of each."""
_PATIENCE = 1.5
"""Seconds after which no further file is begun."""
_USUAL = 1 / 700
"""Passages a byte, where nothing of a kind could be read."""


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """What a build from nothing gives and takes; bytes are those of the index."""

    passages: int
    bytes: int
    seconds: float


class _Sampled(msgspec.Struct):
    bytes: int = 0
    passages: int = 0


def estimate(files: Sequence[SourceFile], spec: str) -> Estimate:
    """Estimates a build of these files.

    Args:
        spec: The embedder; other ones than the bundled are taken to be as quick.
    """
    sizes: defaultdict[str, int] = defaultdict(int)
    for file in files:
        sizes[_kind(file)] += _size(file)
    rates = _rates(files)
    passages = round(sum(size * rates.get(kind, _USUAL) for kind, size in sizes.items()))
    embedded = 0 if spec == NONE else passages
    return Estimate(
        passages=passages,
        bytes=passages * _BYTES + embedded * _VECTOR,
        seconds=passages / _READ_A_SECOND + embedded / PASSAGES_A_SECOND,
    )


def _rates(files: Sequence[SourceFile]) -> dict[str, float]:
    """Passages a byte, by kind of file."""
    kinds: defaultdict[str, _Sampled] = defaultdict(_Sampled)
    end = time.monotonic() + _PATIENCE
    with tempfile.TemporaryDirectory() as folder:
        for file in _spread(files):
            if time.monotonic() > end:
                break
            head, passages = _head(file, Path(folder))
            kinds[_kind(file)].bytes += head
            kinds[_kind(file)].passages += passages
    return {kind: sampled.passages / sampled.bytes for kind, sampled in kinds.items() if sampled.passages}


def _spread(files: Sequence[SourceFile]) -> Iterator[SourceFile]:
    """The largest file of each kind, which counts most, then some all over the rest."""
    largest = {_kind(file): file for file in sorted(files, key=_size)}
    yield from largest.values()
    yield from files[:: max(1, len(files) // _SAMPLED)]


def _head(file: SourceFile, folder: Path) -> tuple[int, int]:
    """Bytes and passages of a file's beginning; no passages where it can't be read by itself."""
    copy, passages = folder / f"head{_kind(file)}", 0
    try:
        with file.open() as opened:
            data = opened.read(_HEAD)
            if len(data) == _HEAD:  # to the last line end, which is no part of a character
                data = data[: data.rfind(b"\n") + 1] or data
        copy.write_bytes(data)
        for document in read(SourceFile(name=file.name, path=copy)):
            passages += sum(1 for _ in split(document))
    except (UnreadableError, OSError):
        return (len(data), passages) if passages else (0, 0)
    return len(data), passages


def _kind(file: SourceFile) -> str:
    return PurePosixPath(file.name).suffix.lower()


def _size(file: SourceFile) -> int:
    try:
        return file.size
    except OSError:
        return 0
