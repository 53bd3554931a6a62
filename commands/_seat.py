"""A person of this machine sits down: under which name, with which client. Shared by `room` and `join`.

The last name that a server let in is kept in the home. Knows no server.
"""

import argparse
import getpass
import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING

from chatroom import plugins
from chatroom.errors import SettingsError
from chatroom.names import name_fault
from chatroom.settings import Settings
from commands._local import prepared

if TYPE_CHECKING:
    from chatroom.clients.base import Connection


def add_seat_arguments(parser: argparse.ArgumentParser) -> None:
    """What both commands ask of a person."""
    parser.add_argument("--name", help="what you are called at the table (default: the last one used, then your login)")
    parser.add_argument("--plain", action="store_true", help="lines instead of a screen, as without a terminal")


def name_of(given: str | None, settings: Settings) -> str:
    """The name to sit down with.

    Raises:
        SettingsError: The one that was given can't be a name.
    """
    if given is not None:
        if problem := name_fault(given):
            raise SettingsError(f"--name: the name {problem}")
        return given
    path = settings.home / "name"
    last = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    return next(name for name in (last, _login(), "Guest") if not name_fault(name))


def sit_down(
    address: str,
    name: str,
    settings: Settings,
    *,
    room: str,
    plain: bool,
    watch: "Callable[[Connection], Coroutine[object, object, None]] | None" = None,
) -> int:
    """Runs a client until it ends, and `watch` beside it; gives the client's exit status."""
    import asyncio

    from chatroom.clients.base import Client, Connection, Online

    async def seated() -> int:
        watching = [asyncio.create_task(watch(connection))] if watch else []
        try:
            return await client.run(connection, name)
        finally:
            for task in watching:
                task.cancel()

    kind = "plain" if plain or not (sys.stdin.isatty() and sys.stdout.isatty()) else "tui"
    client: Client = plugins.load("chatroom.clients", kind)
    connection = Connection(address, token=settings.token, rooms=(room,) if room else (), client=kind)
    try:
        return asyncio.run(seated())
    finally:
        if isinstance(connection.state, Online):  # a name that was refused must not be used again
            (prepared(settings.home) / "name").write_text(name, encoding="utf-8")


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user id without a name, as in some containers
        return ""
