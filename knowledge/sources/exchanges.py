"""A role's own words, as lines.jsonl holds them: in each line what was said before, and what the role replied.

`{"context": [{"name": ..., "text": ...}, ...], "reply": ...}` becomes one section: its text is the reply. What is
searched is what was said last and then the reply, a line each and without names, so that a question finds how the role
once answered the like of it, or spoke of it at all. Where the last line can't be understood alone, those before it go
along.
"""

import re
from collections.abc import Iterator
from typing import Annotated

import msgspec
from msgspec import Meta

from knowledge.documents import Document, Section
from knowledge.encodings import read_lines
from knowledge.language.mood import leans
from knowledge.sources._fields import audience
from knowledge.sources._record import opening, parsed
from knowledge.sources.base import SourceFile

HELP = "a role's own lines, with what was said before"
SUFFIXES = (".jsonl", ".ndjson")

_CONTEXT = re.compile(r'(?<!\\)"context"\s*:\s*\[')
_REPLY = re.compile(r'(?<!\\)"reply"\s*:')


class _Said(msgspec.Struct, frozen=True):
    name: str
    text: str


class _Record(msgspec.Struct, frozen=True):
    context: Annotated[tuple[_Said, ...], Meta(min_length=1)]
    reply: str


def claims(head: bytes) -> bool:
    first, end, _ = opening(head).partition("\n")
    cut = not end
    return first.startswith("{") and bool(_CONTEXT.search(first)) and (cut or bool(_REPLY.search(first)))


def read(file: SourceFile) -> Iterator[Document]:
    for number, line in read_lines(file):
        place = f"line {number}"
        try:
            if line.strip():
                yield _document(file, place, line)
        except ValueError as error:
            file.skip(place, str(error))


def _document(file: SourceFile, place: str, line: str) -> Document:
    fields = parsed(line)
    try:
        record = msgspec.convert(fields, _Record)
    except msgspec.ValidationError as error:
        raise ValueError(str(error).replace("`", "").replace("$.", "")) from None
    said = [_one_line(entry.text) for entry in record.context]
    reply = _one_line(record.reply)
    if not all((reply, *said)):
        raise ValueError("a text or the reply is empty")
    asked = said if leans(said[-1]) else said[-1:]
    section = Section(text=reply, sought="\n".join([*asked, reply]))
    return Document(source=file.name, place=place, title=file.stem, sections=(section,), audience=audience(fields))


def _one_line(text: str) -> str:
    return " ".join(text.split())
