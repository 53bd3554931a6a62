"""A moment as two sides: what is said to the role, and what it says. What other trainers understand.

Everybody but the role is the human side, `Name: text` a line; the system text is persona, premise and what the role is
reminded of. Sides alternate strictly, the human one first. It knows no file format.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

from chatroom.words import words
from finetune.dataset.moment import Moment
from finetune.dataset.turns import OTHERS
from finetune.dialogue import Line

OPENING = {"en": "(The scene opens.)", "zh": "（开场）"}
"""What the human side says where the role speaks first."""


class Exchange(NamedTuple):
    """What is said to a role, and its answer."""

    said: str
    reply: str


class Conversation(NamedTuple):
    """A moment with its past: the last exchange is what is learnt, those before it are what led there."""

    system: str
    exchanges: tuple[Exchange, ...]


def conversation(moment: Moment) -> Conversation:
    """A moment, as two sides."""
    return Conversation(system=_system(moment), exchanges=tuple(_exchanges(moment)))


def spoken(line: Line) -> str:
    """A line with its speaker; narration, and lines that were merged with their speakers, stand as they are."""
    return line.text if not line.name or line.name in OTHERS.values() else f"{line.name}: {line.text}"


def opening(moment: Moment) -> str:
    """What is said before anybody has spoken."""
    return OPENING.get(moment.language[:2], OPENING["en"])


def _system(moment: Moment) -> str:
    told, recalled = words(moment.language), moment.recalled
    passages = [told["passages"].format(name=moment.name, text=each.text) for each in recalled.passages]
    shown = (told["examples"].format(name=moment.name, before=e.before, text=e.text) for e in recalled.examples)
    return "\n\n".join(filter(None, (moment.persona, moment.premise, *passages, *shown)))


def _exchanges(moment: Moment) -> Iterator[Exchange]:
    said = ""
    for own, group in groupby((*moment.heard, None), key=lambda line: line is None or line.name == moment.name):
        lines = list(group)
        if own:
            replies = [line.text if line else moment.reply for line in lines]
            yield from _answers(said or opening(moment), replies, moment)
        else:
            said = "\n".join(spoken(line) for line in lines if line)


def _answers(said: str, replies: list[str], moment: Moment) -> Iterator[Exchange]:
    """Several turns of the role in a row, as a whisper after a public word: what it said before leads to the last."""
    *before, last = replies
    past = "".join(f"\n{moment.name}: {text}" for text in before)
    yield Exchange(said + past, last)
