"""The room log in one SQLite file, `rooms.db`: the default, good for thousands of messages a second.

WAL with synchronous=FULL: what was acknowledged is on the disk. One thread writes and groups commits (_writer.py), one
reads on its own connection, so the event loop never waits for a disk. Knows events and readers, no room logic.

Invariants: seq counts from 1 without gaps per room, given inside the transaction; a reader gets an event only if its
audience is absent or contains the reader; no seq is used twice under one epoch, even if an older copy is put back.
"""

import asyncio
import sqlite3
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import msgspec

from chatroom.errors import HistoryError, RefusedError
from chatroom.history._migrations import migrate
from chatroom.history._writer import Writer
from chatroom.history.base import EVERYTHING, Appended
from chatroom.messages import AnyEvent, Ended, Entry, Event, Running

_encoder = msgspec.json.Encoder(order="deterministic")
_events: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)
_turns = msgspec.json.Decoder(Running)

_VISIBLE = f"""(:reader = '{EVERYTHING}' OR audience IS NULL
    OR EXISTS (SELECT 1 FROM json_each(audience) WHERE value = :reader))"""

_PAGE = """
WITH page AS (
    SELECT seq, body FROM events WHERE room = :room AND seq {side} :bound AND {visible}
    ORDER BY seq {order} LIMIT :limit
)
SELECT seq, coalesce(
    lag(seq) OVER (ORDER BY seq),
    (SELECT seq FROM events WHERE room = :room AND seq < page.seq AND {visible} ORDER BY seq DESC LIMIT 1),
    0
), body FROM page ORDER BY seq
"""
_AFTER = _PAGE.format(side=">", order="ASC", visible=_VISIBLE)
_BEFORE = _PAGE.format(side="<", order="DESC", visible=_VISIBLE)

_LEFTOVER = """
SELECT body FROM running WHERE room = :room AND NOT EXISTS (
    SELECT 1 FROM events WHERE room = :room AND kind = 'ended' AND json_extract(body, '$.id') = running.id
) ORDER BY rowid
"""


class History:
    """Fulfils chatroom/history/base.py. One object per home: it expects to be the only writer."""

    def __init__(self, home: Path) -> None:
        self._file = home / "rooms.db"
        self._mark = _Mark(home / "rooms.mark")
        self._prepare(home)
        self._writer = Writer(self._connect, self._mark.raise_to)
        self._reading: sqlite3.Connection | None = None
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="history-reader")

    async def open_room(self, room: str) -> tuple[str, int]:
        return await self._writer.run(lambda connection: _open(connection, room, time.time()))

    async def append(self, room: str, event: AnyEvent, *, sender: str = "", cid: str = "") -> Appended:
        body = _encode(event)
        return await self._writer.run(lambda connection: _append(connection, room, event, body, sender, cid))

    async def checkpoint(self, room: str, turn: Running) -> None:
        row = (room, turn.id, _encode(turn))
        await self._writer.run(lambda connection: connection.execute("REPLACE INTO running VALUES (?, ?, ?)", row))

    async def view(
        self, room: str, reader: str, *, after: int | None = None, before: int | None = None, limit: int = 200
    ) -> Sequence[Entry]:
        query = _BEFORE if after is None else _AFTER
        bound = after if after is not None else before if before is not None else 1 << 62
        values: dict[str, object] = {"room": room, "reader": reader, "bound": bound, "limit": limit}
        try:
            return await asyncio.get_running_loop().run_in_executor(self._reader, self._read, query, values)
        except RuntimeError as error:
            raise HistoryError("the room log is closed") from error

    async def close(self) -> None:
        await self._writer.close()
        await asyncio.to_thread(self._end_reading)

    def _prepare(self, home: Path) -> None:
        """Makes or migrates the file, so that one that can't be used is refused at start."""
        try:
            home.mkdir(parents=True, exist_ok=True)
            for file in (self._file, home / "rooms.mark"):  # SQLite gives -wal and -shm the rights of their database
                file.touch(mode=0o600)
                file.chmod(0o600)
            connection = self._connect()
            try:
                migrate(connection, str(self._file))
                self._mark.check(connection)
            finally:
                connection.close()
        except (sqlite3.Error, OSError) as error:
            raise HistoryError(f"the room log {self._file} can't be opened: {error}") from error

    def _connect(self) -> sqlite3.Connection:
        # Each connection stays in one thread but is made and closed in others: SQLite's own lock is enough for that.
        connection = sqlite3.connect(self._file, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _read(self, query: str, values: dict[str, object]) -> Sequence[Entry]:
        try:
            self._reading = self._reading or self._connect()
            rows = self._reading.execute(query, values).fetchall()
            return [Entry(seq=seq, prev=prev, event=_events.decode(body)) for seq, prev, body in rows]
        except (sqlite3.Error, msgspec.DecodeError) as error:
            self._stop_reading()
            raise HistoryError(f"the room log can't be read: {error}") from error

    def _end_reading(self) -> None:
        self._reader.shutdown()
        self._stop_reading()

    def _stop_reading(self) -> None:
        if self._reading is not None:
            self._reading.close()
        self._reading = None


class _Mark:
    """How far the log had come when somebody last heard of it, kept outside the database.

    If the file is behind it, an older copy was put back: the seqs that it will hand out were handed out before, so
    every room gets a new epoch and no client mistakes new events for those it knows. Written in place and not synced:
    it survives a killed process; after a power cut it may be too low, which only makes it blind to the youngest copies.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def check(self, connection: sqlite3.Connection) -> None:
        if _last_place(connection) < self._read():
            connection.execute("UPDATE rooms SET epoch = lower(hex(randomblob(8)))")
            self._write(_last_place(connection))

    def raise_to(self, connection: sqlite3.Connection) -> None:
        with suppress(OSError, sqlite3.Error):  # a guard that can't be written must not undo what is committed
            self._write(_last_place(connection))

    def _read(self) -> int:
        try:
            return int(self._file.read_text("ascii"))
        except (OSError, ValueError):
            return 0

    def _write(self, place: int) -> None:
        with self._file.open("r+" if self._file.exists() else "w", encoding="ascii") as file:
            file.write(f"{place:020d}")


def _last_place(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT coalesce(max(place), 0) FROM events").fetchone()[0])


def _encode(value: Event | Running) -> str:
    try:
        return _encoder.encode(value).decode()
    except UnicodeEncodeError as error:
        raise HistoryError(f"the room log takes no broken text: {error}") from error


def _open(connection: sqlite3.Connection, room: str, now: float) -> tuple[str, int]:
    connection.execute("INSERT OR IGNORE INTO rooms VALUES (?, lower(hex(randomblob(8))))", (room,))
    for (body,) in connection.execute(_LEFTOVER, {"room": room}).fetchall():
        turn = _turns.decode(body)
        ended = Ended(
            at=now,
            id=turn.id,
            author=turn.author,
            text=turn.text,
            status="interrupted",
            audience=turn.audience,
            seed=turn.seed,
            heard=turn.heard,
            passages=turn.passages,
            usage=turn.usage,
        )
        _append(connection, room, ended, _encode(ended), "", "")
    connection.execute("DELETE FROM running WHERE room = ?", (room,))
    (epoch,) = connection.execute("SELECT epoch FROM rooms WHERE room = ?", (room,)).fetchone()
    return epoch, _head(connection, room)


def _append(connection: sqlite3.Connection, room: str, event: AnyEvent, body: str, sender: str, cid: str) -> Appended:
    if cid and (known := _find(connection, room, sender, cid)):
        if _content(known.event) != _content(event):
            raise RefusedError("cid_conflict", "this id was already used for something else")
        return Appended(entry=known, dup=True)
    seq = _head(connection, room) + 1
    audience = None if event.audience is None else msgspec.json.encode(sorted(event.audience)).decode()
    connection.execute(
        "INSERT INTO events (room, seq, kind, sender, cid, audience, at, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (room, seq, event.__struct_config__.tag, sender, cid, audience, event.at, body),
    )
    if isinstance(event, Ended):
        connection.execute("DELETE FROM running WHERE room = ? AND id = ?", (room, event.id))
    return Appended(entry=Entry(seq=seq, prev=seq - 1, event=event))


def _head(connection: sqlite3.Connection, room: str) -> int:
    return int(connection.execute("SELECT coalesce(max(seq), 0) FROM events WHERE room = ?", (room,)).fetchone()[0])


def _find(connection: sqlite3.Connection, room: str, sender: str, cid: str) -> Entry | None:
    query = "SELECT seq, body FROM events WHERE room = ? AND sender = ? AND cid = ? AND cid <> ''"
    row = connection.execute(query, (room, sender, cid)).fetchone()
    return row and Entry(seq=row[0], prev=row[0] - 1, event=_events.decode(row[1]))


def _content(event: AnyEvent) -> AnyEvent:
    """The event without what a second attempt makes anew: its time and its id."""
    fresh = {"at": 0.0, "id": ""} if hasattr(event, "id") else {"at": 0.0}
    return msgspec.structs.replace(event, **fresh)
