"""The terminal screen: a transcript that grows as the words come, a roster, a place to type, a line of state.

app.py puts the parts together; each other file is one of them, named after what one sees. What is shown is decided by
clients/transcript.py, which knows no widget.
"""

import sys

from chatroom.clients._safe_text import safe_text
from chatroom.clients.base import Connection
from chatroom.clients.tui.app import ChatApp


async def run(connection: Connection, name: str) -> int:
    """Joins as `name` and shows the room until it is left; 1 if the server refused us."""
    app = ChatApp(connection, name)
    await app.run_async()
    if app.refusal:
        print(safe_text(app.refusal), file=sys.stderr)
    return app.return_code or 0
