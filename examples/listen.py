"""A remote client in a few lines: joins a table, says one line, prints what is said, leaves when it is silent.

python launch.py serve            # in one terminal
python examples/listen.py ws://127.0.0.1:8765 Ann "Good evening, Mara."
"""

import asyncio
import sys
from contextlib import aclosing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from chatroom.clients.base import Connection
from chatroom.frames import EndFrame, Floor, PostedFrame, Welcome


async def main(url: str, name: str, line: str) -> None:
    """Joins, speaks once, and listens until the room has fallen silent after it."""
    connection = Connection(url, client="example")
    said: asyncio.Task[object] | None = None
    async with aclosing(connection.listen(name)) as news:
        async for frame in news:
            match frame:
                case Welcome():
                    said = asyncio.create_task(connection.say(line))
                case PostedFrame(author=who, text=text) | EndFrame(author=who, text=text):
                    print(f"{who.name}: {text}")
                case Floor(busy=False) if said is not None and said.done():
                    return


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
