"""join: a seat at somebody's table, over the network."""

import argparse
from urllib.parse import urlsplit

from chatroom.errors import SettingsError
from chatroom.settings import Settings, load_settings
from commands._seat import add_seat_arguments, name_of, sit_down

HELP = "sit down at a table that somebody serves"
_SCHEMES = {"http://": "ws://", "https://": "wss://"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help="the server's address, as ws://HOST:PORT, or HOST alone")
    parser.add_argument("--room", default="", help="id of the room (default: the server's first)")
    parser.add_argument("--token", help="what the server asks for at the door; CHATROOM_TOKEN does too")
    add_seat_arguments(parser)


def run(args: argparse.Namespace) -> int:
    settings = load_settings({"token": args.token})
    name = name_of(args.name, settings)
    return sit_down(websocket_url(args.url), name, settings, room=args.room, plain=args.plain)


def websocket_url(text: str) -> str:
    """Takes what people paste: a browser's address, or a host with or without a port.

    Raises:
        SettingsError: Its host or port can't be one.
    """
    for web, socket in _SCHEMES.items():
        if text.startswith(web):
            text = socket + text.removeprefix(web)
    url = text if "://" in text else f"ws://{text}"
    try:
        parts = urlsplit(url)
        valid = parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise SettingsError(f"{text!r} is no address: write ws://HOST:PORT, with a port from 1 to 65535")
    return url if "://" in text or parts.port else f"ws://{parts.netloc.rstrip(':')}:{Settings().port}"
