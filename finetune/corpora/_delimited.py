"""CSV and its kin → rows of cells: the separator is told by the text, quotation marks may hold line ends.

A quotation mark that is never closed costs nothing but itself: its row is read again with the mark as a letter. It does
not know what the cells mean. Memory is bounded by one row.
"""

import csv
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, dropwhile, islice
from typing import Literal, NamedTuple

from finetune.corpora._columns import has_columns
from finetune.corpora.base import CorpusFile
from knowledge.encodings import read_lines

LONGEST_ROW, MOST_LINES = 120_000, 500
"""Characters of a row, and lines of the file that it may take."""

_SEPARATORS = (",", "\t", ";", "|")
_SAMPLE = 60
"""Lines from which the separator is told."""
_MOST_READ_AGAIN = 20_000
"""Lines read again for marks that are not closed, after which all marks are letters: else each costs `MOST_LINES`."""


class Row(NamedTuple):
    """A row, and the line on which it begins."""

    line: int
    cells: list[str]


class Dialect(NamedTuple):
    """How cells are told apart."""

    separator: str
    escape: str | None = None


def read_rows(file: CorpusFile) -> tuple[str, Iterator[Row]]:
    """Gives the separator, and the rows that are not empty; what can't be read is told to `file.skip`.

    Raises:
        UnreadableError: It is no text.
    """
    lines = read_lines(file, LONGEST_ROW)
    sample = list(islice(dropwhile(lambda placed: not placed[1].strip(), lines), _SAMPLE))
    dialect = dialect_of([line for _, line in sample])
    rows = sample[1:] if sample and _separator_line(sample[0][1]) else sample
    return dialect.separator, _Reading(file, _Feed(chain(rows, lines)), dialect).rows()


def dialect_of(sample: Sequence[str]) -> Dialect:
    """Tells the separator: by the line `sep=;`, by a header with known names, else by rows of equal length."""
    text = "\n".join(sample)
    escape = "\\" if '\\"' in text and '""' not in text else None
    if sample and (separator := _separator_line(sample[0])):
        return Dialect(separator, escape)
    grids = {one: _grid(text, Dialect(one, escape)) for one in _SEPARATORS}
    known = [one for one, grid in grids.items() if grid and has_columns(grid[0])]
    return Dialect(known[0] if known else max(_SEPARATORS, key=lambda one: _evenness(grids[one])), escape)


def _separator_line(line: str) -> str:
    """The separator that a line `sep=;` sets for a spreadsheet; "" for any other line."""
    found = line.strip(" \r").strip('"')
    return found[4] if len(found) == 5 and found[:4].casefold() == "sep=" and not found[4].isalnum() else ""


def cells_of(line: str, dialect: Dialect) -> list[str]:
    """The cells of a single line."""
    grid = _grid(line, dialect)
    return grid[0] if grid else []


def _grid(text: str, dialect: Dialect) -> list[list[str]]:
    try:
        return [row for row in _parsed(text.splitlines(True), dialect, strict=False) if row]
    except csv.Error:
        return []


def _parsed(lines: Iterable[str], dialect: Dialect, *, quotes: bool = True, strict: bool = True) -> Iterator[list[str]]:
    mark = '"' if quotes else None
    quoting: Literal[0, 3] = 0 if quotes else 3  # csv.QUOTE_MINIMAL, csv.QUOTE_NONE
    return csv.reader(
        lines,
        delimiter=dialect.separator,
        quotechar=mark,
        escapechar=dialect.escape,
        quoting=quoting,
        strict=strict and quotes,  # a mark within a cell is an error, which `_mended` takes for a letter
    )


def _evenness(grid: Sequence[Sequence[str]]) -> float:
    """How much a grid looks like a table: the share of its rows that are as wide as the first, none for one column."""
    if not grid or len(grid[0]) < 2:
        return 0.0
    return sum(len(row) == len(grid[0]) for row in grid) / len(grid)


class _RunawayError(Exception):
    """A row takes more lines than a row can: its quotation mark is not closed."""


class _Feed:
    """Hands lines to the csv module, remembers those of the row in work, and takes them back."""

    def __init__(self, lines: Iterator[tuple[int, str]]) -> None:
        self._lines = lines
        self._back: deque[tuple[int, str]] = deque()
        self.taken: list[tuple[int, str]] = []
        self._size = 0

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        placed = self._back.popleft() if self._back else next(self._lines, None)
        if placed is None:
            raise StopIteration
        self.taken.append(placed)
        self._size += len(placed[1]) + 1
        if len(self.taken) > 1 and (self._size > LONGEST_ROW or len(self.taken) > MOST_LINES):
            raise _RunawayError
        return placed[1] + "\n"

    def begin(self) -> None:
        """A new row begins."""
        self.taken, self._size = [], 0

    def take_back(self) -> tuple[int, str]:
        """Gives the first line of the row in work; the others will be handed out again."""
        head, *rest = self.taken
        self._back.extendleft(reversed(rest))
        self.begin()
        return head


class _Reading:
    """The rows of one file."""

    def __init__(self, file: CorpusFile, feed: _Feed, dialect: Dialect) -> None:
        self._file, self._feed, self._dialect = file, feed, dialect
        self._read_again = 0

    def rows(self) -> Iterator[Row]:
        reader = self._reader()
        while True:
            self._feed.begin()
            try:
                cells = next(reader, None)
            except (csv.Error, _RunawayError):
                yield from self._mended()
                reader = self._reader()
                continue
            if cells is None:
                return
            if cells:
                yield Row(self._feed.taken[0][0], cells if self._quotes else list(map(_bare, cells)))

    def _reader(self) -> Iterator[list[str]]:
        return _parsed(self._feed, self._dialect, quotes=self._quotes)

    @property
    def _quotes(self) -> bool:
        """Whether quotation marks may still hold the ends of lines."""
        return self._read_again <= _MOST_READ_AGAIN

    def _mended(self) -> Iterator[Row]:
        """The row in work, by its first line alone, with the quotation marks within cells as letters."""
        self._read_again += len(self._feed.taken) - 1
        number, line = self._feed.take_back()
        try:
            cells = _loosely_split(line, self._dialect)
        except csv.Error:
            self._file.skip(f"line {number}", "a cell is too long")
            return
        self._file.note(f"line {number}", "a quotation mark stands alone: it is read as a letter")
        yield Row(number, cells)


def _loosely_split(line: str, dialect: Dialect) -> list[str]:
    """The cells of a line with a quotation mark too many; one that all of a cell stands in is none of its letters."""
    if len(line) > 1 and line.startswith('"') and line.endswith('"'):
        return [cell.replace('""', '"') for cell in line[1:-1].split(f'"{dialect.separator}"')]
    return list(map(_bare, next(_parsed([line], dialect, quotes=False), [])))


def _bare(cell: str) -> str:
    quoted = len(cell) > 1 and cell.startswith('"') and cell.endswith('"')
    return cell[1:-1].replace('""', '"') if quoted else cell
