"""One message on the screen: whose it is, and what is said; also a notice, or a reply that is still coming.

All text comes as Content objects built from safe_text, never as markup. A reply that grows is laid out anew only when
it needs another line.
"""

from textual.content import Content
from textual.css.styles import RulesMap
from textual.message import Message
from textual.widgets import Static

from chatroom.clients._safe_text import safe_text, shown_text
from chatroom.clients._transcript import Row, RunningTurn
from chatroom.clients.tui.colours import colour_of

_ENDINGS = {"stopped": "stopped", "interrupted": "interrupted", "failed": "failed", "complete": ""}


class MessageView(Static):
    """A row of the transcript, or a running turn that becomes one."""

    class Clicked(Message):
        """The reader wants to know more of this row."""

        def __init__(self, row: Row) -> None:
            super().__init__()
            self.row = row

    def __init__(self, shown: Row | RunningTurn) -> None:
        super().__init__(markup=False)
        self.shown = shown
        self._is_last = False

    def on_mount(self) -> None:
        self.show(self.shown)

    def on_click(self) -> None:
        if isinstance(self.shown, Row):
            self.post_message(self.Clicked(self.shown))

    def show(self, shown: Row | RunningTurn) -> None:
        """Shows a newer state of the same message."""
        self.shown = shown
        self.set_class(isinstance(shown, RunningTurn), "running")
        self.set_class(isinstance(shown, Row) and shown.kind in {"joined", "left"}, "notice")
        colour = colour_of(shown.author.name, dark=self.app.current_theme.dark)
        if self._is_notice:
            self.styles.border_left = None
        else:
            self.styles.border_left = ("outer", colour)
        content = _content(shown, colour, is_last=self._is_last)
        self.update(content, layout=self._height_of(content) != self.content_size.height)

    def mark_last(self, is_last: bool) -> None:
        """Says whether this is the newest failure: only that one is made good by trying again."""
        if is_last != self._is_last:
            self._is_last = is_last
            if self.is_mounted:
                self.show(self.shown)

    @property
    def _is_notice(self) -> bool:
        return self.has_class("notice")

    def _height_of(self, content: Content) -> int:
        rules: RulesMap = {}
        return content.get_height(rules, self.content_size.width) if self.content_size.width else -1


def _content(shown: Row | RunningTurn, colour: str, *, is_last: bool) -> Content:
    name = safe_text(shown.author.name)
    if isinstance(shown, Row) and shown.kind in {"joined", "left"}:
        return Content(f"{name} {'takes a seat' if shown.kind == 'joined' else 'leaves the table'}")
    parts = [Content.styled(name, f"bold {colour}")]
    if shown.audience is not None:
        parts.append(Content.styled("  whispers", "dim italic"))
    if isinstance(shown, RunningTurn):
        parts += _running(shown)
    else:
        if shown.passages:
            parts.append(Content.styled(f"  looked up {len(shown.passages)}", "dim italic"))
        parts += _said(shown, is_last=is_last)
    return Content.assemble(*parts)


def _running(turn: RunningTurn) -> list[Content]:
    if not turn.text:
        return [Content.styled("\nis thinking …", "dim italic")]
    return [Content("\n" + shown_text(turn.text)), Content.styled("▍", "dim")]


def _said(row: Row, *, is_last: bool) -> list[Content]:
    parts = [Content("\n" + shown_text(row.text))] if row.text else []
    if row.kind == "failed":
        reason, hint = safe_text(row.error), "  (Ctrl+R tries again)" if is_last else ""
        return [*parts, Content.styled(f"\ncould not answer: {reason}{hint}", "$text-error")]
    if ending := _ENDINGS[row.status]:
        parts.append(Content.styled(f"  ({ending})" if row.text else f"\n({ending})", "dim italic"))
    return parts
