"""SQLite files, read without trust: nothing is written, no extension is loaded, no view or trigger runs.

What a query may cost is bounded. It does not know what tables mean; a table's rows come in the order in which they were
stored.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from finetune.corpora.base import CorpusFile
from knowledge.errors import UnreadableError

MAGIC = b"SQLite format 3\0"
SUFFIXES = (".db", ".sqlite", ".sqlite3")
LONGEST_CELL = 16_000_000
MOST_TABLES = 500

_STEP, _MOST_STEPS = 1_000_000, 20_000
"""Instructions of SQLite between two looks, and looks until a query is given up: some minutes."""
_PLAIN = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' LIMIT ?"


@contextmanager
def opened(file: CorpusFile, *, live: bool = False) -> Iterator[sqlite3.Connection]:
    """Opens a file for reading.

    Args:
        live: Whether a program may have it open: then what it wrote last, beside the file, is read too.

    Raises:
        UnreadableError: It is damaged, or something in it can't be read; also while it is read.
    """
    # Without its log beside it a file is all there is, and "immutable" keeps SQLite from making one.
    fixed = not (live and _size_of_log(file))
    where = file.path.absolute().as_uri() + ("?mode=ro&immutable=1" if fixed else "?mode=ro")
    try:
        connection = sqlite3.connect(where, uri=True, isolation_level=None, timeout=10)
        try:
            _guard(connection)
            yield connection
        finally:
            connection.close()
    except (sqlite3.Error, UnicodeDecodeError) as error:  # names, too, may be no text
        raise UnreadableError(file.name, f"it is no SQLite file that can be read ({error}): export it anew") from None


def tables(connection: sqlite3.Connection) -> dict[str, list[str]]:
    """The columns by table, but not those that are computed."""
    names = [name for (name,) in connection.execute(_PLAIN, (MOST_TABLES,)) if isinstance(name, str)]
    return {name: [row[1] for row in connection.execute(f"PRAGMA table_info({quoted(name)})")] for name in names}


def rows(connection: sqlite3.Connection, table: str, columns: Sequence[str], most: int) -> Iterator[tuple[object, ...]]:
    """The rows of a table, at most so many."""
    chosen = ", ".join(map(quoted, columns))
    # No index: through one, rows would come in its order.
    yield from connection.execute(f"SELECT {chosen} FROM {quoted(table)} NOT INDEXED LIMIT ?", (most,))


def quoted(name: str) -> str:
    """A name of a table or column as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def _size_of_log(file: CorpusFile) -> int:
    log = file.path.with_name(file.path.name + "-wal")
    return log.stat().st_size if log.is_file() else 0


def _guard(connection: sqlite3.Connection) -> None:
    looks = iter(range(_MOST_STEPS))
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_CELL)
    connection.set_progress_handler(lambda: next(looks, None) is None, _STEP)
    for pragma in ("trusted_schema = OFF", "query_only = ON", "cell_size_check = ON"):
        connection.execute(f"PRAGMA {pragma}")
