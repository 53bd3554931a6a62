"""role import: a character card or a role package becomes a role folder, whole or not at all."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from chatroom.errors import FolderError
from chatroom.settings import Settings, load_settings
from commands.base import show

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    Actions = _SubParsersAction[argparse.ArgumentParser]


def add_import(actions: "Actions") -> None:
    """Adds the action to those of `role`."""
    parser = actions.add_parser("import", help="make a role of a card or package", description=run_import.__doc__)
    parser.add_argument("file", metavar="FILE", type=Path, help="a card as .png, .json or .charx, or a role package")
    parser.add_argument("--id", metavar="ID", default="", help="name of the folder: a-z, 0-9, - and _")
    called = "what it is called at the table (default: what the file says)"
    parser.add_argument("--name", metavar="NAME", default="", help=called)
    parser.add_argument("--room", metavar="ROOM", default="", help="seats it in this room")
    parser.set_defaults(action=run_import)


def run_import(args: argparse.Namespace) -> int:
    """Makes a role of a character card or a role package. Nothing is ever overwritten, and nothing is half done."""
    from cards.package import is_package

    settings = load_settings()
    _check_room(settings, args.room)
    _check_name(args.name)
    take = _import_package if is_package(args.file) else _import_card
    with _naming(args.name):
        id = take(settings, args.file, args.id, args.name)
    if args.room:
        _seat(settings, args.room, id)
    show(f"next: python launch.py {f'room {args.room}' if args.room else f'rooms seat ROOM {id}'}")
    return 0


def _check_name(name: str) -> None:
    from chatroom.names import name_fault

    if name and (problem := name_fault(name)):
        raise FolderError("--name", f"the name {problem}", "pass another one as --name")


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Says what helps where another role has the name already."""
    try:
        yield
    except FolderError as error:
        if error.key != "name" or "is called" not in error.problem:
            raise
        raise FolderError(error.file, error.problem, "give it another one with --name", key=error.key) from None


def _import_card(settings: Settings, file: Path, id: str, name: str) -> str:
    from cards.landing import check_id, landed, write_files
    from cards.read import read_card
    from cards.spelling import id_from, name_from
    from cards.to_role import role_from

    found = read_card(file)
    stem = file.name.partition(".")[0]
    id = id or id_from(name or found.card.text("name"), stem)
    check_id(settings.roles, id)
    made = role_from(found, id, name_from(stem), name)
    with landed(settings.roles, settings.models, id) as folder:
        write_files(folder, made.files)
    show(f"{made.draft.name} lives in {settings.roles / id}: {', '.join(sorted(made.files))}")
    for note in made.notes:
        show(f"note: {note}")
    return id


def _import_package(settings: Settings, file: Path, id: str, name: str) -> str:
    from cards.landing import check_id, landed
    from cards.package import checked, unpack

    manifest = checked(file)
    id = id or manifest.id
    check_id(settings.roles, id)
    with landed(settings.roles, settings.models, id) as folder:
        unpack(file, manifest, folder)
        if name:
            _rename(folder, name)
    packed = "each as it was packed" + (" but for the name" if name else "")
    show(f"{id} lives in {settings.roles / id}: {len(manifest.files):,} files, {packed}")
    return id


def _rename(folder: Path, name: str) -> None:
    from cards.renamed import renamed

    path, label = folder / "role.toml", f"roles/{folder.name}/role.toml"
    try:
        text = renamed(path.read_bytes().decode("utf-8-sig"), name)
        if not text:
            raise ValueError("its name can't be changed safely")
        path.write_bytes(text.encode())
    except (OSError, ValueError) as error:
        problem = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise FolderError(label, problem, "import it without --name, and change role.toml by hand") from None


def _check_room(settings: Settings, room: str) -> None:
    """Refuses a room that does not exist, before anything is done."""
    from chatroom.rooms import find_rooms
    from chatroom.toml_table import nearest

    existing = find_rooms(settings.rooms)
    if room and room not in existing:
        raise FolderError(f"rooms/{room}.toml", "there is no such room", nearest(room, existing))


def _seat(settings: Settings, room: str, id: str) -> None:
    from chatroom.rooms import add_role

    add_role(settings.rooms / f"{room}.toml", id)
    show(f"{id} sits in {room}")
