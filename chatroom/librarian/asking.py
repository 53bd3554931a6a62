"""What goes to the worker and comes back; both sides know it, and it knows neither."""

from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path

from chatroom.messages import Audience, Noun, Recalled
from chatroom.role_files import fingerprint
from chatroom.roles import Role
from chatroom.rooms import RoomFile


class Said(Noun, frozen=True, kw_only=True):
    """A line of the moment."""

    name: str
    text: str


class Line(Noun, frozen=True, kw_only=True):
    """A line for the long memory."""

    seq: int
    name: str
    text: str
    audience: Audience | None = None


class Span(Noun, frozen=True, kw_only=True):
    """The part of a room's long memory that may be asked: what was said after one seq and up to another."""

    room: str
    epoch: str
    after: int = 0
    up_to: int = 0


class Ask(Noun, frozen=True, kw_only=True):
    """What a moment is about: its latest lines, oldest first."""

    lines: tuple[Said, ...]
    memory: Span


class Lore(Noun, frozen=True, kw_only=True):
    """What everybody in a room knows.

    Args:
        room: The room's id.
        mark: Changes with the documents.
        folder: What the documents lie in.
    """

    room: str
    mark: str
    folder: Path
    sources: tuple[Path, ...]

    @classmethod
    def of(cls, room: RoomFile) -> "Lore | None":
        """The documents of a room as they are now; None where it names none."""
        if room.folder is None or not room.documents:
            return None
        return cls(room=room.id, mark=_mark(room.documents), folder=room.folder, sources=room.documents)


class Reader(Noun, frozen=True, kw_only=True):
    """A role as the worker needs it: who it is, what it knows it from, and how much of each it is reminded of.

    Args:
        mark: Changes with the role's folder.
        lore: Of the room that it sits in.
        called: Its names, by which it is spoken to.
    """

    id: str
    mark: str
    name: str
    folder: Path
    sources: tuple[Path, ...]
    lore: Lore | None = None
    called: tuple[str, ...] = ()
    passages: int
    memories: int
    examples: int

    @property
    def state(self) -> str:
        """Changes with anything that it knows."""
        return f"{self.mark} {self.lore.mark}" if self.lore else self.mark

    @classmethod
    def of(cls, role: Role, lore: Lore | None = None) -> "Reader":
        """A role as its folder is now, in a room whose documents are these."""
        return cls(
            id=role.id,
            mark=role.fingerprint,
            lore=lore,
            name=role.name,
            called=(role.name, *role.aliases),
            folder=role.folder,
            sources=role.sources,
            passages=role.top_k,
            memories=role.memory,
            examples=role.examples,
        )


def _mark(paths: Iterable[Path]) -> str:
    """Changes when one of the documents does: by date and size, as `fingerprint` does for a folder."""
    digest = blake2b(digest_size=16)
    for path in paths:
        try:
            seen = path.stat()
            mark = fingerprint(path) if path.is_dir() else f"{seen.st_mtime_ns} {seen.st_size}"
        except OSError:
            mark = "gone"
        digest.update(f"{path}\n{mark}\n".encode())
    return digest.hexdigest()


class Found(Noun, frozen=True, kw_only=True):
    """What an ask found, and whether all that the role knows could be searched for it."""

    recalled: Recalled
    complete: bool


class Setup(Noun, frozen=True, kw_only=True):
    """What a worker is started with."""

    home: Path
    embedder: str
    reranker: str = ""
