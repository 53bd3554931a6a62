"""Holds a run while it is trained, so that two trainings never write the same folder.

The lock is the file's, held by this process: it is let go of when the process ends, however it ends. It trains nothing.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from finetune.errors import WorkshopError

FILE = ".lock"


@contextmanager
def held(run: Path) -> Iterator[None]:
    """Holds the folder of a run, which is made if need be, until the block ends.

    Raises:
        WorkshopError: Another process holds it, or it can't be written.
    """
    with _opened(run) as file:
        _lock(run, file)
        yield


def _opened(run: Path) -> BinaryIO:
    try:
        run.mkdir(parents=True, exist_ok=True)
        return (run / FILE).open("ab")
    except OSError as error:
        raise WorkshopError(str(run), f"it can't be written: {error.strerror or error}", "check the disk") from None


def _lock(run: Path, file: BinaryIO) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise WorkshopError(str(run), "it is being trained already", "wait for that training, or stop it") from None
    except OSError as error:
        problem = f"it can't be locked: {error.strerror or error}"
        raise WorkshopError(str(run), problem, "keep CHATROOM_HOME on a disk of this machine") from None
