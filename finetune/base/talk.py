"""Talk written by hand, in plain text → scenes; each reading of a scene differs a little from the last.

A file has scenes between blank lines, a line is `Name: text`, `#` opens a comment. `{hello|hi}` is said in one of these
ways. Whoever is no role is a guest and gets another name each time, and guests type as people type. It knows no tokens
and no model.
"""

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from finetune.base.books import NAMES
from finetune.dialogue import Line, Scene
from finetune.errors import WorkshopError

_MORE = (
    "Ann Bo Carl Dana Eli Finn Gus Ida Jo Kai Lars Lea Lin Luca Lucas Marek Max Nils Noor Pavel Pia Raj Sara Sven Tim "
    "Ugo Wen Xan Yuki Zara wolf sky nix raven42 mimi Kit Ash Robin Morgan Sasha Alex guest Player1 小明 阿花 老王"
)
_VILLAGERS = frozenset(["Ruth", "Will", "Tim", "Finn", "Ned", "Dan", "Dora", "Jonah", "Peter", "Grace"])
GUESTS = tuple(name for name in dict.fromkeys((*NAMES, *_MORE.split())) if name not in _VILLAGERS)
"""Names that guests go by; none of a villager."""
_LINE = re.compile(r"(?P<name>\w[\w' -]{0,39}): (?P<text>.+)")
_CHOICE = re.compile(r"\{([^{}]*)\}")


def read_talk(folder: Path, full_names: Mapping[str, str]) -> list[Scene]:
    """Reads all scenes of a folder, as they are written; `full_names` says what a role's short name stands for.

    Raises:
        WorkshopError: A line is not `Name: text`.
    """
    return [scene for path in sorted(folder.glob("*.txt")) for scene in _scenes(path, full_names)]


def choices(text: str) -> list[list[str]]:
    """What a text is made of: pieces, each with all the ways in which it may be said."""
    return [piece.split("|") if at % 2 else [piece] for at, piece in enumerate(_CHOICE.split(text))]


def said(text: str, rng: random.Random) -> str:
    """One of the ways in which a text may be said."""
    return " ".join("".join(rng.choice(ways) for ways in choices(text)).split())


def first_way(text: str) -> str:
    """The way that is written first: what stands in a file that people read."""
    return " ".join("".join(ways[0] for ways in choices(text)).split())


def told(scene: Scene, roles: Sequence[str], rng: random.Random) -> Scene:
    """The scene as it happens once: one way of saying everything, guests by other names, typed as people type."""
    guests = dict.fromkeys(line.name for line in scene.lines if line.name not in roles)
    named = dict(zip(guests, rng.sample(GUESTS, len(guests)), strict=True))
    hasty = {name for name in guests if rng.random() < 0.3}
    lines = []
    for line in scene.lines:
        text = with_names(said(line.text, rng), named)
        lines.append(Line(name=named.get(line.name, line.name), text=typed(text, rng) if line.name in hasty else text))
    return Scene(premise=scene.premise, lines=lines, source=scene.source)


def with_names(text: str, named: Mapping[str, str]) -> str:
    """Replaces whole names, all at once, so that two people may trade theirs."""
    if not named:
        return text
    pattern = "|".join(rf"\b{re.escape(name)}\b" for name in sorted(named, key=len, reverse=True))
    return re.sub(pattern, lambda found: named[found[0]], text)


def typed(text: str, rng: random.Random) -> str:
    """A text as somebody in a hurry types it: small letters, no full stop, now and then two letters changed round."""
    if rng.random() < 0.7:
        text = text.lower()
    if rng.random() < 0.6:
        text = text.rstrip(".!?") or text
    if rng.random() < 0.3:
        text = text.replace("'", "")
    if rng.random() < 0.15 and len(text) > 12:
        at = rng.randrange(1, len(text) - 2)
        text = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return text


def _scenes(path: Path, full_names: Mapping[str, str]) -> Iterator[Scene]:
    lines: list[Line] = []
    rows = [*path.read_text(encoding="utf-8").split("\n"), ""]
    for number, row in enumerate(rows, start=1):
        if row.startswith("#"):
            continue
        if found := _LINE.fullmatch(row.strip()):
            lines.append(Line(name=full_names.get(found["name"], found["name"]), text=found["text"]))
        elif row.strip():
            raise WorkshopError(f"{path.name}, line {number}", "it is no line of talk", "write `Name: text`")
        elif lines:
            yield Scene(lines=lines, source=f"{path.stem}:{number}")
            lines = []
