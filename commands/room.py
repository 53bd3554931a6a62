"""room: a server of this machine's own and a terminal at it; a server that is there already is joined.

The server is a child process, so that a stuck engine can't freeze the screen. It does not end with this terminal but
with the last one of this machine, and it does so also if this process is killed.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from chatroom.errors import ChatroomError
from chatroom.settings import CHECKOUT, Settings, load_settings
from commands._local import Address, held, join_line, running, sitting
from commands._seat import add_seat_arguments, name_of, sit_down
from commands.base import say

if TYPE_CHECKING:
    from chatroom.clients.base import Connection

HELP = "open a room in this terminal"
READY_WITHIN = 60
"""Seconds for a server to listen; it loads no model before that."""
LOG_LINES = 12
LOOK_EVERY = 3
"""Seconds between two looks at whether the server is gone and must be started again."""


class ServerStartError(ChatroomError):
    """The server that was to be started ended or hung; the text holds the end of its log."""

    code = "server_start"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "room", nargs="?", default="", metavar="ROOM", help="id of the room (default: the setting `room`)"
    )
    add_seat_arguments(parser)


def run(args: argparse.Namespace) -> int:
    from commands.serve import open_rooms

    settings = load_settings()
    rooms = open_rooms(settings, [args.room] if args.room else [])
    name = name_of(args.name, settings)
    with sitting(settings.home):
        address = running(settings.home) or _started(settings)
        say(join_line(address.url, "TOKEN" if settings.token else ""))
        return sit_down(
            address.socket,
            name,
            settings,
            room=next(iter(rooms)),
            plain=args.plain,
            watch=lambda connection: _watched(connection, settings),
        )


async def _watched(connection: "Connection", settings: Settings) -> None:
    """Starts the server again whenever it is gone."""
    import asyncio

    from chatroom.clients.base import Online

    while True:
        await asyncio.sleep(LOOK_EVERY)
        if not isinstance(connection.state, Online) and not held(settings.home):
            _spawn(settings, settings.home / "server.log")


def _started(settings: Settings) -> Address:
    """Starts a server and waits until it answers."""
    log = settings.home / "server.log"
    begins = log.stat().st_size if log.exists() else 0
    child = _spawn(settings, log)
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline:
        if address := running(settings.home):
            return address
        # A child that found another server starting is no failure: that one is waited for.
        if child.poll() is not None and not held(settings.home):
            raise ServerStartError(f"the server ended with status {child.returncode}\n{_end_of(log, begins)}")
        time.sleep(0.05)
    child.terminate()
    raise ServerStartError(f"the server did not answer within {READY_WITHIN} s\n{_end_of(log, begins)}")


def _spawn(settings: Settings, log: Path) -> "subprocess.Popen[bytes]":
    """A server in a session of its own: Ctrl-C here, and the end of this terminal, do not reach it."""
    command = [sys.executable, str(CHECKOUT / "launch.py"), "serve", "--local"]
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=handle,
            stderr=handle,
            env={**os.environ, "CHATROOM_HOME": str(settings.home), "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
    finally:
        os.close(handle)


def _end_of(log: Path, begins: int) -> str:
    with log.open("rb") as file:
        file.seek(begins)
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join([f"the end of {log}:", *(f"  {line}" for line in lines[-LOG_LINES:])])
