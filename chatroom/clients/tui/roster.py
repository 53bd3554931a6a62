"""Who sits at the table and what each is doing: characters first, then people. It knows no connection."""

from collections.abc import Sequence

from textual.content import Content
from textual.widgets import Static

from chatroom.clients._safe_text import safe_text
from chatroom.clients._transcript import State, Transcript
from chatroom.clients.tui.colours import colour_of
from chatroom.frames import Seated

LONGEST_FAULT = 54
"""Characters; about three lines of the panel."""
_MARKS: dict[State, tuple[str, str]] = {
    "idle": ("●", ""),
    "thinking": ("◌", "thinking …"),
    "speaking": ("▸", "speaking"),
    "offline": ("○", "away"),
    "fault": ("!", ""),
}
"""State → the mark before the name, and the word below it."""


class Roster(Static):
    """The panel at the side."""

    def __init__(self) -> None:
        super().__init__(id="roster", markup=False)

    def show(self, transcript: Transcript) -> None:
        """Shows the table as it is now."""
        roles = [seated for seated in transcript.roster if seated.who.kind == "role"]
        people = [seated for seated in transcript.roster if seated.who.kind == "person"]
        dark = self.app.current_theme.dark
        groups = [
            _group(title, of, transcript, dark) for title, of in (("Characters", roles), ("People", people)) if of
        ]
        self.update(Content("\n\n").join(groups))


def _group(title: str, members: Sequence[Seated], transcript: Transcript, dark: bool) -> Content:
    lines = [Content.styled(title, "dim")]
    for seated in members:
        lines += _member(seated, transcript.state_of(seated), dark)
    return Content("\n").join(lines)


def _member(seated: Seated, state: State, dark: bool) -> list[Content]:
    mark, word = _MARKS[state]
    colour = colour_of(seated.who.name, dark=dark)
    style = "dim" if state == "offline" else f"bold {colour}" if state in {"speaking", "thinking"} else colour
    marked = Content.styled(mark, "$text-error" if state == "fault" else style)
    lines = [Content.assemble(marked, Content.styled(" " + safe_text(seated.who.name), style))]
    if below := _short(safe_text(seated.fault)) or word:
        lines.append(Content.styled(f"  {below}", "$text-error" if seated.fault else "dim italic"))
    return lines


def _short(fault: str) -> str:
    """A fault is told in full in the status bar; here it must leave room for the others."""
    return fault if len(fault) <= LONGEST_FAULT else fault[: LONGEST_FAULT - 1] + "…"
