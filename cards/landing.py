"""How a new role comes into roles/: written and checked beside it, then put there by one rename.

Invariant: roles/ never holds half of a role, whatever goes wrong and whenever it is interrupted. Knows no card.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from chatroom.errors import FolderError
from chatroom.roles import ROLE_ID, check_role, find_roles, read_role, same_names

__all__ = ["check_id", "landed", "write_files"]

_PREFIX = ".importing-"


@contextmanager
def landed(roles: Path, models: Path, id: str) -> Iterator[Path]:
    """Gives an empty folder to be filled; when the block ends well, it is the new role.

    Raises:
        FolderError: There is such a role, it could not be read, or it can't be written.
    """
    check_id(roles, id)
    with _told(id):
        roles.mkdir(parents=True, exist_ok=True)
        around = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=roles.resolve().parent))
    try:
        folder = around / id
        folder.mkdir()
        yield folder
        _check(folder, roles, models)
        check_id(roles, id)
        with _told(id):
            os.rename(folder, roles / id)
    finally:
        shutil.rmtree(around, ignore_errors=True)


def check_id(roles: Path, id: str) -> None:
    """Refuses an id that can't be one, or is taken."""
    if not ROLE_ID.fullmatch(id):
        raise FolderError(f"roles/{id}", "this can't be the id of a role", "use a-z, 0-9, - and _")
    if os.path.lexists(roles / id):
        raise FolderError(f"roles/{id}", "there is such a folder already", "choose another id with --id")


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Writes files into a folder that is being filled; their paths were checked."""
    with _told(folder.name):
        for name, data in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def _check(folder: Path, roles: Path, models: Path) -> None:
    """Refuses a role that could not sit down, or that others could not be told from."""
    if faults := check_role(folder, models):
        raise faults[0]
    role = read_role(folder, models)
    others = [roles / id for id in find_roles(roles)]
    for other in others:
        if check_role(other, models):
            continue
        for fault in same_names([read_role(other, models), role]):
            raise fault


@contextmanager
def _told(id: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        problem = f"it can't be written: {error.strerror}"
        raise FolderError(f"roles/{id}", problem, "check the disk and permissions") from None
