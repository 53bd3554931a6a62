"""Records in JSON, as a list in one file or one in every line: each an object, with its place.

A bad record is told by its place and costs only itself. The first record of a file's head tells formats apart, also
where the head ends in its middle. It does not know what a record means.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePosixPath
from typing import NamedTuple

import msgspec

from finetune.corpora.base import HEAD, CorpusFile, Head
from knowledge.encodings import decode, read_lines, read_text
from knowledge.errors import UnreadableError

SUFFIXES = (".jsonl", ".ndjson", ".json")

Fields = Mapping[str, object]

_WRAPPERS = ("data", "rows", "records", "items", "train")
"""Keys under which a list of records may stand where it is not the file itself."""
_KEY = re.compile(r'"([^"\\\n]{1,60})"\s{0,9}:')
_DEEP = "it is nested too deeply"


class Placed(NamedTuple):
    """A record, and where it stands: `line 12` or `record 12`."""

    place: str
    fields: Fields


class First(NamedTuple):
    """What a file's head says of its first record.

    Args:
        fields: The record; empty where it could not be read to its end.
        keys: Its keys; of a record that is cut off, those of all that is in it too.
        alone: Whether the file seems to be this one object, and no list of them.
    """

    fields: Fields
    keys: Collection[str]
    alone: bool


def first(head: Head) -> First:
    """Looks at the first record; nothing where the head is no JSON."""
    text = head.text.lstrip()
    if head.suffix not in SUFFIXES or text[:1] not in ("{", "["):
        return First({}, (), False)
    alone = text.startswith("{") and head.suffix == ".json"
    text = text[1:].lstrip() if text.startswith("[") else text
    if not text.startswith("{"):
        return First({}, (), alone)
    try:
        fields, _ = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):  # cut off, or none at all
        return First({}, frozenset(_KEY.findall(text)), alone)
    return _unwrapped(fields, alone)


def records(file: CorpusFile) -> Iterator[Placed]:
    """Reads the records, in order; what is none is told to `file.skip`.

    Raises:
        UnreadableError: It is a list that can't be read, or no text.
    """
    if (opening := _opening(file)) == "[" or (opening == "{" and suffix_of(file) == ".json"):
        return _listed(file)
    return _by_line(file)


def suffix_of(file: CorpusFile) -> str:
    """The ending of a file's name, in small letters and with its dot."""
    return PurePosixPath(file.name).suffix.lower()


def quiet(file: CorpusFile) -> CorpusFile:
    """The same file for a first look: what is wrong is told when it is read."""
    return msgspec.structs.replace(file, skip=lambda place, problem: None, note=lambda place, what: None)


def text_of(value: object) -> str:
    """A text as it stands; "" where there is none."""
    return value.strip() if isinstance(value, str) else ""


def _unwrapped(fields: Fields, alone: bool) -> First:
    inner = _inner(fields) if alone else None
    if inner and isinstance(inner[0], dict):
        return First(inner[0], inner[0].keys(), False)
    return First(fields, fields.keys(), alone)


def _inner(fields: Fields) -> list[object]:
    """The list that an object wraps, if it does."""
    found = [value for key, value in fields.items() if key in _WRAPPERS and isinstance(value, list)]
    return found[0] if len(found) == 1 else []


def _opening(file: CorpusFile) -> str:
    """The first character."""
    with file.open() as stream:
        head = stream.read(HEAD)
    try:
        return decode(head).lstrip()[:1]
    except ValueError as error:
        raise UnreadableError(file.name, str(error)) from None


def _by_line(file: CorpusFile) -> Iterator[Placed]:
    for number, line in read_lines(file):
        if line.strip():
            yield from _record(file, f"line {number}", line)


def _listed(file: CorpusFile) -> Iterator[Placed]:
    text = read_text(file)
    try:
        items = _items(text)
    except msgspec.DecodeError as error:
        if text.lstrip().startswith("{") and "\n" in text.strip():  # JSON Lines under the name of JSON
            yield from _by_line(file)
            return
        raise UnreadableError(file.name, f"it is no JSON list: {error}") from None
    except RecursionError:
        raise UnreadableError(file.name, _DEEP) from None
    for number, item in enumerate(items, start=1):
        yield from _record(file, f"record {number}", item)


def _items(text: str) -> list[msgspec.Raw]:
    """The records, not yet read: what is wrong with one must not cost the others."""
    if text.lstrip().startswith("["):
        return msgspec.json.decode(text, type=list[msgspec.Raw])
    fields = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    wrapped = [value for key, value in fields.items() if key in _WRAPPERS and bytes(memoryview(value)[:1]) == b"["]
    if len(wrapped) == 1:
        return msgspec.json.decode(wrapped[0], type=list[msgspec.Raw])
    return [msgspec.Raw(text.encode())]


def _record(file: CorpusFile, place: str, data: str | msgspec.Raw) -> Iterator[Placed]:
    try:
        fields = msgspec.json.decode(data, type=dict[str, object])
    except msgspec.ValidationError as error:
        file.skip(place, "a number in it is out of range" if "out of range" in str(error) else "it is no JSON object")
    except msgspec.DecodeError as error:
        file.skip(place, f"it is no JSON: {str(error).partition(' (')[0]}")
    except RecursionError:
        file.skip(place, _DEEP)
    else:
        yield Placed(place, fields)
