"""From files to documents: which files there are, which format reads each of them, and what they hold.

Invariant: nothing is opened whose real path lies outside `base`, nothing but regular files is read, and a file that
can't be read is named and costs only itself. Knows no passages and no index; the formats are behind `sources.load`.
"""

import ast
import errno
import logging
import os
import re
import stat
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import cast

import msgspec

from knowledge import sources
from knowledge.documents import Document
from knowledge.errors import UnreadableError
from knowledge.sources.base import HEAD, SourceFile

MOST_ENTRIES, MOST_DEPTH = 100_000, 32
MOST_TOLD = 20
"""Faults of one file that are told one by one."""

_IGNORED = ("__MACOSX", "Thumbs.db", "desktop.ini")
_UNPACK, _SAVE = "unpack it", "save it as text, Markdown or HTML"
_REMEDIES = {
    **dict.fromkeys((".zip", ".7z", ".gz", ".bz2", ".xz", ".tar", ".tgz", ".rar", ".zst"), _UNPACK),
    **dict.fromkeys((".docx", ".doc", ".odt", ".rtf", ".pdf", ".epub", ".mobi", ".azw3"), _SAVE),
}
_SUFFIXES = re.compile(r"^SUFFIXES\b[^=\n]*= (\(.*?\))", re.MULTILINE | re.DOTALL)

log = logging.getLogger(__name__)


class Skipped(msgspec.Struct, frozen=True, kw_only=True):
    """What was not read: a file, or a place in it, and why."""

    file: str
    problem: str
    place: str = ""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The files below some roots, each once, by name."""

    files: tuple[SourceFile, ...]
    skipped: tuple[Skipped, ...]


def find_files(roots: Sequence[Path], base: Path) -> Found:
    """Finds the regular files in folders, or given by themselves, in an order that is the same on every machine.

    Args:
        roots: Files and folders inside `base`; they may overlap.
        base: What nothing may lead out of, by a link or otherwise; names are relative to it.
    """
    search = _Search(base)
    for root in roots:
        search.add(root)
    return search.found()


class _Search:
    """Walks folders. Links wait until all else is done, so that a file has its own name and not that of a link."""

    def __init__(self, base: Path) -> None:
        self._base, self._real_base = os.path.abspath(base), os.path.realpath(base)
        self._seen: set[str] = set()
        self._files: dict[str, str] = {}
        """Name by real path."""
        self._links: list[tuple[str, str, int]] = []
        self._skipped: set[Skipped] = set()
        self._entries = 0

    def add(self, root: Path) -> None:
        """Takes a file or folder that the user named."""
        path = os.path.abspath(root)
        if os.path.islink(path):
            self._links.append((path, self._name(path), 0))
        else:
            self._follow(path, self._name(path), 0)

    def found(self) -> Found:
        while self._links:
            self._follow(*self._links.pop(0))
        if self._entries > MOST_ENTRIES:
            self._skip(Path(self._base).name, f"it holds more than {MOST_ENTRIES:,} entries: some are not read")
        names = sorted((_printable(name), path) for path, name in self._files.items())
        return Found(
            files=tuple(SourceFile(name=name, path=Path(path)) for name, path in names),
            skipped=tuple(sorted(self._skipped, key=lambda skipped: (skipped.file, skipped.problem))),
        )

    def _follow(self, path: str, name: str, depth: int) -> None:
        """Goes where a root or a link leads."""
        try:
            real = os.path.realpath(path, strict=True)
        except (OSError, ValueError) as error:  # gone, forbidden, or a loop of links
            return self._skip(name, _why(error))
        if not Path(real).is_relative_to(self._real_base):
            return self._skip(name, "it leads out of the folder: put the file itself there")
        return self._take(real, name, depth)

    def _take(self, real: str, name: str, depth: int) -> None:
        if real in self._seen:
            return
        self._seen.add(real)
        try:
            mode = os.lstat(real).st_mode
            if stat.S_ISREG(mode):
                self._files[real] = name
            elif not stat.S_ISDIR(mode):
                self._skip(name, "it is neither a file nor a folder")
            elif depth == MOST_DEPTH:
                self._skip(name, f"it is nested deeper than {MOST_DEPTH} folders")
            else:
                self._walk(real, name, depth)
        except OSError as error:
            self._skip(name, _why(error))

    def _walk(self, real: str, name: str, depth: int) -> None:
        """Takes what lies in a folder whose real path is known: so is that of all in it but links."""
        with os.scandir(real) as entries:
            inner = sorted((entry.name, entry.is_symlink()) for entry in entries if not _hidden(entry.name))
        for entry, link in inner:
            self._entries += 1
            below = (f"{real}/{entry}", entry if name == "." else f"{name}/{entry}", depth + 1)
            if self._entries > MOST_ENTRIES:
                return
            if link:
                self._links.append(below)
            else:
                self._take(*below)

    def _name(self, path: str) -> str:
        """Relative to the base; a root that was given by another way to the same place is named by its real path."""
        for base, inner in ((self._base, path), (self._real_base, os.path.realpath(path))):
            if Path(inner).is_relative_to(base):
                return Path(inner).relative_to(base).as_posix()
        return path

    def _skip(self, name: str, problem: str) -> None:
        self._skipped.add(Skipped(file=_printable(name), problem=problem))


def format_of(file: SourceFile) -> str:
    """Names the format that reads a file: by its suffix, then by how it begins.

    Raises:
        UnreadableError: None does; the text says what to do.
    """
    suffix = PurePosixPath(file.name).suffix.lower()
    formats = [name for name in sources.names() if suffix in _suffixes(name)]
    if not formats:
        raise UnreadableError(file.name, _unknown(suffix))
    with _mapped(file), file.open() as stream:
        head = stream.read(HEAD)
        for name in formats:
            if sources.load(name).claims(head):
                return name
        kinds = " or ".join(sources.load(name).HELP for name in formats)
    raise UnreadableError(file.name, f"it does not begin as {suffix} files that can be read do: {kinds}")


def read(file: SourceFile) -> Iterator[Document]:
    """Reads the documents of a file, in order; those without text are passed over.

    Only the first faults are told to `file.skip` one by one; a file that holds nothing at all is told too.

    Raises:
        UnreadableError: It can't be read, or not to its end.
    """
    told, empty = _Told(file.skip), True
    with _mapped(file):
        for document in sources.load(format_of(file)).read(msgspec.structs.replace(file, skip=told.skip)):
            if any(section.text.strip() for section in document.sections):
                empty = False
                yield document if document.title.strip() else msgspec.structs.replace(document, title=file.stem)
    told.finish()
    if empty and not told.count:
        file.skip("", "there is no text in it")


def digest(file: SourceFile) -> str:
    """A digest of a file's bytes: 32 characters.

    Raises:
        UnreadableError: It can't be opened.
    """
    with _mapped(file), file.open() as stream:
        hasher = blake2b(digest_size=16)
        while block := stream.read(1 << 20):
            hasher.update(block)
    return hasher.hexdigest()


class _Told:
    """Tells the first faults of a file, and of the others how many there are."""

    def __init__(self, skip: Callable[[str, str], None]) -> None:
        self._skip, self.count = skip, 0

    def skip(self, place: str, problem: str) -> None:
        self.count += 1
        if self.count <= MOST_TOLD:
            self._skip(place, problem)

    def finish(self) -> None:
        if self.count > MOST_TOLD:
            self._skip("", f"{self.count - MOST_TOLD:,} more places have faults like these")


@contextmanager
def _mapped(file: SourceFile) -> Iterator[None]:
    """Whatever goes wrong with a file is told of that file."""
    try:
        yield
    except UnreadableError:
        raise
    except OSError as error:
        raise UnreadableError(file.name, _why(error)) from None
    except RecursionError:
        raise UnreadableError(file.name, "it is nested too deeply") from None
    except MemoryError:
        raise UnreadableError(file.name, "there is not enough memory to read it: split it into several files") from None
    except Exception as error:
        log.exception("reading %s", file.name)
        raise UnreadableError(file.name, f"it can't be read, by a fault of ours: {error!r}") from error


def _why(error: Exception) -> str:
    """What a user is told when a path can't be followed or a file not opened."""
    if getattr(error, "errno", 0) == errno.ELOOP:
        return "its links lead in a circle"
    return f"it can't be read: {getattr(error, 'strerror', None) or error}"


def _hidden(name: str) -> bool:
    """Whether a file is of no concern to people: hidden, a backup, or an operating system's own."""
    return name.startswith((".", "~")) or name.endswith("~") or name in _IGNORED


def _printable(name: str) -> str:
    """A name that can be written and shown anywhere: what is no text in it is escaped."""
    odd = {char for char in name if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")}
    return name.translate({ord(char): char.encode("unicode_escape").decode() for char in odd})


def _unknown(suffix: str) -> str:
    if suffix in _REMEDIES:
        return f"{suffix} files are not read: {_REMEDIES[suffix]}"
    known = sorted({known for name in sources.names() for known in _suffixes(name)})
    return f"{suffix + ' files' if suffix else 'files without a suffix'} are not read; these are: {' '.join(known)}"


@cache
def _suffixes(name: str) -> tuple[str, ...]:
    """What a format says of SUFFIXES, from its text: asking the module would import it, and its libraries with it."""
    spec = find_spec(f"{sources.__name__}.{name}")
    found = _SUFFIXES.search(Path(spec.origin).read_text("utf-8")) if spec and spec.origin else None
    assert found, f"{name} has no SUFFIXES"
    return cast(tuple[str, ...], ast.literal_eval(found[1]))
