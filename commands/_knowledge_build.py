"""Builds the indexes of roles and rooms, and says what came of it. One that fails keeps no other from being built."""

from collections.abc import Callable, Iterable, Mapping

from rich.filesize import decimal

from chatroom.errors import FolderError
from chatroom.roles import Role
from chatroom.rooms import RoomFile
from chatroom.settings import Settings
from chatroom.shelves import EXCHANGES, Collection, exchanges, lore_pages, pages
from commands._knowledge_progress import progress
from commands.base import say, show
from knowledge.errors import EmbedderError, KnowledgeError
from knowledge.indexing.build import Summary, build, estimate
from knowledge.reading import Skipped, find_files

LONG = 20.0
"""Seconds from which on a build says beforehand how long it will take."""


def collections(settings: Settings, role: Role) -> dict[str, Collection]:
    """What a role has indexes of, by what each is called: its documents and its exchanges, where it has some."""
    found = {
        role.id: pages(settings.home, role.folder, role.sources),
        f"{role.id}/{EXCHANGES}": exchanges(settings.home, role.folder),
    }
    return {title: collection for title, collection in found.items() if collection.roots}


def lore_of(settings: Settings, room: RoomFile) -> dict[str, Collection]:
    """What everybody in a room knows, by what its index is called; nothing where the room names no documents."""
    if room.folder is None or not room.documents:
        return {}
    return {f"rooms/{room.id}": lore_pages(settings.home, room.id, room.folder, room.documents)}


def build_all(
    settings: Settings,
    roles: Iterable[Role],
    rooms: Iterable[RoomFile] = (),
    *,
    carry: bool = False,
    force: bool = False,
    tell: Callable[[str], None] = show,
) -> bool:
    """Builds what roles know, and what everybody in rooms does; whether anything could be built.

    Args:
        carry: Puts a copy into the role folder.
        force: Builds from nothing.
        tell: Gets what came of it.

    Raises:
        EmbedderError: Then nothing can be built.
    """
    built, skipped = False, list[Skipped]()
    try:
        for role in roles:
            found = collections(settings, role)
            if not found:
                tell(f"{role.id}: it has no documents and no {EXCHANGES}")
            built |= _build_each(settings, f"roles/{role.id}", found, carry, force, tell, skipped)
        for room in rooms:
            built |= _build_each(settings, "rooms", lore_of(settings, room), False, force, tell, skipped)
    except KeyboardInterrupt:
        say("stopped; what was done is kept, and the next build goes on from there")
        raise
    tell_skipped(skipped, tell)
    return built


def tell_skipped(skipped: Iterable[Skipped], tell: Callable[[str], None] = show) -> None:
    """Says what was not read, and why."""
    for skip in skipped:
        tell(f"skipped: {skip.file}{f', {skip.place}' if skip.place else ''}: {skip.problem}")


def _build_each(
    settings: Settings,
    place: str,
    found: Mapping[str, Collection],
    carry: bool,
    force: bool,
    tell: Callable[[str], None],
    skipped: list[Skipped],
) -> bool:
    """Builds all of one role or room; whether that went well."""
    for title, collection in found.items():
        try:
            if force or not _carried(settings, collection):
                made = _build(settings, title, collection, force)
                tell(f"{title}: {_told(made)}")
                if made.unread:
                    unread = f"{settings.embedder} can't read {_count(made.unread, 'passage')}, words alone find them"
                    tell(f"{title}: {unread}; docs/knowledge.md names embedders for other languages")
                skipped += (_named(place, skip) for skip in made.skipped)
                if carry:
                    collection.carry()
            if _carried(settings, collection):
                tell(f"{title}: the role folder carries an index that is up to date")
        except EmbedderError:
            raise
        except (KnowledgeError, FolderError) as error:
            say(f"error: {error}")
            return False
    return True


def _carried(settings: Settings, collection: Collection) -> bool:
    """Whether the role folder brings an index along that holds what its documents hold now."""
    return collection.carried is not None and collection.usable(settings.embedder) == collection.carried


def _build(settings: Settings, title: str, collection: Collection, force: bool) -> Summary:
    if force or collection.state(collection.own, settings.embedder) != "fresh":
        files = find_files(collection.roots, collection.base).files
        expected = estimate(files, settings.embedder)
        if expected.seconds >= LONG:
            took, size = _duration(expected.seconds), decimal(expected.bytes)
            say(f"{title}: about {expected.passages:,} passages, {size}; from nothing, this takes about {took}")
    with progress(title) as told:
        return build(collection.own, collection.roots, collection.base, settings.embedder, fresh=force, progress=told)


def _told(made: Summary) -> str:
    sources = f"{made.changed:,} new or changed, {made.kept:,} unchanged, {made.removed:,} removed"
    found = f"{_count(made.documents, 'document')}, {_count(made.passages, 'passage')}"
    dropped = f"{_count(made.dropped, 'near-duplicate')} dropped"
    return f"{_count(made.files, 'file')} ({sources}); {found}, {dropped}; {made.seconds:.1f} s, {decimal(made.bytes)}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _named(place: str, skipped: Skipped) -> Skipped:
    """With the file as the user would name it."""
    return Skipped(file=f"{place}/{skipped.file}", place=skipped.place, problem=skipped.problem)


def _duration(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 100
        else f"{seconds / 60:.0f} min"
        if seconds < 6000
        else f"{seconds / 3600:.1f} h"
    )
