"""A role's turns as moments: each with what was heard before it, by mode.

What is heard is bounded, in lines and characters, so that a chat of years costs no more per turn than a scene. Turns
that can't be learnt from are counted by the reason. It decides nothing about training and measuring.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

from finetune.dataset.moment import Moment, Origin
from finetune.dataset.role import RoleSpec
from finetune.dataset.settings import Settings
from finetune.dataset.stretch import Stretch
from finetune.dialogue import Line
from knowledge.language.sentences import sentences

MOST_LINES = 400
"""Lines that are heard at most."""
OTHERS = {"en": "Others", "zh": "众人"}
"""Who says the one line that several people's lines were merged into."""


def moments(stretch: Stretch, role: RoleSpec, settings: Settings, counts: Counter[str]) -> Iterator[Moment]:
    """The moments of a role in a stretch, in order.

    Args:
        counts: Is told how many turns there were, and what became of those that are missing.
    """
    for at in range(stretch.skip, len(stretch.lines)):
        if stretch.lines[at].name == role.name:
            counts["turns"] += 1
            if moment := moment_at(stretch, at, role, settings, counts):
                yield moment


def moment_at(
    stretch: Stretch, at: int, role: RoleSpec, settings: Settings, counts: Counter[str], origin: Origin = "own"
) -> Moment | None:
    """The moment before one line of a stretch; None if nothing can be learnt from it."""
    line, heard = stretch.lines[at], _heard(stretch.lines, at, role, settings)
    reply = _ended(line.text, settings.reply)
    if not reply:
        counts["left out: reply too long"] += 1
    elif not heard and not stretch.premise:
        counts["left out: nothing heard"] += 1
    else:
        counts["shortened"] += len(reply) < len(line.text)
        return Moment(
            premise=stretch.premise,
            heard=heard,
            name=role.name,
            persona=stretch.persona,
            reply=reply,
            language=role.language,
            layout=role.layout,
            scene=stretch.scene,
            origin="made" if line.made_by else origin,
        )
    return None


def _heard(lines: Sequence[Line], at: int, role: RoleSpec, settings: Settings) -> tuple[Line, ...]:
    most = {"window": settings.window, "single": 1}.get(settings.mode, MOST_LINES)
    first = _first_within(lines, at, settings.characters, most)
    heard = lines[first:at]
    return tuple(_merged(heard, role)) if settings.mode == "merged" else tuple(heard)


def _first_within(lines: Sequence[Line], at: int, characters: int, most: int) -> int:
    """Where what is heard begins: whole lines, and always the last one. `most` counts what somebody said."""
    first, left, said = at, characters, 0
    while first > 0 and said < most and at - first < MOST_LINES:
        left -= len(lines[first - 1].text)
        if left < 0 and first < at:
            break
        first -= 1
        said += bool(lines[first].name)
    return first


def _merged(heard: Sequence[Line], role: RoleSpec) -> Iterator[Line]:
    """Everything between two turns of the role as one line, with a row for each speaker; whispers stay apart."""
    for (own, audience), group in groupby(heard, key=lambda line: (line.name == role.name, line.audience)):
        lines = list(group)
        if own or len(lines) == 1:
            yield from lines
        else:
            name = OTHERS.get(role.language[:2], OTHERS["en"])
            yield Line(name=name, text="\n".join(map(_row, lines)), audience=audience)


def _row(line: Line) -> str:
    text = " ".join(line.text.split("\n"))
    return f"{line.name}:{text}" if line.name else text


def _ended(text: str, most: int) -> str:
    """A reply that ends where it ended, or else with the last sentence that fits; "" if not one does."""
    if len(text) <= most:
        return text
    return "".join(sentences(text[:most])[:-1]).rstrip()
