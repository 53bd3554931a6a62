"""JSON lines → our own nouns, one by one: scenes and records from files of any size.

A row that is none is an error that names its line: these files are ours, and one that is damaged must not become a
smaller dataset in silence. It knows no other formats; `corpus read` does.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from finetune.dialogue import Record, Scene, addressed
from finetune.errors import WorkshopError

LONGEST = 64_000_000
"""Bytes of a line."""
REMEDY = "correct that line, or read the material again: corpus read"

T = TypeVar("T", Scene, Record)


def read_rows(path: Path, kind: type[T]) -> Iterator[T]:
    """Reads the rows of a file, in order.

    Raises:
        WorkshopError: It can't be read; the text names the line.
    """
    for number, row in _rows(path):
        try:
            found = msgspec.json.decode(row, type=kind)
            yield addressed(found) if isinstance(found, Record) else found  # type: ignore[misc]  # a Record for a Record
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            problem = f"line {number} is no {kind.__name__.lower()}: {str(error).replace('`', '')}"
            raise WorkshopError(str(path), problem, REMEDY) from None


def holds_records(path: Path) -> bool:
    """Whether the first row of a file is a record, as in a role's lines.jsonl, and no scene."""
    for _, row in _rows(path):
        try:
            return "reply" in msgspec.json.decode(row, type=dict[str, msgspec.Raw])
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            return False
    return False


def _rows(path: Path) -> Iterator[tuple[int, bytes]]:
    """Rows that are not blank, with their numbers; only `\\n` ends one, whatever stands in a text."""
    try:
        with path.open("rb") as stream:
            number = 0
            while row := stream.readline(LONGEST + 1):
                number += 1
                if len(row) > LONGEST:
                    raise WorkshopError(str(path), f"line {number} has more than {LONGEST:,} bytes", REMEDY)
                row = row.removeprefix(b"\xef\xbb\xbf") if number == 1 else row
                if row.strip():
                    yield number, row
    except OSError as error:
        raise WorkshopError(str(path), f"it can't be read: {error.strerror}", "check its name") from None
