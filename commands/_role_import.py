"""role import: a character card or a role package becomes a role folder, whole or not at all."""

import argparse
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
    parser.add_argument("--room", metavar="ROOM", default="", help="seats it in this room")
    parser.set_defaults(action=run_import)


def run_import(args: argparse.Namespace) -> int:
    """Makes a role of a character card or a role package. Nothing is ever overwritten, and nothing is half done."""
    from cards.package import is_package

    settings = load_settings()
    _check_room(settings, args.room)
    id = (_import_package if is_package(args.file) else _import_card)(settings, args.file, args.id)
    if args.room:
        _seat(settings, args.room, id)
    show(f"next: python launch.py {f'room {args.room}' if args.room else f'rooms seat ROOM {id}'}")
    return 0


def _import_card(settings: Settings, file: Path, id: str) -> str:
    from cards.landing import check_id, landed, write_files
    from cards.read import read_card
    from cards.spelling import id_from, name_from
    from cards.to_role import role_from

    found = read_card(file)
    stem = file.name.partition(".")[0]
    id = id or id_from(found.card.text("name"), stem)
    check_id(settings.roles, id)
    made = role_from(found, id, name_from(stem))
    with landed(settings.roles, settings.models, id) as folder:
        write_files(folder, made.files)
    show(f"{made.draft.name} lives in {settings.roles / id}: {', '.join(sorted(made.files))}")
    for note in made.notes:
        show(f"note: {note}")
    return id


def _import_package(settings: Settings, file: Path, id: str) -> str:
    from cards.landing import check_id, landed
    from cards.package import checked, unpack

    manifest = checked(file)
    id = id or manifest.id
    check_id(settings.roles, id)
    with landed(settings.roles, settings.models, id) as folder:
        unpack(file, manifest, folder)
    show(f"{id} lives in {settings.roles / id}: {len(manifest.files):,} files, each as it was packed")
    return id


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
