"""The last line of the screen: the state of the connection, or the one thing that the user should know now.

Errors are shown here and nowhere else, so that none ever covers what is being typed.
"""

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Static

from chatroom.clients._safe_text import safe_text
from chatroom.clients.base import Connecting, Offline, Online, State

_KEYS = "Esc stop   ^R retry   F1 help"


class StatusBar(Horizontal):
    def compose(self) -> ComposeResult:
        yield Static(id="state", markup=False)
        yield Static(Content(_KEYS), id="keys", markup=False)

    def show(self, state: State, waiting: int, note: str) -> None:
        """Shows a note if there is one, otherwise the state and how many lines wait to be sent."""
        content = _state(state, waiting)
        if note:
            content = Content.assemble(content[:2], Content.styled(safe_text(note), "$text-warning"))
        self.query_one("#state", Static).update(content)
        self.set_class(bool(note), "noted")
        self.set_class(bool(note) or not isinstance(state, Online), "worded")


def _state(state: State, waiting: int) -> Content:
    lines = f", {waiting} {'line' if waiting == 1 else 'lines'} kept" if waiting else ""
    match state:
        case Online():
            return Content.assemble(Content.styled("● ", "$text-success"), "online", lines)
        case Connecting():
            return Content.assemble(Content.styled("◌ ", "$text-warning"), "connecting …", lines)
        case Offline():
            text = f"offline: {safe_text(state.reason)}; again in {max(1, round(state.wait))} s{lines}"
            return Content.assemble(Content.styled("○ ", "$text-error"), text)
