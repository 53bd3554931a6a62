"""A role's own lines.jsonl: in every record what was said before, and what the role replied.

Each becomes a scene that ends with the reply. Who the role is stands in `options.me`, else in the role.toml beside the
file. It does not know other files of a role's folder.
"""

from collections.abc import Iterator

import msgspec

from chatroom.toml_table import parse_toml
from finetune.corpora._records import Placed, first, records, text_of
from finetune.corpora._spoken import plain_name, spoken
from finetune.corpora.base import CorpusFile, Head
from finetune.dialogue import Line, Record, Scene, addressed
from knowledge.errors import UnreadableError

HELP = "a role's lines.jsonl: context and reply"
SUFFIXES = (".jsonl", ".ndjson")
PRIVATE = False

_LARGEST_TOML = 1_000_000


def claims(head: Head) -> float:
    return 0.98 if {"context", "reply"} <= {*first(head).keys} else 0.0


def read(file: CorpusFile) -> Iterator[Scene]:
    me = plain_name(file.options.me) or _role_beside(file)
    if not me:
        problem = "it does not say whose lines these are, and no role.toml lies beside it: give the name with --as NAME"
        raise UnreadableError(file.name, problem)
    for placed in records(file):
        try:
            yield _scene(file, placed, me)
        except ValueError as error:
            file.skip(placed.place, str(error))


def _scene(file: CorpusFile, placed: Placed, me: str) -> Scene:
    try:
        record = addressed(msgspec.convert(placed.fields, Record))
    except msgspec.ValidationError as error:
        raise ValueError(f"it is no record of a role: {str(error).replace('`', '').replace('$.', '')}") from None
    reply = spoken(me, record.reply, made_by=record.made_by)
    if reply is None:
        raise ValueError("its reply has no text")
    if placed.fields.get("audience") is not None:
        file.note(placed.place, "who may know of a record is not kept: its scene is heard by all")
    return Scene(lines=[*_context(file, placed.place, record), reply], source=f"{file.name}, {placed.place}")


def _context(file: CorpusFile, place: str, record: Record) -> Iterator[Line]:
    for said in record.context:
        if line := spoken(said.name, said.text, said.audience, said.made_by):
            yield line
        else:
            file.skip(place, "a line before the reply has no text")


def _role_beside(file: CorpusFile) -> str:
    """The name in the role.toml of the same folder; "" where there is none that can be read."""
    toml = file.path.with_name("role.toml")
    try:
        with toml.open("rb") as stream:
            return plain_name(text_of(parse_toml(stream.read(_LARGEST_TOML)).get("name")))
    except (OSError, ValueError):
        return ""
