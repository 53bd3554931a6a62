"""join: a seat at somebody's table, over the network."""

import argparse

from chatroom.commands._seat import add_seat_arguments, name_of, sit_down
from chatroom.settings import load_settings

HELP = "sit down at a table that somebody serves"
_SCHEMES = {"http://": "ws://", "https://": "wss://"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help="the server's address, as ws://HOST:PORT")
    parser.add_argument("--room", default="", help="id of the room (default: the server's first)")
    parser.add_argument("--token", help="what the server asks for at the door; CHATROOM_TOKEN does too")
    add_seat_arguments(parser)


def run(args: argparse.Namespace) -> int:
    settings = load_settings({"token": args.token})
    name = name_of(args.name, settings)
    return sit_down(websocket_url(args.url), name, room=args.room, token=settings.token, plain=args.plain)


def websocket_url(text: str) -> str:
    """Takes what people paste: a browser's address, or host and port alone."""
    for web, socket in _SCHEMES.items():
        if text.startswith(web):
            return socket + text.removeprefix(web)
    return text if "://" in text else f"ws://{text}"
