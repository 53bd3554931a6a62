"""A stretch: what a role heard without a break, and said itself, in order. What its turns are taken from.

Scenes and records become stretches, line by line as the room would have it: what the role did not hear is left out,
the role has one name, and nobody has two turns in a row. It knows no modes and no files.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import msgspec
from msgspec.structs import replace

from chatroom.reply import normalise
from finetune.dataset.draw import digest
from finetune.dataset.role import RoleSpec
from finetune.dialogue import Line, Record, Scene


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """Lines that belong together.

    Args:
        scene: Tells it from every other; the same lines have the same.
        skip: How many of the first lines were only heard: no turn is taken from them.
    """

    scene: str
    premise: str = ""
    persona: str = ""
    lines: tuple[Line, ...]
    skip: int = 0

    def turns(self, name: str) -> int:
        """How many turns of this speaker there are to take."""
        return sum(line.name == name for line in self.lines[self.skip :])


def stretch_of(scene: Scene, role: RoleSpec, counts: Counter[str]) -> Stretch:
    """What a role heard and said in a scene."""
    lines = heard_by(role, scene.lines, counts)
    persona = role.persona or next((text for name, text in scene.cast.items() if role.is_called(name)), "")
    premise = normalise(scene.premise) or role.premise
    said = (part for line in lines for part in (line.name, line.text))
    return Stretch(scene=digest(premise, *said), premise=premise, persona=persona, lines=lines)


def stretch_of_record(record: Record, role: RoleSpec, counts: Counter[str]) -> Stretch | None:
    """A record as a stretch with one turn; None if it has no words."""
    if not (reply := normalise(record.reply)):
        counts["without words"] += 1
        return None
    lines = heard_by(role, record.context, counts)
    own = Line(name=role.name, text=reply, made_by=record.made_by)
    scene = digest(*(line.text for line in lines), reply)
    return Stretch(scene=scene, premise=role.premise, persona=role.persona, lines=(*lines, own), skip=len(lines))


def heard_by(role: RoleSpec, lines: Iterable[Line], counts: Counter[str]) -> tuple[Line, ...]:
    """Lines as a role heard them: whispers to others left out, consecutive ones of one speaker joined."""
    heard: list[list[Line]] = []
    for line in _named(role, lines, counts):
        if heard and _goes_on(heard[-1][-1], line):
            heard[-1].append(line)
            counts["joined"] += 1
        else:
            heard.append([line])
    return tuple(map(_joined, heard))


def _named(role: RoleSpec, lines: Iterable[Line], counts: Counter[str]) -> Iterator[Line]:
    """Those that the role heard; its own have its name, whatever the material calls it."""
    for line in lines:
        own = role.is_called(line.name)
        if not (text := normalise(line.text)):
            counts["without words"] += 1
        elif own or line.audience is None or any(map(role.is_called, line.audience)):
            yield replace(line, name=role.name if own else _plain(line.name), text=text)
        else:
            counts["not heard"] += 1


def _goes_on(before: Line, line: Line) -> bool:
    return (before.name, before.audience, before.made_by) == (line.name, line.audience, line.made_by)


def _joined(lines: Sequence[Line]) -> Line:
    return lines[0] if len(lines) == 1 else replace(lines[0], text="\n".join(line.text for line in lines))


def _plain(name: str) -> str:
    return " ".join(name.split())
