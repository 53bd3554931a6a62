"""The real server as a child process, on a free port of this machine, with roles that speak by script."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from chatroom.clients.base import Connection, News
from chatroom.frames import EndFrame, PostedFrame, Welcome
from tests.table import write_role

ROOT = Path(__file__).parents[1]


class ServerProcess:
    """`launch.py serve` in a home of its own; start it again after a kill and it finds its log."""

    def __init__(self, home: Path, *, roles: tuple[str, ...] = ("mara", "tobin")) -> None:
        self.home = home
        for id in roles:
            write_role(home / "roles", id)
        (home / "rooms").mkdir(exist_ok=True)
        quoted = ", ".join(f'"{id}"' for id in roles)
        (home / "rooms/inn.toml").write_text(
            f'premise = "A storm."\nroles = [{quoted}]\nturns = "addressed"\n', "utf-8"
        )
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> str:
        """Starts it; gives its address once it listens."""
        places = {f"CHATROOM_{name.upper()}": str(self.home / name) for name in ("roles", "rooms", "models")}
        self._process = subprocess.Popen(
            [sys.executable, ROOT / "launch.py", "serve", "inn", "--port", "0"],
            cwd=self.home,
            env={**os.environ, **places, "CHATROOM_HOME": str(self.home / "var")},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if found := re.search(r"ws://\S+", line):
                return found[0]
        raise AssertionError("the server ended before it listened")

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Ends it and waits; SIGKILL leaves it no time for anything."""
        assert self._process is not None
        self._process.send_signal(how)
        _, _ = self._process.communicate(timeout=20)
        return self._process.returncode

    def __enter__(self) -> "ServerProcess":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self.end(signal.SIGKILL)


@asynccontextmanager
async def joined(url: str, name: str) -> AsyncGenerator[tuple[Connection, AsyncGenerator[News, None], Welcome]]:
    """A client that has been let in, and what it hears."""
    connection = Connection(url)
    news = connection.listen(name)
    try:
        async for heard in news:
            if isinstance(heard, Welcome):
                yield connection, news, heard
                return
    finally:
        await news.aclose()


def words(welcome: Welcome) -> list[tuple[str, str]]:
    """The lines that a welcome shows: who, what."""
    events = welcome.rooms[0].events
    return [(event.author.name, event.text) for event in events if isinstance(event, PostedFrame | EndFrame)]
