"""Where one types: Enter says it, Shift+Enter or Ctrl+J begins a new line, Tab takes the marked completion.

It knows the roster only as names to complete; what a line means is decided elsewhere.
"""

from collections.abc import Sequence

from textual import events
from textual.binding import Binding
from textual.content import Content
from textual.message import Message
from textual.widgets import Static, TextArea

from chatroom.clients._safe_text import safe_text
from chatroom.clients.tui.completion import Completion, completions
from chatroom.frames import Seated


class CompletionMenu(Static):
    """What could be meant, above the place where one types."""

    def __init__(self) -> None:
        super().__init__(id="completions", markup=False)
        self.display = False
        self._choices: Sequence[Completion] = ()
        self._marked = 0

    @property
    def marked(self) -> Completion | None:
        """The completion that Tab would take."""
        return self._choices[self._marked] if self._choices else None

    def offer(self, choices: Sequence[Completion]) -> None:
        self._choices, self._marked, self.display = choices, 0, bool(choices)
        self._draw()

    def move(self, by: int) -> None:
        self._marked = (self._marked + by) % len(self._choices)
        self._draw()

    def _draw(self) -> None:
        lines = []
        for place, choice in enumerate(self._choices):
            label = Content.styled(f" {safe_text(choice.text).strip()} ", "reverse" if place == self._marked else "")
            lines.append(Content.assemble(label, Content.styled(f" {safe_text(choice.about)}", "dim")))
        self.update(Content("\n").join(lines))


class Composer(TextArea):
    """The text that is being typed; it is never lost to an error or a lost connection."""

    BINDINGS = [
        Binding("ctrl+x", "app.stop", show=False),
        Binding("escape", "app.stop", show=False),
        Binding("pageup", "app.scroll_page(-1)", show=False),
        Binding("pagedown", "app.scroll_page(1)", show=False),
        Binding("ctrl+end", "app.scroll_to_end", show=False),
    ]

    class KeyPressed(Message):
        """The user goes on, whichever key it was."""

    class Submitted(Message):
        """The user pressed Enter."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, menu: CompletionMenu) -> None:
        super().__init__(
            id="composer",
            compact=True,
            soft_wrap=True,
            show_line_numbers=False,
            highlight_cursor_line=False,
            placeholder="Say something.  @ names somebody, / is for commands",
        )
        self.cursor_blink = False
        self._menu = menu
        self._roster: Sequence[Seated] = ()
        self._you = ""

    def know(self, roster: Sequence[Seated], you: str) -> None:
        """Takes over the names that can be completed."""
        self._roster, self._you = roster, you

    def _on_key(self, event: events.Key) -> None:  # type: ignore[override]
        """Takes the keys that mean something else here than in a text; the others go on to TextArea."""
        open_menu = self._menu.display
        self.post_message(self.KeyPressed())
        match event.key:
            case "shift+enter" | "ctrl+j":
                self.insert("\n")
            case "tab":
                self._take()
            case "enter":
                self.post_message(self.Submitted(self.text))
            case "escape" if open_menu:
                self._menu.offer(())
            case "up" | "down" if open_menu:
                self._menu.move(-1 if event.key == "up" else 1)
            case _:
                return
        event.stop()
        event.prevent_default()

    def _on_paste(self, event: events.Paste) -> None:  # type: ignore[override]
        """What is pasted may hold anything; only text gets in."""
        event.prevent_default()
        event.stop()
        self.insert(safe_text(event.text, newlines=True))

    def on_text_area_changed(self) -> None:
        self._offer()

    def on_text_area_selection_changed(self) -> None:
        self._offer()

    def _offer(self) -> None:
        row, column = self.cursor_location
        before = self.document.get_line(row)[:column]
        self._menu.offer(completions(before, self._roster, self._you) if before else ())

    def _take(self) -> None:
        if choice := self._menu.marked:
            row, column = self.cursor_location
            self.replace(choice.text, (row, column - choice.length), (row, column))
            self._offer()
