"""Dialogue tables: a row for every line, with a column for who speaks and one for what is said.

CSV, TSV, JSON Lines, a JSON list of flat objects, or a table in SQLite. A row without a speaker is narration; where a
scene column changes, a new scene begins, and an empty cell there means the same scene as above. It does not know what a
name means or which role is meant.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple

from finetune.corpora import _delimited, _sqlite
from finetune.corpora._columns import REMEDY, Columns, find_columns, has_columns, listed
from finetune.corpora._records import SUFFIXES as _JSON
from finetune.corpora._records import first, records, suffix_of
from finetune.corpora._spoken import plain_name, spoken
from finetune.corpora.base import CorpusFile, Head
from finetune.dialogue import Line, Scene
from knowledge.errors import UnreadableError

HELP = "dialogue tables with a speaker and a text column: CSV, TSV, JSON, SQLite"
SUFFIXES = (".csv", ".tsv", ".tab", *_JSON, *_sqlite.SUFFIXES)
PRIVATE = False

MOST_ROWS = 2_000_000
"""Rows of a table in SQLite that are read."""
LONGEST_NAME = 60

_DELIMITED = (".csv", ".tsv", ".tab")
_LOOKED_AT = 200
"""Rows from which columns are told where there is no header, or where each record has its own keys."""
_SCALARS = (str, int, float, type(None))


class _Row(NamedTuple):
    place: str
    cells: Sequence[object]


class _Table(NamedTuple):
    """A table, whatever it was stored in."""

    columns: Columns
    header: Sequence[str]
    rows: Iterator[_Row]
    separator: str = ""
    """What stands between cells, where it is a text."""


_NOTHING = _Table(Columns(speaker=0, text=0), (), iter(()))


def claims(head: Head) -> float:
    if head.data.startswith(_sqlite.MAGIC):
        return 0.5
    if head.suffix in _DELIMITED:
        return _claims_text(head.text)
    record = first(head)
    if not record.fields or record.alone:
        return 0.0
    flat = [key for key, value in record.fields.items() if isinstance(value, _SCALARS)]
    return 0.6 if has_columns(flat) else 0.1 if len(flat) == len(record.fields) else 0.0


def read(file: CorpusFile) -> Iterator[Scene]:
    with file.open() as stream:
        opening = stream.read(len(_sqlite.MAGIC))
    if opening == _sqlite.MAGIC or suffix_of(file) in _sqlite.SUFFIXES:
        yield from _from_sqlite(file)
    elif suffix_of(file) in _JSON:
        yield from _scenes(file, _from_records(file))
    else:
        yield from _scenes(file, _from_text(file))


def _claims_text(text: str) -> float:
    sample = [line for line in text[:20_000].split("\n") if line.strip()][:60]
    dialect = _delimited.dialect_of(sample)
    header = _delimited.cells_of(sample[0], dialect) if sample else []
    return 0.8 if has_columns(header) else 0.3 if len(header) > 1 else 0.0


def _from_text(file: CorpusFile) -> _Table:
    separator, rows = _delimited.read_rows(file)
    sample = list(islice(rows, _LOOKED_AT))
    while sample and not any(cell.strip() for cell in sample[0].cells):
        sample.pop(0)
    if not sample:
        return _NOTHING
    columns = _columns_of(file, [row.cells for row in sample])
    header = sample[0].cells
    data = chain(sample if columns.headless else sample[1:], rows)
    return _Table(columns, header, (_Row(f"line {row.line}", row.cells) for row in data), separator)


def _columns_of(file: CorpusFile, grid: Sequence[Sequence[str]]) -> Columns:
    """The columns of a table of text, which may have no header."""
    try:
        return find_columns(grid[0], file.options.columns)
    except ValueError as error:
        if not file.options.columns and _is_headless(grid):
            file.note("line 1", "there is no header: the first column is taken for who speaks, the second for the text")
            return Columns(speaker=0, text=1, headless=True)
        hint = ", or by numbers (speaker=1,text=2) where there is no header" if REMEDY in str(error) else ""
        raise UnreadableError(file.name, f"{error}{hint}") from None


def _is_headless(grid: Sequence[Sequence[str]]) -> bool:
    """Whether rows have two cells, and in the first stands one of a few short names, that of the first row again."""
    pairs = [row for row in grid if len(row) == 2 and row[1].strip()]
    names = Counter(plain_name(row[0]) for row in pairs)
    del names[""]
    if len(pairs) * 10 < len(grid) * 9 or not names or any(len(name) > LONGEST_NAME for name in names):
        return False
    return names[plain_name(grid[0][0])] > 1 and len(names) * 2 <= len(pairs)


def _from_records(file: CorpusFile) -> _Table:
    found = records(file)
    sample = list(islice(found, _LOOKED_AT))
    if not sample:
        return _NOTHING
    header = list(dict.fromkeys(key for record in sample for key in record.fields))
    columns = _known_columns(file, header)
    data = chain(sample, found)
    return _Table(columns, header, (_Row(one.place, [one.fields.get(key) for key in header]) for one in data))


def _known_columns(file: CorpusFile, header: Sequence[str], where: str = "") -> Columns:
    try:
        columns = find_columns(header, file.options.columns)
    except ValueError as error:
        raise UnreadableError(file.name, str(error), where) from None
    if columns.headless:
        raise UnreadableError(file.name, f"its columns have names, not numbers: {listed(header)}: {REMEDY}")
    return columns


def _from_sqlite(file: CorpusFile) -> Iterator[Scene]:
    with _sqlite.opened(file) as connection:
        tables = _sqlite.tables(connection)
        name, columns = _chosen(file, tables)
        data = enumerate(_sqlite.rows(connection, name, tables[name], MOST_ROWS + 1), start=1)
        rows = (_Row(f"table {name}, row {number}", cells) for number, cells in _bounded(file, data))
        yield from _scenes(file, _Table(columns, tables[name], rows))


def _chosen(file: CorpusFile, tables: dict[str, list[str]]) -> tuple[str, Columns]:
    """The first table that has both columns; further ones are told."""
    found: dict[str, Columns] = {}
    for name, header in tables.items():
        try:
            found[name] = find_columns(header, file.options.columns)
        except ValueError:
            continue
    fitting = [name for name, columns in found.items() if not columns.headless]
    if not fitting:
        there = "; ".join(f"{name[:60]} ({listed(header)})" for name, header in list(tables.items())[:20]) or "none"
        problem = f"no table in it has a speaker and a text column; its tables are {there}: {REMEDY}"
        raise UnreadableError(file.name, problem)
    for name in fitting[1:]:
        file.skip(f"table {name[:60]}", "another table with a speaker and a text column was read before it")
    return fitting[0], found[fitting[0]]


def _bounded(
    file: CorpusFile, rows: Iterator[tuple[int, tuple[object, ...]]]
) -> Iterator[tuple[int, tuple[object, ...]]]:
    for number, cells in rows:
        if number > MOST_ROWS:
            file.skip(f"row {number}", f"only the first {MOST_ROWS:,} rows are read: split the table")
            return
        yield number, cells


def _scenes(file: CorpusFile, table: _Table) -> Iterator[Scene]:
    """Gathers lines until the scene column changes."""
    lines: list[Line] = []
    scene: tuple[str, ...] = ()
    began = ""
    for row in table.rows:
        cells = _texts(file, row, table)
        if cells is None or (line := _line(file, row.place, cells, table.columns)) is None:
            continue
        now = _scene_of(cells, table.columns, scene)
        if lines and now != scene:
            yield _scene(file, lines, scene, began)
            lines = []
        began = began if lines else row.place
        scene = now
        lines.append(line)
    if lines:
        yield _scene(file, lines, scene, began)


def _scene(file: CorpusFile, lines: list[Line], scene: Sequence[str], began: str) -> Scene:
    return Scene(lines=lines, title=" · ".join(filter(None, scene)), source=f"{file.name}, {began}")


def _texts(file: CorpusFile, row: _Row, table: _Table) -> list[str] | None:
    """The cells as texts, as many as the header has; None, and told, where they can't be told apart."""
    cells = [_text(cell) for cell in row.cells]
    if not any(cells):
        file.skip(row.place, "the row is empty")
        return None
    missing, extra = len(table.header) - len(cells), [cell for cell in cells[len(table.header) :] if cell]
    if table.separator and missing > 0:
        file.note(row.place, "it has fewer cells than the header")
    if extra and table.columns.text != len(table.header) - 1:
        file.skip(row.place, "it has more cells than the header: put texts with a separator in quotation marks")
        return None
    if extra:
        file.note(row.place, "it has more cells than the header: the last ones are taken for one text")
        cells[table.columns.text :] = [table.separator.join(map(str, row.cells[table.columns.text :])).strip()]
    return cells + [""] * missing


def _text(cell: object) -> str:
    """A cell as text; "" for what is none."""
    if isinstance(cell, str):
        return cell.replace("\0", "").strip()
    return str(cell) if isinstance(cell, int | float) and not isinstance(cell, bool) else ""


def _line(file: CorpusFile, place: str, cells: Sequence[str], columns: Columns) -> Line | None:
    name = cells[columns.speaker]
    if len(name) > LONGEST_NAME:
        file.note(place, f"the name is longer than {LONGEST_NAME} characters: is this the right column?")
    audience = _names(cells[columns.audience]) if columns.audience is not None else None
    line = spoken(name, cells[columns.text], audience)
    if line is None:
        file.skip(place, "there is no text in the row")
    return line


def _names(cell: str) -> list[str] | None:
    """Those who heard a line; None, which is all, for an empty cell."""
    for mark in "，、;；|/":
        cell = cell.replace(mark, ",")
    return [name for name in cell.split(",") if name.strip()] or None


def _scene_of(cells: Sequence[str], columns: Columns, before: Sequence[str]) -> tuple[str, ...]:
    """What the scene columns say; a cell that is empty goes on with the one above it."""
    earlier = before or [""] * len(columns.scene)
    return tuple(" ".join(cells[at].split()) or old for at, old in zip(columns.scene, earlier, strict=True))
