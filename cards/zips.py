"""Reading zip archives that strangers made: nothing is unpacked before the whole table of contents was looked at.

Invariant: every entry is a plain file below the archive's root, under a name that is one file on every system, packed
in a way that is known, and what comes out of it is never more than its limit. Knows nothing of what is in the files.
"""

import os
import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec

from knowledge.errors import UnreadableError

__all__ = ["BLOCK", "Archive", "Limits", "holds", "opened"]

BLOCK = 1 << 20
_MOST_TABLE = 16_000_000
"""Bytes of a table of contents."""
_FREE_RATIO = 10_000_000
"""Bytes up to which nobody asks how well they are packed."""
_RATIO = 200
_LONGEST_NAME, _DEEPEST = 300, 10
_ENCRYPTED = 0x1 | 0x40
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)
_REMEDY = "get it anew from somebody you trust"
_FAULTS: tuple[type[Exception], ...] = (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, struct.error, EOFError)
_FAULTS += (RuntimeError, ValueError, OverflowError, LookupError, OSError)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What an archive may hold: entries, and bytes when unpacked."""

    entries: int = 20_000
    total: int = 64 << 30


class Archive:
    """An open archive whose table of contents was looked at: `sizes` has the files by their names, `folders` those."""

    def __init__(self, zip: zipfile.ZipFile, label: str, limits: Limits, packed: int) -> None:
        self._zip, self._label = zip, label
        self._entries = _checked(zip.infolist(), label, limits, packed)
        self.sizes = {name: entry.file_size for name, entry in self._entries.items()}
        self.folders = frozenset(entry.filename for entry in zip.infolist() if entry.is_dir())

    def fault(self, name: str, problem: str, remedy: str = _REMEDY) -> UnreadableError:
        """A fault of an entry."""
        return _fault(self._label, name, problem, remedy)

    def read(self, name: str, limit: int) -> bytes:
        """A file as a whole."""
        if self.sizes[name] > limit:
            raise self.fault(name, f"it is larger than {limit:,} bytes")
        return b"".join(self.blocks(name))

    def blocks(self, name: str) -> Iterator[bytes]:
        """A file block by block, and never more of it than the table of contents says."""
        left = self.sizes[name]
        with _mapped(self._label, name), self._zip.open(self._entries[name]) as stream:
            while block := stream.read(BLOCK):
                left -= len(block)
                if left < 0:
                    break
                yield block
        if left:
            raise self.fault(name, "its size is not what the archive says")


@contextmanager
def opened(path: Path, limits: Limits) -> Iterator[Archive]:
    """Opens an archive and looks at its table of contents.

    Raises:
        UnreadableError: It is none, or there is something in it that must not be.
    """
    with _raw(path) as archive:
        yield Archive(archive, path.name, limits, path.stat().st_size)


def holds(path: Path, name: str) -> bool:
    """Whether a file is an archive with an entry of this name.

    Raises:
        UnreadableError: It can't be read, or is a damaged archive.
    """
    with _mapped(path.name), path.open("rb") as stream:
        if stream.read(2) != b"PK":
            return False
    with _raw(path) as archive:
        return name in archive.namelist()


@contextmanager
def _raw(path: Path) -> Iterator[zipfile.ZipFile]:
    with _mapped(path.name):
        stream = path.open("rb")
    with stream:
        with _mapped(path.name):
            _check_table(stream, path.name)
            archive = zipfile.ZipFile(stream)
        with archive:
            yield archive


@contextmanager
def _mapped(label: str, name: str = "") -> Iterator[None]:
    try:
        yield
    except _FAULTS as error:
        if isinstance(error, OSError) and error.strerror:
            raise UnreadableError(label, f"it can't be read: {error.strerror}") from None
        raise _fault(label, name, "it is damaged, or no zip archive", "copy it again") from None


def _fault(label: str, name: str, problem: str, remedy: str = _REMEDY) -> UnreadableError:
    shown = name if len(name) <= 120 else f"{name[:120]}…"
    return UnreadableError(label, f"{problem} ({remedy})", repr(shown) if name else "")


def _check_table(stream: BinaryIO, label: str) -> None:
    """Refuses a table of contents too large to be held in memory, before it is read."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - (1 << 16) - 98))
    tail = stream.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) < at + 22:
        raise UnreadableError(label, "it is damaged, or no zip archive (copy it again)")
    (length,) = struct.unpack("<I", tail[at + 12 : at + 16])
    if length == 0xFFFFFFFF and tail[at - 20 : at - 16] == b"PK\6\7":
        (place,) = struct.unpack("<Q", tail[at - 12 : at - 4])
        stream.seek(min(place, size))
        length = int.from_bytes(stream.read(48)[40:48], "little")
    if length > _MOST_TABLE:
        raise UnreadableError(label, f"its table of contents is too large ({_REMEDY})")


def _checked(entries: list[zipfile.ZipInfo], label: str, limits: Limits, packed: int) -> dict[str, zipfile.ZipInfo]:
    """The files by name. Folders are looked at and left out: most are made by their files."""
    if len(entries) > limits.entries:
        raise _fault(label, "", f"it has more than {limits.entries:,} entries")
    files: dict[str, zipfile.ZipInfo] = {}
    for entry in entries:
        problem = _name_problem(entry.orig_filename, entry.is_dir()) or _kind_problem(entry)
        if not problem and entry.filename in files:
            problem = "there are two of this name"
        if problem:
            raise _fault(label, entry.orig_filename, problem)
        if not entry.is_dir():
            files[entry.filename] = entry
    if clash := _clash(files):
        raise _fault(label, clash, "another name differs from it by case only, or is both a file and a folder")
    total = sum(entry.file_size for entry in files.values())
    if total > limits.total:
        raise _fault(label, "", f"it would unpack to more than {limits.total:,} bytes")
    if total > max(_FREE_RATIO, packed * _RATIO):
        raise _fault(label, "", f"it would unpack to more than {_RATIO} times its size")
    return files


def _name_problem(name: str, folder: bool) -> str:
    parts = (name[:-1] if folder and name.endswith("/") else name).split("/")
    if len(name) > _LONGEST_NAME or len(parts) > _DEEPEST:
        return "its path is too long or too deep"
    if "\0" in name or any(unicodedata.category(char) in ("Cc", "Cf", "Cs") for char in name):
        return "its name has invisible characters"
    if "\\" in name or ":" in name or any(char in '<>"|?*' for char in name):
        return "its name has a backslash, a colon or another character that not every system allows"
    if any(part in ("", ".", "..") for part in parts):
        return "its path leads out of the archive"
    if any(part.endswith((".", " ")) or _DEVICES.match(part) for part in parts):
        return "its name means something else on some systems"
    return ""


def _kind_problem(entry: zipfile.ZipInfo) -> str:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFDIR if entry.is_dir() else stat.S_IFREG):
        return "it is a link or no plain file"
    if entry.flag_bits & _ENCRYPTED:
        return "it is encrypted"
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "it is packed in an unusual way"
    if entry.is_dir() and entry.file_size:
        return "it is a folder with bytes of its own"
    return ""


def _clash(files: dict[str, zipfile.ZipInfo]) -> str:
    """A name that some systems can't have beside another one; "" if all is well."""
    seen: dict[str, str] = {}
    for name in files:
        parts = name.split("/")
        for depth in range(1, len(parts) + 1):
            path = "/".join(parts[:depth])
            mark = path if depth < len(parts) else f"{path}\0"  # a file's own
            key = unicodedata.normalize("NFC", path).casefold()
            if seen.setdefault(key, mark) != mark:
                return name
    return ""
