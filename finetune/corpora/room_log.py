"""The log of this chatroom itself, rooms.db: every room's talk, folded as its readers see it.

Read only, also while a server has it open. Of replies that were asked for again the last one is kept; whispers keep
their audience, as names; who came and went is left out. It does not know which role is meant.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

import msgspec

from chatroom.messages import AnyEvent, Entry, Message, Retried, Speaker
from chatroom.transcript import Transcript, anchor
from finetune.corpora import _sqlite
from finetune.corpora._spoken import spoken
from finetune.corpora.base import CorpusFile, Head
from finetune.dialogue import Line, Scene
from knowledge.errors import UnreadableError

HELP = "the chatroom's own log: rooms.db"
SUFFIXES = _sqlite.SUFFIXES
PRIVATE = True

LONGEST_SCENE = 200
"""Lines after which a role that sits down begins a new scene, where no times are kept."""

_PAGE = 500
_COLUMNS = ("room", "seq", "body")
_EVENTS = "SELECT seq, body FROM events WHERE room = ? AND seq > ? ORDER BY seq LIMIT ?"
_ROOMS = "SELECT DISTINCT room FROM events ORDER BY room"
_SPEAKERS = """
SELECT DISTINCT CASE WHEN typeof(body) = 'text' AND json_valid(body) THEN
    coalesce(json_extract(body, '$.author'), json_extract(body, '$.who')) END
FROM events WHERE room = ?
"""
_MARKS = (b"CREATE TABLE rooms", b"CREATE TABLE events", b"epoch TEXT", b"cid TEXT")

_speakers = msgspec.json.Decoder(Speaker)
_events: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)


class _Said(NamedTuple):
    """A message with its time; `fresh` says that a role sat down just before it."""

    message: Message
    at: float
    fresh: bool


def claims(head: Head) -> float:
    return 1.0 if head.data.startswith(_sqlite.MAGIC) and all(mark in head.data for mark in _MARKS) else 0.0


def read(file: CorpusFile) -> Iterator[Scene]:
    with _sqlite.opened(file, live=True) as connection:
        if not set(_COLUMNS) <= {*_sqlite.tables(connection).get("events", ())}:
            raise UnreadableError(file.name, "it is no log of this chatroom, or one of another version of it")
        for room in [str(name) for (name,) in connection.execute(_ROOMS)]:
            yield from _Room(file, connection, room).scenes()


class _Room:
    """The talk of one room."""

    def __init__(self, file: CorpusFile, connection: sqlite3.Connection, room: str) -> None:
        self._file, self._connection, self._room = file, connection, room
        self._names = self._everybody()
        self._times: dict[int, float] = {}

    def _everybody(self) -> dict[str, str]:
        """Names by id: one may hear a whisper before one's name is first told."""
        names: dict[str, str] = {}
        for (body,) in self._connection.execute(_SPEAKERS, (self._room,)):
            with suppress(msgspec.DecodeError, TypeError):  # told where the event is read
                speaker = _speakers.decode(body)
                names[speaker.id] = speaker.name
        return names

    def scenes(self) -> Iterator[Scene]:
        lines: list[Line] = []
        last, began = 0.0, 0
        for said in self._said():
            if (line := self._line(said.message)) is None:
                continue
            if lines and self._parts(last, said, len(lines)):
                yield self._scene(lines, began)
                lines = []
            began = began if lines else said.message.seq
            last = said.at
            lines.append(line)
        if lines:
            yield self._scene(lines, began)

    def _scene(self, lines: list[Line], began: int) -> Scene:
        return Scene(lines=lines, title=self._room, source=f"{self._file.name}, room {self._room}, line {began}")

    def _parts(self, last: float, said: _Said, count: int) -> bool:
        if last and said.at:
            return said.at - last > self._file.options.pause * 60
        return said.fresh and count >= LONGEST_SCENE

    def _line(self, message: Message) -> Line | None:
        heard = message.audience
        names = None if heard is None else [self._names.get(one, one) for one in heard]
        line = spoken(message.author.name, message.text, names)
        if line is None:
            self._file.skip(self._place(message.seq), "a message has no text")
        return line

    def _said(self) -> Iterator[_Said]:
        fresh = False
        for message in self._messages():
            at = self._times.pop(message.seq, 0.0)
            if message.notice:
                fresh = fresh or message.notice == "joined"
                continue
            yield _Said(message, at, fresh)
            fresh = False

    def _messages(self) -> Iterator[Message]:
        """Folds the log page by page; what the transcript is about to forget is given first."""
        transcript = Transcript()
        for page in self._pages():
            gone = {entry.event.supersedes for entry in page if isinstance(entry.event, Retried)}
            oldest = anchor(page[-1].seq)
            yield from [one for one in transcript.messages if one.seq <= oldest and one.id not in gone]
            transcript.extend(page, page[-1].seq)
        yield from transcript.messages

    def _pages(self) -> Iterator[list[Entry]]:
        """Entries, numbered anew so that a damaged one leaves no gap."""
        after, count = 0, 0
        while rows := self._connection.execute(_EVENTS, (self._room, after, _PAGE)).fetchall():
            after = rows[-1][0]
            events = [event for seq, body in rows if (event := self._event(seq, body)) is not None]
            page = [Entry(seq=seq, prev=seq - 1, event=event) for seq, event in enumerate(events, count + 1)]
            self._times.update((entry.seq, entry.event.at) for entry in page)
            count += len(page)
            if page:
                yield page

    def _event(self, seq: int, body: object) -> AnyEvent | None:
        try:
            return _events.decode(body if isinstance(body, str) else b"")
        except (msgspec.DecodeError, RecursionError):
            self._file.skip(self._place(seq), "an event is damaged, or of another version of the chatroom")
            return None

    def _place(self, seq: int) -> str:
        return f"room {self._room[:60]}, line {seq}"
