"""What judges know of a table: its words, its names, and what each role says in its own lines.

It reads what lies in the role folders, in the room's documents and with the base; it knows no replies and no judge.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from chatroom.roles import Role
from chatroom.rooms import RoomFile
from evals.tasks.base import Known, tokens, words_of
from finetune.dialogue import Record
from finetune.errors import WorkshopError
from knowledge.encodings import decode

LARGEST = 64_000_000
"""Bytes of a file that is read."""
_TEXT = (".md", ".txt", ".jsonl")
_PAGES = (".md", ".txt")


def known_of(roles: Sequence[Role], room: RoomFile) -> Known:
    """Reads all that was written for these roles, their room and their bases.

    Raises:
        WorkshopError: A role's lines.jsonl is none.
    """
    bases = {Path(role.weights or role.base) for role in roles}
    taught = [_of_base(base) for base in sorted(bases)]
    texts = [*_read(path for files in taught for path in files), *_of_table(roles, room, _TEXT)]
    named = [*_of_table(roles, room, ()), *_pages(roles, room)]
    return Known(
        words=frozenset(word for text in texts for word in words_of(text)) if all(taught) else frozenset(),
        names=frozenset(word for text in named for word in tokens(text) if not word[0].islower()),
        lines={role.name: list(_replies(role.folder / "lines.jsonl")) for role in roles},
    )


def _of_base(base: Path) -> list[Path]:
    """What a base was taught by hand; nothing lies there with those of others."""
    return [*sorted(base.glob("scenes/*.jsonl")), *sorted(base.glob("frames/*.txt"))]


def _of_table(roles: Sequence[Role], room: RoomFile, kinds: Sequence[str]) -> Iterator[str]:
    """What the role folders, the room and their files of these kinds say."""
    yield f"{room.name} {room.premise}"
    for role in roles:
        yield " ".join([role.name, *role.aliases, role.about, role.greeting, role.persona])
    yield from _read(_files([*(role.folder for role in roles), *room.documents], kinds))


def _pages(roles: Sequence[Role], room: RoomFile) -> Iterator[str]:
    """Pages that somebody at the table knows: people in them may be spoken of whenever."""
    return _read(_files([*room.documents, *(path for role in roles for path in role.sources)], _PAGES))


def _files(places: Iterable[Path], kinds: Sequence[str]) -> Iterator[Path]:
    for place in places:
        within = [place] if place.is_file() else sorted(place.rglob("*"))
        yield from (path for path in within if path.suffix.lower() in kinds and path.is_file())


def _read(paths: Iterable[Path]) -> Iterator[str]:
    """Texts of files; one that can't be read says nothing, as it does at the table."""
    for path in paths:
        try:
            if path.stat().st_size <= LARGEST:
                yield decode(path.read_bytes())
        except (OSError, ValueError):
            continue


def _replies(path: Path) -> Iterator[str]:
    """What a role says in its lines.jsonl; none, if there is none."""
    try:
        rows = path.read_text(encoding="utf-8-sig").split("\n") if path.is_file() else []
    except (OSError, UnicodeDecodeError) as error:
        raise WorkshopError(str(path), f"it can't be read: {error}", "python launch.py role check") from None
    decoder = msgspec.json.Decoder(Record)
    for number, row in enumerate(rows, start=1):
        if row.strip():
            try:
                yield decoder.decode(row).reply
            except (msgspec.DecodeError, RecursionError) as error:
                place, problem = f"{path}, line {number}", f"it is no record: {error}"
                raise WorkshopError(place, problem, "python launch.py role check") from None
