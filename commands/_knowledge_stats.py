"""How the indexes of roles and rooms are: a table, and what their sources had that could not be read."""

from collections.abc import Iterable

from rich.filesize import decimal

from chatroom.roles import Role
from chatroom.rooms import RoomFile
from chatroom.settings import Settings
from chatroom.shelves import Collection
from commands._knowledge_build import collections, lore_of
from commands.base import show, show_table
from knowledge.errors import UnusableIndexError
from knowledge.indexing import manifest

_HEAD = ("OF", "DOCUMENTS", "PASSAGES", "SKIPPED", "EMBEDDER", "SIZE", "STATE", "BUILT")


def show_stats(settings: Settings, roles: Iterable[Role], rooms: Iterable[RoomFile] = ()) -> None:
    """Prints a row for each index that a role or a room has or should have."""
    rows: list[tuple[str, ...]] = [_HEAD]
    skipped = 0
    found = [*(collections(settings, role) for role in roles), *(lore_of(settings, room) for room in rooms)]
    for title, collection in ((title, each) for indexes in found for title, each in indexes.items()):
        row, faults = _row(settings, title, collection)
        rows.append(row)
        skipped += faults
    show_table(rows)
    if skipped:
        show(f"{skipped:,} files or parts of files were skipped; `knowledge build` names them")


def _row(settings: Settings, title: str, collection: Collection) -> tuple[tuple[str, ...], int]:
    """A row of the table, and how much was skipped."""
    folder = collection.usable(settings.embedder) or collection.own
    state = collection.state(folder, settings.embedder)
    where = ", in the role folder" if folder == collection.carried else ""
    try:
        made = manifest.read(folder)
    except UnusableIndexError:
        return (title, "", "", "", "", "", state, ""), 0
    skipped = sum(len(source.skipped) for source in made.sources.values())
    built = f"{made.built.astimezone():%Y-%m-%d %H:%M}"
    counts = (f"{made.documents:,}", f"{made.passages:,}", f"{skipped:,}")
    return (title, *counts, made.embedder, decimal(made.bytes), state + where, built), skipped
