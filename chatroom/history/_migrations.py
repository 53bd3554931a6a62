"""The schema of rooms.db as numbered steps: plain SQL, each run once and in one transaction.

The number of steps done is in `PRAGMA user_version`. A step is never edited after a release; a new one is appended.
Knows nothing of events: only where their columns are.
"""

import sqlite3

from chatroom.errors import HistoryError

MIGRATIONS = (
    # 1: the log. `place` counts over all rooms: one number tells how far the whole file has come. `audience` is NULL
    # for everyone, else a JSON list of ids. `body` is the event as JSON. `running` holds turns that have not ended.
    """
    CREATE TABLE rooms (room TEXT PRIMARY KEY, epoch TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE events (
        place INTEGER PRIMARY KEY,
        room TEXT NOT NULL,
        seq INTEGER NOT NULL,
        kind TEXT NOT NULL,
        sender TEXT NOT NULL,
        cid TEXT NOT NULL,
        audience TEXT,
        at REAL NOT NULL,
        body TEXT NOT NULL,
        UNIQUE (room, seq)
    );
    CREATE UNIQUE INDEX events_by_cid ON events (room, sender, cid) WHERE cid <> '';
    CREATE TABLE running (room TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (room, id));
    """,
)


def migrate(connection: sqlite3.Connection, file: str) -> None:
    """Brings the schema up to date.

    Raises:
        HistoryError: A newer program wrote the file.
    """
    done = connection.execute("PRAGMA user_version").fetchone()[0]
    if done > len(MIGRATIONS):
        raise HistoryError(
            f"{file} was written by a newer chatroom (schema {done}, this one knows up to {len(MIGRATIONS)}): update it"
        )
    for number in range(done, len(MIGRATIONS)):
        connection.executescript(f"BEGIN IMMEDIATE; {MIGRATIONS[number]}; PRAGMA user_version = {number + 1}; COMMIT;")
