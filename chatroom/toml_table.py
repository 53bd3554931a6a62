"""A TOML table → a struct, with every fault named instead of the first one raised.

An unknown key names the nearest known one; a faulty value leaves its field at the default, so that reading goes on and
finds the other faults too. Knows no error class of ours: settings, roles and rooms say where the table is from. The
structs that are read here have a default for every field.
"""

import os
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

S = TypeVar("S", bound=msgspec.Struct)

MOST_DOTS = 400
"""In one line: the parser takes quadratic time for a dotted key, which a hostile file would use."""
LONGEST_COMPARED, MOST_COMPARED, MOST_LISTED = 100, 2_000, 50
"""Letters of a name that is compared with others, names that it is compared with, and names in a remedy."""

_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
}
"""What people call the types that msgspec names between backticks."""


class Fault(NamedTuple):
    """What is wrong at a dotted key, and what to do about it."""

    key: str
    problem: str
    remedy: str


def parse_toml(data: bytes) -> dict[str, object]:
    """Parses UTF-8, with or without a byte order mark. Raises ValueError with a text for people."""
    try:
        text = data.decode("utf-8-sig")
        if any(line.count(".") > MOST_DOTS for line in text.splitlines()):
            raise ValueError(f"a line has more than {MOST_DOTS} dots")
        return tomllib.loads(text)
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8 text; save it as UTF-8") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"it can't be read as TOML: {error}") from None


def table_in(text: str) -> dict[str, object]:
    """The table that a text would be read as; empty where it is no TOML."""
    try:
        return parse_toml(text.encode())
    except ValueError:
        return {}


def rewrite(path: Path, text: str) -> None:
    """Writes beside the file and renames, so that nobody ever reads half of it.

    Raises:
        OSError: It can't be written; the file is as it was.
    """
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.write_bytes(text.encode())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def nearest(name: str, known: Collection[str]) -> str:
    """A remedy for a name that does not exist: the nearest one that does, whatever its case, or those there are."""
    names = sorted(known)
    spelt = {each.casefold(): each for each in reversed(names[:MOST_COMPARED]) if len(each) <= LONGEST_COMPARED}
    close = get_close_matches(name.casefold(), spelt, n=1) if len(name) <= LONGEST_COMPARED else []
    if close:
        return f"did you mean {spelt[close[0]]!r}?"
    more = f" and {len(names) - MOST_LISTED:,} more" if len(names) > MOST_LISTED else ""
    return f"known here: {', '.join(names[:MOST_LISTED]) or 'none'}{more}"


def read_table(kind: type[S], table: Mapping[str, object], *, within: str = "") -> tuple[S, list[Fault]]:
    """Reads a table into a struct.

    Args:
        kind: The struct; its field types and limits are what is checked. A field of a struct type is a table in it.
        within: Dotted name of the table, with a dot at its end.
    """
    values: dict[str, Any] = {}
    faults: list[Fault] = []
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    for key, value in table.items():
        if key not in fields:
            faults.append(Fault(within + key, "unknown key", nearest(key, fields)))
            continue
        field = fields[key]
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct) and isinstance(value, dict):
            values[field.name], inner = read_table(field.type, value, within=f"{within}{key}.")
            faults += inner
            continue
        try:
            values[field.name] = convert(value, field.type)
        except ValueError as error:
            faults.append(Fault(within + key, str(error), "correct the value"))
    return kind(**values), faults


def convert(value: object, kind: Any, *, strict: bool = True) -> Any:
    """Converts one value; with `strict` false a string may stand for a number. Raises ValueError for people."""
    if isinstance(value, float) and value != value:
        raise ValueError("not a number")
    try:
        return msgspec.convert(value, kind, strict=strict, dec_hook=_path)
    except msgspec.ValidationError as error:
        said = re.sub(r"`(\w+)", lambda found: _WORDS.get(found[1], found[1]), str(error))
        raise ValueError(said.replace("`", "").replace("$", "item ").replace("Expected", "expected")) from None


def _path(kind: type, value: object) -> Any:
    if kind is Path and isinstance(value, str | Path) and str(value) and "\0" not in str(value):
        return Path(value)
    raise ValueError("expected a path")


def names_of(kind: type[msgspec.Struct]) -> Iterator[str]:
    """The keys that a struct has."""
    return (field.encode_name for field in msgspec.structs.fields(kind))
