"""What `evals` does: asks each role its probes, judges, prints, writes the page.

Roles are read as a room seats them, and only those with probes are asked. Knows no engine and no judge.
"""

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from chatroom.errors import FolderError
from chatroom.roles import Role, read_role
from chatroom.rooms import RoomFile, find_rooms, read_room
from chatroom.settings import Settings, load_settings
from chatroom.toml_table import nearest
from commands.base import say, show, show_table
from evals.asking import Asking, Reply
from evals.judging import Figures, Score, figures, judged
from evals.known import known_of
from evals.probes import Probe, read_probes
from evals.report import Results, rows, write_report
from finetune.errors import WorkshopError

Item = TypeVar("Item")
PROBES = Path(__file__).parents[1] / "evals" / "probes"


def evaluate(args: argparse.Namespace) -> int:
    """Runs the command.

    Raises:
        FolderError: There is no such room or role, or nothing to ask.
    """
    settings = load_settings()
    room, seated = table_of(settings, args)
    folder = args.probes or PROBES
    asked = {role.id: probes for role in seated if (probes := _probes(folder, role, args))}
    if not asked:
        raise FolderError(str(folder), "it has no probes for these roles", "write ROLE.txt there: see docs/evals.md")
    known = known_of(seated, room)
    results: dict[str, tuple[Sequence[Reply], Sequence[Score], Figures]] = {}
    for role in seated:
        if role.id in asked:
            replies = asyncio.run(_answers(settings, role, room, seated, asked[role.id], bare=args.bare))
            results[role.name] = replies, judged(replies, known), figures(replies)
    page = _write(args.out or settings.home / "evals", results, f"{room.name}{', bare base' if args.bare else ''}")
    show_table(rows(results))
    show(f"written: {page}")
    return 0


def table_of(settings: Settings, args: argparse.Namespace) -> tuple[RoomFile, list[Role]]:
    """The room, and all roles that sit there.

    Raises:
        FolderError: There is no such room, nobody sits there, or a role that was named does not.
    """
    id_, rooms = args.room or settings.room, find_rooms(settings.rooms)
    if id_ not in rooms:
        raise FolderError(f"rooms/{id_}.toml", "there is no such room", nearest(id_, rooms))
    room = read_room(settings.rooms / f"{id_}.toml")
    for role in args.roles:
        if role not in room.roles:
            raise FolderError(f"roles/{role}", f"it does not sit in the room {id_!r}", nearest(role, room.roles))
    if not room.roles:
        raise FolderError(f"rooms/{id_}.toml", "nobody sits there", "seat a role", key="roles")
    return room, [read_role(settings.roles / role, settings.models) for role in room.roles]


def spaced(found: Sequence[Item], most: int) -> list[Item]:
    """At most so many of them, evenly from beginning to end; all for 0."""
    if not most or most >= len(found):
        return list(found)
    return [found[at * len(found) // most] for at in range(most)]


def _probes(folder: Path, role: Role, args: argparse.Namespace) -> list[Probe]:
    path = folder / f"{role.id}.txt"
    if (args.roles and role.id not in args.roles) or not path.is_file():
        return []
    return spaced(read_probes(path), args.most)


async def _answers(
    settings: Settings, role: Role, room: RoomFile, seated: Sequence[Role], probes: Sequence[Probe], *, bare: bool
) -> list[Reply]:
    asking, replies = Asking(settings, role, room, seated, bare=bare), []
    async for reply in asking.replies(probes):
        replies.append(reply)
        if len(replies) % 20 == 0:
            say(f"{role.name}: {len(replies)} of {len(probes)} answered")
    return replies


def _write(out: Path, results: Results, title: str) -> Path:
    """Writes page and replies; gives the page."""
    page = out / "report.html"
    try:
        write_report(page, results, title)
        said = (reply for replies, _, _ in results.values() for reply in replies)
        (out / "replies.jsonl").write_bytes(msgspec.json.Encoder().encode_lines(list(said)))
    except OSError as error:
        raise WorkshopError(str(out), f"it can't be written: {error.strerror or error}", "name another --out") from None
    return page
