"""The room on a terminal: puts the parts of the screen together and carries frames and keys between them.

What is shown follows from the transcript; what is typed goes to the connection. It decides neither who speaks nor what
a frame means. Nothing here waits for the network but workers, so a stuck server can't freeze the screen.
"""

import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import aclosing

from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.events import Resize
from textual.widgets import Static

from chatroom.clients._safe_text import safe_text
from chatroom.clients._transcript import Change, Transcript, presence_of
from chatroom.clients._typed_line import Typed, excess, parse, problem, role_id
from chatroom.clients.base import Connecting, Connection, News, Offline, Online
from chatroom.clients.tui.colours import DAY, NIGHT
from chatroom.clients.tui.composer import CompletionMenu, Composer
from chatroom.clients.tui.help_screen import HelpScreen
from chatroom.clients.tui.message_view import MessageView
from chatroom.clients.tui.roster import Roster
from chatroom.clients.tui.status_bar import StatusBar
from chatroom.clients.tui.transcript_view import TranscriptView
from chatroom.clients.tui.why_screen import WhyScreen
from chatroom.errors import RefusedError
from chatroom.frames import Error, Ok, Welcome

NARROW = 70
"""Columns below which the roster gives its place to the talk."""
HANG_UP_SECONDS = 2.0
"""How often it is looked whether the terminal is still there; Textual would read from a dead one for ever."""


def has_terminal() -> bool:
    """Whether somebody's terminal is at the other end of the standard input."""
    try:
        return sys.__stdin__ is not None and os.isatty(sys.__stdin__.fileno())
    except (OSError, ValueError):
        return False


class ChatApp(App[None]):
    """One room, one reader."""

    CSS_PATH = "chat.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS = [
        Binding("ctrl+r", "retry", show=False),
        Binding("f1", "help", show=False),
        Binding("f2", "theme", show=False),
        Binding("f3", "why", show=False),
    ]

    def __init__(self, connection: Connection, name: str) -> None:
        super().__init__()
        self.refusal = ""
        """Why the server did not let us in, for those who run the app."""
        self._connection, self._joins_as, self._you = connection, name, ""
        self.transcript = Transcript()
        """What the screen shows."""
        self._note = ""
        self._told: set[str] = set()
        self._parts()

    def _parts(self) -> None:
        self._heading = Static(id="heading", markup=False)
        self._talk = TranscriptView(self.transcript)
        self._unread = Static(id="unread", markup=False)
        self._roster = Roster()
        self._menu = CompletionMenu()
        self._composer = Composer(self._menu)
        self._status = StatusBar()

    def compose(self) -> ComposeResult:
        yield self._heading
        with Horizontal(id="table"):
            with Vertical(id="talk"):
                yield self._talk
                yield self._unread
            yield self._roster
        yield self._menu
        yield self._composer
        yield self._status

    def on_mount(self) -> None:
        self.register_theme(NIGHT)
        self.register_theme(DAY)
        self.theme = "night"
        self._unread.display = False
        self._composer.focus()
        self.run_worker(self._listen(), exit_on_error=True)
        if has_terminal():
            self.set_interval(HANG_UP_SECONDS, lambda: None if has_terminal() else self.exit())

    def on_resize(self, event: Resize) -> None:
        self.set_class(event.size.width < NARROW, "narrow")

    # --- what comes ---------------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        try:
            async with aclosing(self._connection.listen(self._joins_as)) as heard:
                async for news in heard:
                    self._hear(news)
        except RefusedError as refused:
            self.refusal = str(refused)
            self.exit(return_code=1)

    def _hear(self, news: News) -> None:
        match news:
            case Connecting() | Online() | Offline():
                self._say_note("")
            case Error():
                self._say_note(news.text)
            case _:
                if isinstance(news, Welcome):
                    self._you = news.you.id
                self._show(self.transcript.fold(news))

    def _show(self, change: Change) -> None:
        self._talk.apply(change)
        if change.cleared:
            self._heading.update(Content(safe_text(self.transcript.name)))
        if change.roster or change.cleared:
            self._roster.show(self.transcript)
            self._composer.know(self.transcript.roster, self._you)
            self._tell_faults()

    def _tell_faults(self) -> None:
        if fresh := [fault for fault in self.transcript.faults if fault not in self._told]:
            self._told.update(fresh)
            self._say_note("; ".join(fresh))

    def _show_status(self) -> None:
        online = isinstance(self._connection.state, Online)
        waiting = 0 if online else len(self._connection.unsent)
        self._status.show(self._connection.state, waiting, self._note)

    def _say_note(self, note: str) -> None:
        """Shows a note until the next key, the next note, or a change of the connection."""
        self._note = note
        self._show_status()

    def on_transcript_view_unread_changed(self, event: TranscriptView.UnreadChanged) -> None:
        self._unread.display = bool(event.count)
        self._unread.update(Content(f"↓ {event.count} new below   ^End"))

    def on_transcript_view_earlier_wanted(self) -> None:
        self.run_worker(self._load_earlier())

    async def _load_earlier(self) -> None:
        rows = self.transcript.rows
        page = await self._try(lambda: self._connection.history(before=rows[0].seq if rows else 1))
        if page is not None:
            self.transcript.fold_earlier(page.events, more=page.more)
        self._talk.show_earlier()

    # --- what is typed ------------------------------------------------------------------------------------------------

    def on_composer_key_pressed(self) -> None:
        if self._note:
            self._say_note("")

    def on_composer_submitted(self, event: Composer.Submitted) -> None:
        typed = parse(event.text.strip("\n"))
        if not event.text.strip():
            return
        if wrong := problem(typed) or excess(typed, self._connection.limits.text):
            self._say_note(wrong)
            return
        self._composer.clear()
        self._say_note("")
        self._talk.to_end()
        self.run_worker(self._carry_out(typed))

    async def _carry_out(self, typed: Typed) -> None:
        connection = self._connection
        match typed.verb:
            case "say":
                await self._say(typed.argument)
            case "invite":
                await self._try(lambda: connection.invite(typed.argument))
            case "dismiss":
                await self._try(lambda: connection.dismiss(role_id(typed.argument, self.transcript.roster)))
            case "stop":
                await self._try(connection.stop)
            case "retry":
                await self._try(connection.retry)
            case "why":
                self.action_why()
            case "who":
                self._say_note(", ".join(map(presence_of, self.transcript.roster)))
            case _:
                self.action_help()

    async def _say(self, text: str) -> None:
        saying = self._connection.say(text)
        self.call_later(self._show_status)
        if await self._try(lambda: saying) is not None:
            if not self.transcript.anybody_else(self._you):
                self._say_note("nobody here can answer")
        elif not self._composer.text:
            self._composer.text = text  # refused: give it back, so that it can be said in another way
            self._composer.move_cursor(self._composer.document.end)

    async def _try(self, ask: Callable[[], Awaitable[Ok]]) -> Ok | None:
        """Asks the server; a refusal is told in the status bar."""
        try:
            return await ask()
        except RefusedError as refused:
            self._say_note(str(refused))
            return None

    # --- keys ---------------------------------------------------------------------------------------------------------

    def action_stop(self) -> None:
        """Ends the running reply; without one there is nothing to do."""
        if self.transcript.running or self.transcript.busy:
            self.run_worker(self._carry_out(Typed("stop")))

    def action_retry(self) -> None:
        self.run_worker(self._carry_out(Typed("retry")))

    def action_help(self) -> None:
        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen())

    def action_why(self, id: str = "") -> None:
        """Shows what a reply was given to know: the last one, where none is named."""
        replies = self.transcript.replies
        if not replies:
            self.call_later(self._say_note, "nobody has said anything yet")  # after the key took the note away
        elif not isinstance(self.screen, WhyScreen):
            at = next((at for at, row in enumerate(replies) if row.id == id), len(replies) - 1)
            self.push_screen(WhyScreen(replies, at))

    def on_message_view_clicked(self, event: MessageView.Clicked) -> None:
        if event.row in self.transcript.replies:
            self.action_why(event.row.id)

    def action_theme(self) -> None:
        self.theme = "day" if self.theme == "night" else "night"
        self._talk.repaint()
        self._roster.show(self.transcript)

    def action_scroll_page(self, by: int) -> None:
        if by < 0:
            if self._talk.scroll_y <= 0:
                self._talk.want_earlier()
            self._talk.scroll_page_up(animate=False)
        else:
            self._talk.scroll_page_down(animate=False)

    def action_scroll_to_end(self) -> None:
        self._talk.to_end()

    def action_help_quit(self) -> None:
        """Ctrl+C copies; who wants to leave is told how."""
        self._say_note("Ctrl+Q leaves the room")
