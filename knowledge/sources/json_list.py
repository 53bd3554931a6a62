"""A list of records in one JSON file; a record is what json_lines.py says. A bad one is told by its number.

The file is read as a whole: what is large is better kept as JSON Lines.
"""

from collections.abc import Iterator

import msgspec

from knowledge.documents import Document
from knowledge.encodings import read_text
from knowledge.errors import UnreadableError
from knowledge.sources._record import document, opening, parsed
from knowledge.sources.base import SourceFile

HELP = "lists of JSON records with a text in each"
SUFFIXES = (".json", ".jsonl", ".ndjson")


def claims(head: bytes) -> bool:
    return opening(head).startswith("[")


def read(file: SourceFile) -> Iterator[Document]:
    for number, record in enumerate(_records(file), start=1):
        place = f"record {number}"
        try:
            yield document(file, place, parsed(record))
        except ValueError as error:
            file.skip(place, str(error))


def _records(file: SourceFile) -> list[msgspec.Raw]:
    """The records, not yet read: what is wrong with one must not cost the others."""
    try:
        return msgspec.json.decode(read_text(file), type=list[msgspec.Raw])
    except msgspec.DecodeError as error:
        raise UnreadableError(file.name, f"it is no JSON list: {error}") from None
    except RecursionError:
        raise UnreadableError(file.name, "it is nested too deeply") from None
