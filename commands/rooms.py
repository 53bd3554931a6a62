"""rooms new, list, seat: the room files."""

import argparse
from pathlib import Path

from chatroom.errors import FolderError
from chatroom.plugins import names
from chatroom.settings import Settings, load_settings
from commands.base import show, show_table

HELP = "make and list rooms, seat roles"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    new = actions.add_parser("new", help="make a room", description=_new.__doc__)
    new.add_argument("id", metavar="ID", help="name of the file: a-z, 0-9, - and _")
    new.add_argument("--roles", nargs="+", required=True, metavar="ROLE", help="ids of those who sit there")
    new.add_argument("--name", default="", help="what the room is called")
    new.add_argument("--premise", default="", help="the place, and what goes on there")
    new.add_argument("--turns", default="director", metavar="POLICY", help="who speaks next (default: director)")
    new.set_defaults(action=_new)
    actions.add_parser("list", help="list the rooms", description=_list.__doc__).set_defaults(action=_list)
    seat = actions.add_parser("seat", help="seat a role in a room", description=_seat.__doc__)
    seat.add_argument("room", metavar="ROOM")
    seat.add_argument("role", metavar="ROLE")
    seat.set_defaults(action=_seat)


def run(args: argparse.Namespace) -> int:
    """Runs the action that was chosen."""
    return int(args.action(args))


def _new(args: argparse.Namespace) -> int:
    """Makes a room with some roles. Nothing is ever overwritten."""
    from chatroom.rooms import write_room
    from chatroom.toml_table import nearest

    settings = load_settings()
    label, policies = f"rooms/{args.id}.toml", names("chatroom.turns")
    roles = list(dict.fromkeys(args.roles))
    _check_roles(settings, label, roles)
    if args.turns not in policies:
        problem = f"there is no turn policy {args.turns!r}"
        raise FolderError(label, problem, nearest(args.turns, policies), key="turns")
    path = write_room(settings.rooms, args.id, roles, name=args.name, premise=args.premise, turns=args.turns)
    show(f"the room is in {path}")
    show(f"next: python launch.py room {args.id}")
    return 0


def _seat(args: argparse.Namespace) -> int:
    """Seats a role in a room for good. In a room that is open, /invite ROLE does it for that room's history."""
    from chatroom.rooms import add_role, read_room

    settings = load_settings()
    path = _room_file(settings, args.room)
    _check_roles(settings, f"rooms/{args.room}.toml", [*read_room(path).roles, args.role], new=args.role)
    added = add_role(path, args.role)
    show(f"{args.role} {'sits' if added else 'sat already'} in {args.room}")
    show(f"next: python launch.py room {args.room}")
    return 0


def _list(args: argparse.Namespace) -> int:
    """Lists the rooms: who sits there, who speaks next, and whether the file is sound."""
    from chatroom.roles import find_roles
    from chatroom.rooms import check_room, find_rooms, read_room

    settings = load_settings()
    rows = [("ID", "NAME", "ROLES", "TURNS", "STATE")]
    for id_ in find_rooms(settings.rooms):
        path = settings.rooms / f"{id_}.toml"
        faults = check_room(path, roles=find_roles(settings.roles), policies=names("chatroom.turns"))
        state = "; ".join(map(str, faults)) or "well"
        try:
            room = read_room(path)
            rows.append((id_, room.name, ", ".join(room.roles), room.turns, state))
        except FolderError:
            rows.append((id_, "", "", "", state))
    show_table(rows)
    return 0


def _room_file(settings: Settings, id: str) -> Path:
    from chatroom.rooms import find_rooms
    from chatroom.toml_table import nearest

    existing = find_rooms(settings.rooms)
    if id not in existing:
        raise FolderError(f"rooms/{id}.toml", "there is no such room", nearest(id, existing))
    return settings.rooms / f"{id}.toml"


def _check_roles(settings: Settings, label: str, ids: list[str], *, new: str = "") -> None:
    """Refuses roles that do not exist and two of one name; with `new`, only that one must exist.

    Raises:
        FolderError: The first fault.
    """
    from chatroom.roles import check_role, find_roles, read_role, same_names
    from chatroom.toml_table import nearest

    existing = find_roles(settings.roles)
    for id_ in [new] if new else ids:
        if id_ not in existing:
            raise FolderError(label, f"there is no role {id_!r}", nearest(id_, existing), key="roles")
    folders = [settings.roles / id_ for id_ in dict.fromkeys(ids) if id_ in existing]
    sound = [folder for folder in folders if not check_role(folder, settings.models)]
    for fault in same_names(read_role(folder, settings.models) for folder in sound):
        raise fault
