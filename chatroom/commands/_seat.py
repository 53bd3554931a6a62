"""A person of this machine sits down: under which name, with which client. Shared by `room` and `join`.

The name that was used last is kept in the home. Knows no server.
"""

import argparse
import getpass
import sys

from chatroom import plugins
from chatroom.commands._local import prepared
from chatroom.errors import SettingsError
from chatroom.names import name_fault
from chatroom.settings import Settings


def add_seat_arguments(parser: argparse.ArgumentParser) -> None:
    """What both commands ask of a person."""
    parser.add_argument("--name", help="what you are called at the table (default: the last one used, then your login)")
    parser.add_argument("--plain", action="store_true", help="lines instead of a screen, as without a terminal")


def name_of(given: str | None, settings: Settings) -> str:
    """The name to sit down with.

    Raises:
        SettingsError: The one that was given can't be a name.
    """
    path = settings.home / "name"
    if given is not None:
        if problem := name_fault(given):
            raise SettingsError(f"--name: the name {problem}")
        prepared(settings.home)
        path.write_text(given, encoding="utf-8")
        return given
    last = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    return next(name for name in (last, _login(), "Guest") if not name_fault(name))


def sit_down(address: str, name: str, *, room: str, token: str, plain: bool) -> int:
    """Runs a client until it ends; gives its exit status."""
    import asyncio

    from chatroom.clients.base import Client, Connection

    kind = "plain" if plain or not (sys.stdin.isatty() and sys.stdout.isatty()) else "tui"
    client: Client = plugins.load("chatroom.clients", kind)
    connection = Connection(address, token=token, rooms=(room,) if room else (), client=kind)
    return asyncio.run(client.run(connection, name))


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user id without a name, as in some containers
        return ""
