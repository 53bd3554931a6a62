"""JSON Lines: one record in every line, of any number; a bad line is told by its number and passed over.

A record is an object with its text under `text`, `content`, `body`, `passage` or `context`, and perhaps `title` (or
`name`, `heading`), `id` (`_id`, `doc_id`), `url`, `aliases` and `audience`; or it is a text by itself. Conversations
with a reply are another format: see exchanges.py.
"""

from collections.abc import Iterator

from knowledge.documents import Document
from knowledge.encodings import read_lines
from knowledge.sources._record import document, opening, parsed
from knowledge.sources.base import SourceFile

HELP = "JSON Lines with a text in each"
SUFFIXES = (".jsonl", ".ndjson")


def claims(head: bytes) -> bool:
    return not opening(head).startswith("[")


def read(file: SourceFile) -> Iterator[Document]:
    for number, line in read_lines(file):
        place = f"line {number}"
        try:
            if line.strip():
                yield document(file, place, parsed(line))
        except ValueError as error:
            file.skip(place, str(error))
