"""Where indexes lie: what a role knows, the exchanges that show its voice, the long memory of a room.

They lie in CHATROOM_HOME, and a role folder may carry its own, laid out alike, so that a copy of the folder brings it
along. Knows no model and no search; whether an index still holds is for the package `knowledge` to say.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from shutil import copyfile

from chatroom.errors import FolderError
from chatroom.messages import Noun
from chatroom.role_lines import FILE as EXCHANGES
from chatroom.roles import INDEX
from knowledge.errors import UnusableIndexError
from knowledge.indexing import manifest
from knowledge.indexing.build import State, state

_ROOMS, _LINES, _PAGES = "rooms", "lines", "pages"

__all__ = [
    "EXCHANGES", "Collection", "exchanges", "index_folder", "lines_folder", "lore_pages", "memory_folder", "pages",
]  # fmt: skip


class Collection(Noun, frozen=True, kw_only=True):
    """Documents of a role or a room that have one index.

    Args:
        roots: Files and folders; without any, there is nothing to search.
        base: The folder that none of them may lead out of.
        own: Where the index is built.
        carried: Where a role folder may bring it along.
    """

    roots: tuple[Path, ...]
    base: Path
    own: Path
    carried: Path | None = None

    def usable(self, embedder: str) -> Path | None:
        """Where an index lies that holds what the documents hold now, made by this embedder; None if nowhere.

        What came with a role folder is read byte by byte before it is used for the first time.
        """
        if not self.roots:
            return None
        carried = self.carried
        if carried and self.state(carried, embedder) == "fresh" and _intact(carried, _stamp(carried)):
            return carried
        return self.own if self.state(self.own, embedder) == "fresh" else None

    def state(self, folder: Path, embedder: str) -> State:
        """How the index in a folder is."""
        return state(folder, self.roots, self.base, embedder)

    def carry(self) -> None:
        """Puts a copy of the index into the role folder.

        Raises:
            FolderError: It can't be put there; what was carried before is as it was.
        """
        assert self.carried, "only a role folder carries its index"
        label = f"roles/{self.base.name}/{self.carried.relative_to(self.base)}"
        try:
            if not self.carried.resolve().is_relative_to(self.base.resolve() / INDEX):
                raise FolderError(label, "it is a link", "take it away")
            self.carried.mkdir(parents=True, exist_ok=True)
            made = manifest.read(self.own)
            for name in made.files:
                copyfile(self.own / name, self.carried / name)
            manifest.write(self.carried, made)
            manifest.sweep(self.carried, made)
        except OSError as error:
            raise FolderError(
                label, f"it can't be written: {error.strerror}", "check the disk and permissions"
            ) from None


def pages(home: Path, folder: Path, sources: Sequence[Path]) -> Collection:
    """What a role knows, by its folder and the sources that its role.toml names."""
    own, carried = index_folder(home, folder.name), folder / INDEX
    return Collection(roots=tuple(sources), base=folder, own=own, carried=carried)


def lore_pages(home: Path, room: str, folder: Path, sources: Sequence[Path]) -> Collection:
    """What everybody in a room knows; it lies beside what they remember."""
    return Collection(roots=tuple(sources), base=folder, own=memory_folder(home, room) / _PAGES)


def exchanges(home: Path, folder: Path) -> Collection:
    """What a role once said, and to what."""
    file = folder / EXCHANGES
    own, carried = lines_folder(home, folder.name), folder / INDEX / _LINES
    return Collection(roots=(file,) if file.is_file() else (), base=folder, own=own, carried=carried)


def index_folder(home: Path, role: str) -> Path:
    """Index of what a role knows; a role called `rooms` has an underscore before it, for that name is taken."""
    return home / "index" / (f"_{role}" if role == _ROOMS else role)


def lines_folder(home: Path, role: str) -> Path:
    """Index of a role's exchanges."""
    return index_folder(home, role) / _LINES


def memory_folder(home: Path, room: str) -> Path:
    """The long memory of a room."""
    return home / "index" / _ROOMS / room


@lru_cache(maxsize=64)
def _intact(folder: Path, stamp: int) -> bool:
    """Whether every byte of an index is as it was written; `stamp` tells one build from the next."""
    try:
        return not manifest.damaged(folder, manifest.read(folder))
    except UnusableIndexError:
        return False


def _stamp(folder: Path) -> int:
    try:
        return (folder / manifest.FILE).stat().st_mtime_ns
    except OSError:
        return 0
