"""The talk, scrolling: follows the newest words unless the reader has scrolled back to read.

It mounts a window of the transcript, not all of it: earlier rows come in pages as one scrolls up, and rows far above
go while one follows the talk. Words of a running reply reach the screen at most twenty times a second, and touch only
that reply's widget.
"""

from textual.containers import VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from chatroom.clients._safe_text import safe_text
from chatroom.clients._transcript import Change, Row, Transcript
from chatroom.clients.tui.message_view import MessageView

FRAME = 1 / 20
"""Seconds between two looks at what running replies have gained."""
PAGE = 50
MOST = 300
"""Most messages that stay mounted while one follows the talk."""


class TranscriptView(VerticalScroll, can_focus=False):
    """The rows of a transcript, oldest first, then the replies that are still coming."""

    class EarlierWanted(Message):
        """The reader has reached the first row that we know, and there are earlier ones on the server."""

    class UnreadChanged(Message):
        """So many messages have come below what is being read."""

        def __init__(self, count: int) -> None:
            super().__init__()
            self.count = count

    def __init__(self, transcript: Transcript) -> None:
        super().__init__()
        self._transcript = transcript
        self._premise = Static(id="premise", markup=False)
        self._views: list[MessageView] = []
        self._turns: dict[str, MessageView] = {}
        self._grown: dict[str, None] = {}
        self._unread = 0
        self._follows = True
        self._loading = False

    def on_mount(self) -> None:
        self.mount(self._premise)
        self.anchor()
        self.set_interval(FRAME, self.flush)

    @property
    def at_end(self) -> bool:
        """Whether the newest line is on the screen."""
        return self.scroll_y >= self.max_scroll_y

    def apply(self, change: Change) -> None:
        """Shows what a frame changed."""
        if change.cleared:
            self._rebuild()
            return
        for id_ in change.removed:
            self._remove(id_)
        for row in change.added:
            self._add(row)
        self._mark_last()
        self._grown.update(dict.fromkeys(change.turns))
        if self._follows:
            self._prune()
        elif change.added:
            self._count_unread(self._unread + len(change.added))

    def flush(self) -> None:
        """Brings the running replies up to date."""
        grown, self._grown = self._grown, {}
        for id_ in grown:
            turn, view = self._transcript.running.get(id_), self._turns.get(id_)
            if turn is not None and view is not None:
                view.show(turn)
            elif turn is not None:
                self._turns[id_] = MessageView(turn)
                self.mount(self._turns[id_])
            elif view is not None:
                self._turns.pop(id_).remove()

    def show_earlier(self) -> None:
        """Mounts the page before the first row shown, and keeps the place where one reads."""
        first = self._views[0].shown if self._views else None
        known = [row for row in self._transcript.rows if not isinstance(first, Row) or row.seq < first.seq]
        self._loading = False
        if known:
            below = self.max_scroll_y - self.scroll_y
            page = [MessageView(row) for row in known[-PAGE:]]
            self._views[:0] = page
            mounted = self.mount_all(page, after=self._premise)

            async def keep() -> None:
                await mounted
                self.call_after_refresh(self._keep_place, below)

            self.call_later(keep)
        self._show_premise()

    def _keep_place(self, below: float, height: float = -1) -> None:
        """Scrolls back to where one reads, again for as long as the page above it is still being laid out."""
        if self.max_scroll_y != height:
            self.scroll_to(y=self.max_scroll_y - below, animate=False, immediate=True)
            self.call_after_refresh(self._keep_place, below, self.max_scroll_y)

    def to_end(self) -> None:
        """Goes to the newest line and follows the talk again."""
        self.anchor()
        self._follows = True
        self._count_unread(0)

    def release_anchor(self) -> None:
        """The reader scrolls; from then on nothing moves but by hand, until the end is reached again."""
        super().release_anchor()
        self._follows = False
        self.call_after_refresh(self._follow_at_end)

    def _follow_at_end(self) -> None:
        """Who scrolled down at the end, or where there is nothing to scroll, still follows."""
        if self.scroll_target_y >= self.max_scroll_y:  # the target, as a wheel moves the place little by little
            self.to_end()

    def repaint(self) -> None:
        """Takes over the colours of another theme."""
        for view in (*self._views, *self._turns.values()):
            view.show(view.shown)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if self.at_end:
            self._follows = True
            self._count_unread(0)
        elif new_value <= 1 and new_value < old_value:
            self.want_earlier()

    def want_earlier(self) -> None:
        """Gets the page before what is shown, from what we know or from the server."""
        first = self._views[0].shown if self._views else None
        rows = self._transcript.rows
        if isinstance(first, Row) and rows and rows[0].seq < first.seq:
            self.show_earlier()
        elif self._transcript.more_before and not self._loading:
            self._loading = True
            self.post_message(self.EarlierWanted())

    def _rebuild(self) -> None:
        for view in (*self._views, *self._turns.values()):
            view.remove()
        self._views = [MessageView(row) for row in self._transcript.rows[-PAGE * 2 :]]
        self._turns = {id_: MessageView(turn) for id_, turn in self._transcript.running.items()}
        self._grown, self._loading = {}, False
        self._mark_last()
        self.mount_all([*self._views, *self._turns.values()])
        self._show_premise()
        self.to_end()

    def _show_premise(self) -> None:
        """The premise stands above the first message of all, and nowhere else."""
        rows = self._transcript.rows
        whole = not rows or bool(self._views and self._views[0].shown.id == rows[0].id)
        self._premise.update(Content(safe_text(self._transcript.premise, newlines=True)))
        self._premise.display = bool(self._transcript.premise) and whole and not self._transcript.more_before

    def _add(self, row: Row) -> None:
        """A reply that was running keeps its widget; anything else comes before the replies that still run."""
        view = self._turns.pop(row.id, None)
        first_running = next(iter(self._turns.values()), None)
        if view is None:
            view = MessageView(row)
            self.mount(view, before=first_running)
        else:
            view.show(row)
            if first_running is not None:
                self.move_child(view, before=first_running)
        self._views.append(view)

    def _remove(self, id_: str) -> None:
        for view in [view for view in self._views if view.shown.id == id_]:
            self._views.remove(view)
            view.remove()

    def _mark_last(self) -> None:
        failed = [view for view in self._views if isinstance(view.shown, Row) and view.shown.kind == "failed"]
        for view in failed:
            view.mark_last(view is failed[-1])

    def _prune(self) -> None:
        if len(self._views) > MOST:
            for view in self._views[:PAGE]:
                view.remove()
            del self._views[:PAGE]
            self._premise.display = False

    def _count_unread(self, count: int) -> None:
        if count != self._unread:
            self._unread = count
            self.post_message(self.UnreadChanged(count))
