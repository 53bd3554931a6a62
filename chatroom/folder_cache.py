"""Folders that can be made again, kept by the digest of what they were made from.

Invariant: a folder that is there is whole: it is written beside, brought to the disk and renamed, by one process at a
time. What nobody asked for lately goes when there are too many. Blocks; knows nothing of what lies in the folders.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LOCK = ".lock"
SPARED = 24 * 3600.0
"""Seconds after it was last asked for in which a folder is never taken away: somebody may still read from it."""


class FolderCache:
    """The folders below one.

    Args:
        most: Beyond so many, those least recently asked for are removed.
        spared: Seconds in which one that was asked for is kept all the same.
    """

    def __init__(self, root: Path, *, most: int, spared: float = SPARED) -> None:
        self._root, self._most, self._spared = root, most, spared

    def found(self, key: str) -> Path | None:
        """The folder of a key, if it was made; it counts as asked for now."""
        folder = self._root / key
        try:
            os.utime(folder)
        except OSError:  # whoever makes it then is told why it can't be there
            return None
        return folder

    def made(self, key: str, write: Callable[[Path], None]) -> Path:
        """The folder of a key; `write` is given an empty one to fill if nobody has made it yet.

        Raises:
            OSError: It can't be written.
        """
        self._root.mkdir(parents=True, exist_ok=True)
        with self._locked():
            folder = self.found(key)
            if folder is None:
                self._sweep()
                folder = self._written(key, write)
        return folder

    def _written(self, key: str, write: Callable[[Path], None]) -> Path:
        with tempfile.TemporaryDirectory(dir=self._root, prefix=".", ignore_cleanup_errors=True) as beside:
            draft = Path(beside) / key
            draft.mkdir()
            write(draft)
            for path in (*draft.iterdir(), draft):
                _flush(path)
            os.utime(draft)
            return draft.rename(self._root / key)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self._root / LOCK).open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _sweep(self) -> None:
        """Takes away drafts that a crash left (nobody else writes one now), and what is beyond the bound."""
        folders = [path for path in self._root.iterdir() if path.is_dir()]
        ages = sorted((_asked(path), path) for path in folders if not path.name.startswith("."))
        old = [path for asked, path in ages[: max(0, len(ages) + 1 - self._most)] if asked < time.time() - self._spared]
        for path in (*old, *(path for path in folders if path.name.startswith("."))):
            shutil.rmtree(path, ignore_errors=True)


def _asked(folder: Path) -> float:
    with suppress(FileNotFoundError):
        return folder.stat().st_mtime
    return 0.0


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
