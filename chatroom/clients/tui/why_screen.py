"""Why somebody said that: what a reply was given to know, over the room; up and down go to other replies.

It shows what the server recorded with the reply, and guesses nothing.
"""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from chatroom.clients._safe_text import safe_text, shown_text
from chatroom.clients._transcript import Row
from chatroom.clients._usage import usage_line
from chatroom.messages import Passage


class WhyScreen(ModalScreen[None]):
    """One reply at a time.

    Args:
        rows: The replies that can be asked about, oldest first.
        at: The one that is shown first.
    """

    BINDINGS = [
        *(Binding(key, "dismiss", show=False) for key in ("escape", "f3", "enter", "q")),
        Binding("up", "step(-1)", show=False, priority=True),
        Binding("down", "step(1)", show=False, priority=True),
    ]

    def __init__(self, rows: Sequence[Row], at: int) -> None:
        super().__init__()
        self._rows, self._at = rows, at
        self._page = Static(markup=False)

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="why"):
            yield self._page

    def on_mount(self) -> None:
        self._show()

    def action_step(self, by: int) -> None:
        self._at = min(max(self._at + by, 0), len(self._rows) - 1)
        self._show()

    def _show(self) -> None:
        place = f"{self._at + 1} of {len(self._rows)}   ↑ ↓ other replies   Esc closes"
        self._page.update(_page(self._rows[self._at], place))


def _page(row: Row, place: str) -> Content:
    name = safe_text(row.author.name)
    said = Content.assemble(Content.styled(name, "bold"), "\n" + shown_text(row.text))
    if not row.passages:
        given = [Content.styled("Nothing was looked up for this reply.", "italic")]
    else:
        given = [Content.styled(f"What {name} was given to know", "bold"), *map(_entry, row.passages)]
    cost = Content.styled(usage_line(row.usage), "dim")
    return Content("\n\n").join([Content.styled(place, "dim"), said, *given, cost])


def _entry(passage: Passage) -> Content:
    return Content.assemble(
        Content.styled(safe_text(passage.title or "Remembered from this room"), "$text-accent"),
        "  ",
        Content.styled(f"{safe_text(passage.source)}  {passage.score:.2f}", "dim"),
        "\n" + shown_text(passage.text),
    )
