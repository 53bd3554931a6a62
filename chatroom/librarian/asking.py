"""What goes to the worker and comes back; both sides know it, and it knows neither."""

from pathlib import Path

from chatroom.messages import Audience, Noun, Recalled
from chatroom.roles import Role


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


class Reader(Noun, frozen=True, kw_only=True):
    """A role as the worker needs it: who it is, what it knows it from, and how much of each it is reminded of.

    Args:
        mark: Changes with the role's folder.
    """

    id: str
    mark: str
    name: str
    folder: Path
    sources: tuple[Path, ...]
    passages: int
    memories: int
    examples: int

    @classmethod
    def of(cls, role: Role) -> "Reader":
        """A role as its folder is now."""
        return cls(
            id=role.id,
            mark=role.fingerprint,
            name=role.name,
            folder=role.folder,
            sources=role.sources,
            passages=role.top_k,
            memories=role.memory,
            examples=role.examples,
        )


class Found(Noun, frozen=True, kw_only=True):
    """What an ask found, and whether all that the role knows could be searched for it."""

    recalled: Recalled
    complete: bool


class Setup(Noun, frozen=True, kw_only=True):
    """What a worker is started with."""

    home: Path
    embedder: str
    reranker: str = ""
