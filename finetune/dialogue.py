"""The nouns of training data: a line, a scene with its premise, and a role's record with its reply.

Scenes (models/<name>/scenes/*.jsonl) teach a base what a room sounds like; records (roles/<id>/lines.jsonl) teach one
role its voice. Every tenth record is held out, here and nowhere else. It knows no tokens, no layout and no model.
"""

from pathlib import Path

import msgspec

HELD_OUT = 10  # a record whose index ends in 9 is never trained on


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that somebody said."""

    name: str
    text: str


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """A premise and the lines that follow it; `cast` has a one-line persona for some of the names."""

    premise: str
    lines: list[Line]
    cast: dict[str, str] = msgspec.field(default_factory=dict)


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What was said before, and what the role replied."""

    context: list[Line]
    reply: str


def read_scenes(folder: Path) -> list[Scene]:
    """Reads every scene of a folder, files in order of their names."""
    return [msgspec.json.decode(row, type=Scene) for path in sorted(folder.glob("*.jsonl")) for row in _rows(path)]


def read_records(path: Path) -> tuple[list[Record], list[Record]]:
    """Reads a role's lines.jsonl: the training share and the held-out tenth."""
    records = [msgspec.json.decode(row, type=Record) for row in _rows(path)]
    train = [record for index, record in enumerate(records) if index % HELD_OUT != HELD_OUT - 1]
    return train, records[HELD_OUT - 1 :: HELD_OUT]


def _rows(path: Path) -> list[str]:
    return [row for row in path.read_text(encoding="utf-8").splitlines() if row.strip()]
