"""Reading files that somebody else wrote, without being led out of their folder, filled up or kept waiting.

Invariant: nothing is opened whose real path lies outside the root, nothing but regular files is read, and never more
than a limit. Knows neither TOML nor models; it speaks of files as the user would name them (`roles/mara/role.toml`).
"""

import os
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path

import msgspec

from chatroom.errors import FolderError

MOST_ENTRIES, MOST_DEPTH = 20_000, 8
"""Of a role folder: whoever has a larger wiki puts it into few large files."""


class Faults(list[FolderError]):
    """Collects faults, so that one does not hide the next."""

    def kept(self) -> "_Keeping":
        """Keeps the fault that ends this block."""
        return _Keeping(self)


class _Keeping:
    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, FolderError):
            self._faults.append(error)
        return isinstance(error, FolderError)


class Folder(msgspec.Struct, frozen=True):
    """A folder to read from. `root` is what its files must not lead out of, `label` is how a user names it."""

    path: Path
    root: Path
    label: str

    @classmethod
    def at(cls, path: Path, label: str = "") -> "Folder":
        """Opens a folder that is a root of its own, called by its last two names if not by a label."""
        label = label or f"{path.absolute().parent.name}/{path.name}"
        real = _resolved(path)
        if real is None or not real.is_dir():
            raise FolderError(label, "there is no such folder", "create it or correct its name")
        return cls(real, real, label)

    def fault(self, name: str, problem: str, remedy: str = "", *, key: str = "") -> FolderError:
        """A fault of a file here."""
        return FolderError(f"{self.label}/{name}" if name else self.label, problem, remedy, key=key)

    def sub(self, name: str) -> "Folder":
        """A folder below this one. Raises ValueError with a text for people."""
        self.check_inside(name)
        real = _resolved(self.path / name)
        if real is None or not real.is_relative_to(self.root):
            raise ValueError(f"{name!r} leads out of {self.label}")
        if not real.is_dir():
            raise ValueError(f"there is no folder {name!r} in {self.label}")
        return Folder(real, self.root, f"{self.label}/{name.strip('/')}")

    def documents(self, name: str) -> Path:
        """A file or a folder of documents below this one. Raises ValueError with a text for people."""
        self.check_inside(name)
        parent, _, last = name.rstrip("/").rpartition("/")
        around = self.sub(parent) if parent else self
        if not (around.path / last).is_file():
            return around.sub(last).path
        try:
            around.size(last)
        except FolderError as error:
            raise ValueError(str(error)) from None
        return around.path / last

    def check_inside(self, name: str) -> None:
        """Raises ValueError, with a text for people, for what is not written as a path below this folder."""
        if not name or name.startswith(("/", "~")) or "\\" in name or "\0" in name or ".." in name.split("/"):
            raise ValueError(f"{name!r} is not a path inside {self.label}")

    def names(self) -> list[str]:
        """Names of what lies directly here."""
        try:
            return sorted(os.listdir(self.path))
        except OSError as error:
            raise self.fault("", f"it can't be read: {error.strerror}", "check its permissions") from None

    def has(self, name: str) -> bool:
        return os.path.lexists(self.path / name)

    def size(self, name: str) -> int:
        """Size of a regular file, checked like one that is read."""
        with self._opened(name) as handle:
            return os.fstat(handle).st_size

    def read(self, name: str, limit: int, *, part: bool = False) -> bytes:
        """Reads a file of at most `limit` bytes; with `part`, the first `limit` bytes of any file."""
        with self._opened(name) as handle:
            if not part and os.fstat(handle).st_size > limit:
                raise self.fault(name, f"it is larger than {limit:,} bytes", "shorten it")
            with os.fdopen(os.dup(handle), "rb") as file:
                return file.read(limit)

    def text(self, name: str, limit: int) -> str:
        """Reads text in UTF-8, UTF-16 with a byte order mark, or GB18030."""
        data = self.read(name, limit)
        for encoding in ("utf-16",) if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "gb18030"):
            try:
                text = data.decode(encoding)
            except UnicodeDecodeError:
                continue
            if "\0" not in text:
                return text.replace("\r\n", "\n").replace("\r", "\n")
        raise self.fault(name, "it is not a text in UTF-8, UTF-16 or GB18030", "save it as UTF-8")

    def mark(self, *names: str) -> str:
        """A digest of these files' dates and sizes: it changes when one of them is written."""
        return _digest(_line(name, self.path / name) for name in names)

    @contextmanager
    def _opened(self, name: str) -> Iterator[int]:
        real = _resolved(self.path / name)
        if real is None or not real.is_relative_to(self.root):
            raise self.fault(name, "it is a link that leads out of the folder", "put the file itself there")
        try:
            # Not blocking: opening a FIFO must not wait for somebody to write to it.
            handle = os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise self.fault(
                name, f"it can't be read: {error.strerror}", "create it or check its permissions"
            ) from None
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise self.fault(name, "it is not a regular file", "put a file there")
            yield handle
        finally:
            os.close(handle)


def fingerprint(folder: Path) -> str:
    """Changes when a file in the folder is written, added or taken away: dates and sizes only, bounded, never fails."""
    try:
        return _digest(_line(path.relative_to(folder).as_posix(), path) for path in _walk(folder))
    except (OSError, FolderError):
        return ""


def check_entries(folder: Folder, apart: Collection[Path] = ()) -> None:
    """Refuses a folder with too many files, too deep a nesting, or something in it that is neither file nor folder.

    Args:
        apart: Folders of documents: whoever reads them passes over what is wrong there.
    """
    for path in _walk(folder.path):
        if any(path.is_relative_to(documents) for documents in apart):
            continue
        name = path.relative_to(folder.path).as_posix()
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            continue  # an editor's passing file
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)):
            raise folder.fault(name, "it is neither a file nor a folder", "take it away")
        real = _resolved(path) if stat.S_ISLNK(mode) else path
        if real is None or not real.is_relative_to(folder.root):
            raise folder.fault(name, "it is a link that leads out of the folder", "put the file itself there")


def _walk(folder: Path) -> Iterator[Path]:
    """Every entry, folders too, in a stable order; links are not followed."""
    count, todo = 0, [(folder, 0)]
    while todo:
        here, depth = todo.pop()
        for entry in _listed(here):
            count += 1
            if count > MOST_ENTRIES or depth >= MOST_DEPTH:
                problem = f"it holds more than {MOST_ENTRIES:,} files or is nested deeper than {MOST_DEPTH} folders"
                raise FolderError(f"roles/{folder.name}", problem, "keep only what the role needs")
            yield Path(entry.path)
            if entry.is_dir(follow_symlinks=False):
                todo.append((Path(entry.path), depth + 1))


def _listed(folder: Path) -> list[os.DirEntry[str]]:
    """What lies in a folder; nothing in one that went away meanwhile."""
    try:
        return sorted(os.scandir(folder), key=lambda entry: entry.name)
    except FileNotFoundError:
        return []


def _line(name: str, path: Path) -> str:
    try:
        found = path.lstat()
    except OSError:
        return f"{name!r} missing"
    return f"{name!r} {found.st_mtime_ns} {found.st_size} {found.st_mode}"


def _digest(lines: Iterator[str]) -> str:
    digest = blake2b(digest_size=12)
    for line in lines:
        digest.update(line.encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()


def _resolved(path: Path) -> Path | None:
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):  # a loop of links, or a name that no file can have
        return None
