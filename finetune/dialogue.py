"""The nouns of training data: a line, a scene with its premise, and a role's record with its reply.

Scenes are what every corpus becomes, whatever it was; records (roles/<id>/lines.jsonl) are a role's own turns, with
what was said just before. Every tenth record is held out, here and nowhere else. It knows no tokens, no layout and no
model.
"""

from pathlib import Path

import msgspec
from msgspec.structs import replace

USER = "{{user}}"
HELD_OUT = 10  # a record whose index ends in 9 is never trained on


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that somebody said, or that happened.

    Args:
        name: Who said it; "" for narration, which nobody at the table says.
        text: The bare words, without the name; never blank.
        audience: Names of those who heard it; None where all did.
        made_by: The model that wrote it; "" for what stood in the material.
    """

    name: str
    text: str
    audience: tuple[str, ...] | None = None
    made_by: str = ""


class Scene(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A stretch of dialogue that belongs together, in order: what was said in one scene was not heard in the next.

    Args:
        premise: Where and when it takes place, if the material says so.
        lines: What was said and what happened.
        cast: A one-line persona for some of the names.
        title: What the material calls it, as `第三幕` or a chat's date; "" where it has no name.
        source: The file it is from, and where in it: `script.txt, line 120`.
    """

    premise: str = ""
    lines: list[Line]
    cast: dict[str, str] = msgspec.field(default_factory=dict)
    title: str = ""
    source: str = ""


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was said before, and what the role replied; `made_by` is the model that wrote the reply, if one did."""

    context: list[Line]
    reply: str
    made_by: str = ""


def addressed(record: Record) -> Record:
    """A record with `{{user}}`, which stands for whoever is answered, made the name of who spoke last."""
    name = record.context[-1].name if record.context else ""
    if not name or not any(USER in text for text in (record.reply, *(line.text for line in record.context))):
        return record
    context = [replace(line, text=line.text.replace(USER, name)) for line in record.context]
    return replace(record, context=context, reply=record.reply.replace(USER, name))


def read_scenes(folder: Path) -> list[Scene]:
    """Reads every scene of a folder, files in order of their names."""
    return [msgspec.json.decode(row, type=Scene) for path in sorted(folder.glob("*.jsonl")) for row in _rows(path)]


def read_records(path: Path) -> tuple[list[Record], list[Record]]:
    """Reads a role's lines.jsonl: the training share and the held-out tenth."""
    records = [addressed(msgspec.json.decode(row, type=Record)) for row in _rows(path)]
    train = [record for index, record in enumerate(records) if index % HELD_OUT != HELD_OUT - 1]
    return train, records[HELD_OUT - 1 :: HELD_OUT]


def _rows(path: Path) -> list[str]:
    return [row for row in path.read_text(encoding="utf-8").split("\n") if row.strip()]
