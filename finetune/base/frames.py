"""Facts in frames, written by hand: passages, questions and answers with slots, filled anew each time.

What a passage says differs from one filling to the next, so the only way to the right answer is to read it. A frame
has slots (`ship = the Patience | the Hare`), passages (`@ Title: text` with `<ship>`), questions that they answer (`?`)
and questions that they do not (`!`), each with answers of several roles. It knows no tokens and no model.
"""

import random
import re
from dataclasses import dataclass, field
from pathlib import Path

from finetune.base.talk import said
from finetune.errors import WorkshopError

_SLOT = re.compile(r"<([A-Za-z][\w-]*)>")


@dataclass
class Question:
    """A question in its wordings, and what each role answers."""

    text: str
    answered: bool
    answers: dict[str, str] = field(default_factory=dict)


@dataclass
class Frame:
    """Slots, and what is written with them."""

    source: str
    slots: dict[str, list[str]] = field(default_factory=dict)
    passages: list[tuple[str, str]] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)


def read_frames(folder: Path) -> list[Frame]:
    """Reads all frames of a folder.

    Raises:
        WorkshopError: A line is none of a frame, or names a slot that the frame lacks.
    """
    return [frame for path in sorted(folder.glob("*.txt")) for frame in _frames(path)]


def filling(frame: Frame, rng: random.Random) -> dict[str, str]:
    """One value for every slot."""
    return {name: rng.choice(values) for name, values in frame.slots.items()}


def filled(text: str, values: dict[str, str], rng: random.Random) -> str:
    """A text with its slots filled, in one of the ways in which it may be said."""
    return said(_SLOT.sub(lambda found: _value(found[1], values), text), rng)


def _value(name: str, values: dict[str, str]) -> str:
    if name in values:
        return values[name]
    value = values[name[0].lower() + name[1:]]
    return value[:1].upper() + value[1:]


def _frames(path: Path) -> list[Frame]:
    found: list[Frame] = []
    for block in re.split(r"\n[ \t]*\n", path.read_text(encoding="utf-8")):
        rows = [row.strip() for row in block.split("\n") if row.strip() and not row.startswith("#")]
        if rows:
            frame = Frame(source=f"{path.name}: {rows[0][:60]}")
            for row in rows:
                _add(frame, row)
            _check(frame, rows)
            found.append(frame)
    return found


def _add(frame: Frame, row: str) -> None:
    mark, rest = row[0], row[1:].strip()
    if mark == "@":
        title, _, text = rest.partition(": ")
        frame.passages.append((title, text))
    elif mark in "?!":
        frame.questions.append(Question(text=rest, answered=mark == "?"))
    elif found := re.fullmatch(r"([a-z][\w-]*) *= *(.+)", row):
        frame.slots[found[1]] = [value.strip() for value in found[2].split("|") if value.strip()]
    elif (found := re.fullmatch(r"(\w+): (.+)", row)) and frame.questions:
        frame.questions[-1].answers[found[1]] = found[2]
    else:
        raise WorkshopError(frame.source, f"{row[:60]!r} is no line of a frame", "see finetune/base/frames.py")


def _check(frame: Frame, rows: list[str]) -> None:
    used = {name[0].lower() + name[1:] for row in rows for name in _SLOT.findall(row)}
    if missing := used - frame.slots.keys():
        raise WorkshopError(frame.source, f"there is no slot {sorted(missing)[0]!r}", "add it, or correct its name")
