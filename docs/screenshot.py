"""Takes the picture in the README: the bundled room, really served, really answering, on a screen of 100×32.

    python -m docs.screenshot          # writes docs/pictures/room.svg

What the characters say is drawn anew each time, so the picture changes with every run; nothing in it is made up.
"""

import asyncio
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from textual.pilot import Pilot

from chatroom.clients.base import Connection
from chatroom.clients.tui.app import ChatApp

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs/pictures/room.svg"
LINES = [
    "Good evening, Mara. Is the lamp lit?",
    "Tobin, what do you carry in your boat tonight?",
    "Narrator, I look out of the window.",
]
WAIT = 120
"""Seconds for all answers together."""


def serve(home: str) -> tuple[subprocess.Popen[str], str]:
    """Starts a server of its own on a free port, what roles know made searchable; gives it and its address."""
    launch = [sys.executable, ROOT / "launch.py"]
    subprocess.run([*launch, "knowledge", "build"], env={**os.environ, "CHATROOM_HOME": home}, check=True)
    process = subprocess.Popen(
        [*launch, "serve", "--port", "0"],
        env={**os.environ, "CHATROOM_HOME": home},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(r"ws://\S+", line):
            return process, found[0]
    raise SystemExit("the server did not start")


async def silence(pilot: Pilot[None], app: ChatApp, said: int) -> None:
    """Waits until this many lines of ours were said and the room is silent after the last."""
    while True:
        own = [row.seq for row in app.transcript.rows if row.author.name == "Ann" and row.kind == "said"]
        if len(own) >= said and app.transcript.is_silent_after(max(own, default=0)):
            return
        await pilot.pause(0.1)


async def take(url: str) -> None:
    """Sits down, talks, and saves the screen."""
    app = ChatApp(Connection(url, client="picture"), "Ann")
    async with app.run_test(size=(100, 32)) as pilot, asyncio.timeout(WAIT):
        for number, line in enumerate(LINES, 1):
            await pilot.press(*line)
            await pilot.press("enter")
            await silence(pilot, app, number)
        await pilot.pause(0.5)
        PICTURE.parent.mkdir(exist_ok=True)
        picture = app.export_screenshot(title="make room")
        PICTURE.write_text(re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL), "utf-8")  # fetch no fonts


def main() -> int:
    with tempfile.TemporaryDirectory() as home:
        server, url = serve(home)
        try:
            asyncio.run(take(url))
        finally:
            server.terminate()
            server.wait()
    print(f"written: {PICTURE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
