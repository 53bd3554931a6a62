"""The page of keys and commands, over the room; any of its keys closes it."""

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from chatroom.clients._typed_line import usages

_KEYS = (
    ("Enter", "say it"),
    ("Shift+Enter, ^J", "begin a new line"),
    ("Tab", "take the marked completion"),
    ("Esc, ^X", "end the running reply"),
    ("^R", "ask for another reply"),
    ("F3, or a click", "why did they say that?"),
    ("PgUp PgDn ^End", "read back, forward, to the newest line"),
    ("F2", "light or dark"),
    ("^Q", "leave the room"),
)


class HelpScreen(ModalScreen[None]):
    BINDINGS = [Binding(key, "dismiss", show=False) for key in ("escape", "f1", "enter", "q")]

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help"):
            yield Static(_page(), markup=False)


def _page() -> Content:
    keys, commands = ([_entry(*pair) for pair in pairs] for pairs in (_KEYS, usages()))
    closing = Content.styled("Esc closes this page", "dim")
    blocks = [
        Content.assemble(Content.styled(f"{'Keys':<17}", "bold"), closing),
        *keys,
        Content(""),
        Content.styled("Commands", "bold"),
        *commands,
    ]
    return Content("\n").join(blocks)


def _entry(key: str, does: str) -> Content:
    return Content.assemble(Content.styled(f"{key:<17}", "$text-accent"), does)
