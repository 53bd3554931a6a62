"""serve: the rooms of this machine, for terminals, browsers and other machines, until Ctrl-C or SIGTERM.

Beyond this machine only with a token: whoever reaches the port could talk, and read what is said, otherwise.
"""

import argparse
import ipaddress
import secrets
from typing import TYPE_CHECKING

from chatroom import plugins
from chatroom.errors import FolderError, PluginError, SettingsError
from chatroom.settings import Settings, load_settings
from commands.base import say

if TYPE_CHECKING:
    from chatroom.rooms import RoomFile

HELP = "serve rooms to terminals and browsers"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help="ids of rooms; all there are if none is named")
    parser.add_argument("--host", help="address to listen on (default 127.0.0.1: only this machine)")
    parser.add_argument("--port", help="port to listen on (default 8765; 0: any free one)")
    parser.add_argument(
        "--token",
        help="what clients must show to be let in; `new` makes one and prints it once. "
        "CHATROOM_TOKEN keeps it out of the list of processes",
    )
    parser.add_argument("--local", action="store_true", help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    import asyncio

    from chatroom.rooms import read_room
    from commands._local import serving
    from commands._serving import serve_rooms

    given = load_settings({"host": args.host, "port": args.port, "token": args.token})
    settings = with_token(given)
    rooms = open_rooms(settings, args.rooms)
    find = None if args.rooms else lambda id_: read_room(settings.rooms / f"{id_}.toml")
    token = given.token and (settings.token if given.token == "new" else "TOKEN")
    with serving(settings.home):
        asyncio.run(serve_rooms(settings, rooms, local=args.local, find=find, token=token))
    return 0


def with_token(settings: Settings) -> Settings:
    """The settings with a token made if one was asked for.

    Raises:
        SettingsError: Other machines could connect, and there is no token.
    """
    import msgspec

    if settings.token == "new":
        token = secrets.token_hex(24)  # no dash at its beginning, which a command line would take for an option
        say(f"token: {token}   (shown only now; clients pass it as --token)")
        return msgspec.structs.replace(settings, token=token)
    if not settings.token and not _is_loopback(settings.host):
        problem = f"other machines can reach {settings.host}, so the server needs a token"
        raise SettingsError(f"{problem}: set CHATROOM_TOKEN, or let `serve --token new` make one")
    return settings


def room_ids(settings: Settings) -> list[str]:
    """Ids of the rooms that there are; the one that is meant where none is named comes first."""
    from chatroom.rooms import find_rooms

    return sorted(find_rooms(settings.rooms), key=lambda id_: id_ != settings.room)


def open_rooms(settings: Settings, wanted: list[str]) -> "dict[str, RoomFile]":
    """The rooms to serve; a broken file is named and left out unless it was asked for by name.

    Raises:
        FolderError: A room that was named is missing or broken, or there is none at all.
        PluginError: There is no such engine or history as the settings name.
    """
    from chatroom.rooms import read_room
    from chatroom.toml_table import nearest

    for kind, name in (("chatroom.engines", settings.engine), ("chatroom.history", settings.history)):
        if name not in plugins.names(kind):
            raise PluginError(kind, name, plugins.names(kind))
    existing, rooms = room_ids(settings), {}
    for id_ in wanted or existing:
        if id_ not in existing:
            raise FolderError(f"rooms/{id_}.toml", "there is no such room", nearest(id_, existing))
        try:
            rooms[id_] = read_room(settings.rooms / f"{id_}.toml")
        except FolderError as error:
            if wanted:
                raise
            say(f"left out: {error}")
    if not rooms:
        raise FolderError(str(settings.rooms), "there is no room here", "make one: rooms new ID --roles a b")
    return rooms


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
