"""The manifest: what an index was made from, by what, and the size and digest of each of its files.

Invariant: it is written last and in one step, and it alone makes a build valid. The files of an index carry its
generation in their names, so that a build never touches what an older manifest speaks of: whatever happens, either the
old index or the new one is whole. Knows what files are called, not what is in them.
"""

import os
import re
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Literal

import msgspec

from knowledge.errors import UnusableIndexError

FILE = "manifest.json"
VERSION = 1
"""Grows whenever files of an index are laid out otherwise."""

Kind = Literal[
    "passages.jsonl", "rows.npy", "keys.npy", "marked.json", "vectors.npy", "vector_rows.npy", "centroids.npy",
    "cells.npy", "words.json", "terms.json", "postings.npy", "scores.npy", "starts.npy",
]  # fmt: skip
"""Files of an index; it has only those that it needs."""
_NAME = re.compile(r"[a-z_]+-[0-9a-f]{8}\.(?:jsonl?|npy)")
_LARGEST = 64 << 20
"""Bytes of a manifest: about 200,000 files."""


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a source that was left out, or all of it."""

    problem: str
    place: str = ""


class SourceRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file that the index was made from.

    Args:
        digest: "" for one that could not be opened.
        passages: How many it gave, near-duplicates among them.
        bytes: How many of `passages.jsonl` they take up; the sources follow each other there by name.
    """

    digest: str
    size: int
    mtime_ns: int
    documents: int
    passages: int
    bytes: int
    skipped: tuple[Fault, ...] = ()


class IndexFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of the index."""

    size: int
    digest: str


class Parameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What decides, with the sources, which passages and terms an index has: sizes in tokens, versions of our code."""

    target: int
    most: int
    reading: int
    passages: int
    terms: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `manifest.json` holds.

    Args:
        generation: The part of file names that tells builds apart.
        embedder: Its identity.
        dimension: Of the vectors; 0 where there are none.
        passages: How many can be found.
        dropped: How many near-duplicates can't.
        vectors: How many passages can be found by meaning: those that the embedder reads.
        libraries: Versions that it was made with.
        digest: Of all the rest; "" until it is written.
    """

    version: int
    generation: str
    embedder: str
    dimension: int
    parameters: Parameters
    sources: dict[str, SourceRecord]
    files: dict[str, IndexFile]
    documents: int
    passages: int
    dropped: int
    vectors: int
    built: datetime
    libraries: dict[str, str]
    digest: str = ""

    def has(self, kind: Kind) -> bool:
        return file_name(kind, self.generation) in self.files

    @property
    def bytes(self) -> int:
        """What the index takes up on the disk."""
        return sum(file.size for file in self.files.values())


class _Version(msgspec.Struct):
    """The part of a manifest that stays the same in all its versions."""

    version: int


def read(folder: Path) -> Manifest:
    """Reads the manifest of an index.

    Raises:
        UnusableIndexError: There is none, or it is damaged or foreign.
    """
    try:
        with (folder / FILE).open("rb") as file:
            raw = file.read(_LARGEST + 1)
    except FileNotFoundError:
        raise UnusableIndexError(str(folder), "there is none") from None
    except OSError as error:
        raise UnusableIndexError(str(folder), f"its {FILE} can't be read: {error.strerror}") from None
    try:
        version = msgspec.json.decode(raw, type=_Version).version
        if version != VERSION:
            raise UnusableIndexError(str(folder), f"it is of version {version}, and this program reads {VERSION}")
        manifest = msgspec.json.decode(raw, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UnusableIndexError(str(folder), f"its {FILE} is damaged, or no manifest of ours") from None
    if manifest.digest != _digest(manifest):
        raise UnusableIndexError(str(folder), f"its {FILE} is damaged")
    if strange := [name for name in manifest.files if not _NAME.fullmatch(name)]:
        raise UnusableIndexError(str(folder), f"its {FILE} names a file that no index has: {strange[0]!r}")
    return manifest


def write(folder: Path, manifest: Manifest) -> None:
    """Puts a manifest in place of the one before, in one step: either of them is there, whole, at any time."""
    fresh = folder / f"{FILE}.new"
    with fresh.open("wb") as file:
        signed = msgspec.structs.replace(manifest, digest=_digest(manifest))
        file.write(msgspec.json.format(msgspec.json.encode(signed), indent=1))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(folder / FILE)
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _digest(manifest: Manifest) -> str:
    plain = msgspec.structs.replace(manifest, digest="")
    return blake2b(msgspec.json.encode(plain), digest_size=16).hexdigest()


def file_name(kind: Kind, generation: str) -> str:
    """What a file of a generation is called."""
    stem, suffix = kind.rsplit(".", 1)
    return f"{stem}-{generation}.{suffix}"


def measured(path: Path) -> IndexFile:
    """Size and digest of a file as it lies there."""
    hasher = blake2b(digest_size=16)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            hasher.update(block)
        return IndexFile(size=file.tell(), digest=hasher.hexdigest())


def sealed(path: Path) -> IndexFile:
    """Sees a file that was just written through to the disk, and measures it."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return measured(path)


def is_complete(folder: Path, manifest: Manifest) -> bool:
    """Whether all files are there in their sizes; what is in them is not looked at."""
    try:
        return all((folder / name).stat().st_size == file.size for name, file in manifest.files.items())
    except OSError:
        return False


def damaged(folder: Path, manifest: Manifest) -> list[str]:
    """Names of the files that are not as they were written; every byte is read."""
    return [name for name, file in manifest.files.items() if not _is_intact(folder / name, file)]


def _is_intact(path: Path, file: IndexFile) -> bool:
    try:
        return path.stat().st_size == file.size and measured(path) == file
    except OSError:
        return False


def sweep(folder: Path, keep: Manifest | None) -> None:
    """Takes away the files of all generations but that of `keep`; nothing else that lies there."""
    for path in folder.iterdir():
        if _NAME.fullmatch(path.name) and (keep is None or path.name not in keep.files):
            path.unlink(missing_ok=True)
