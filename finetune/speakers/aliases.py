"""speakers.toml: which names are one person's, as a person decides it; and scenes with these decisions applied.

Nothing is merged that does not say `merge = true`. What somebody has decided in the file stays when proposals are
written again. It knows nothing of how proposals are found.
"""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from chatroom.toml_table import parse_toml
from finetune.dialogue import Line, Scene
from finetune.errors import WorkshopError

_HEAD = """\
# Which names are one person's. Each [[speaker]] is a proposal; nothing is merged until you say so:
#   merge = true    the names in `also` become `name`
#   merge = false   they stay apart
# `name` and `also` may be changed, and more [[speaker]] tables added. What you decided stays when this file is
# written again; comments do not.
"""


class Alias(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A name, and what else that person may be called.

    Args:
        merge: Whether a person decided that they are one.
        why: What speaks for it, and against it.
    """

    name: str
    also: tuple[str, ...]
    merge: bool = False
    why: str = ""


def write_aliases(path: Path, proposals: Sequence[Alias]) -> None:
    """Writes proposals; what an existing file holds is kept, and only names that are new to it are added.

    Raises:
        WorkshopError: The existing file can't be read; it is left as it is.
    """
    kept = read_aliases(path) if path.exists() else []
    taken = {name for alias in kept for name in alias.also}
    known = {alias.name for alias in kept}
    added = []
    for proposal in proposals:
        also = tuple(name for name in proposal.also if name not in taken and name not in known)
        if also and proposal.name not in taken:
            added.append(msgspec.structs.replace(proposal, also=also, merge=False))
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".part")
    draft.write_text("\n".join([_HEAD, *map(_table, [*kept, *added])]), encoding="utf-8")
    os.replace(draft, path)


def read_aliases(path: Path) -> list[Alias]:
    """Reads speakers.toml.

    Raises:
        WorkshopError: It can't be read, or a name stands in it twice; the text names the key.
    """
    try:
        table = parse_toml(path.read_bytes())
        rows = table.pop("speaker", [])
    except (OSError, ValueError) as error:
        raise WorkshopError(str(path), str(error), "correct it, or delete it to have it written anew") from None
    if table:
        raise WorkshopError(str(path), f"unknown key {min(table)}", "every table in it is a [[speaker]]")
    aliases = [_alias(path, at, row) for at, row in enumerate(rows if isinstance(rows, list) else [rows], start=1)]
    _check(path, aliases)
    return aliases


def merged(scenes: Iterable[Scene], aliases: Sequence[Alias]) -> list[Scene]:
    """The scenes with every name that was decided to be another's replaced by it; lines stay lines."""
    names = {other: alias.name for alias in aliases if alias.merge for other in alias.also}
    return [_merged(scene, names) for scene in scenes] if names else list(scenes)


def _merged(scene: Scene, names: dict[str, str]) -> Scene:
    cast: dict[str, str] = {}
    for name, persona in sorted(scene.cast.items(), key=lambda item: item[0] in names):  # the name's own words first
        cast.setdefault(names.get(name, name), persona)
    return msgspec.structs.replace(scene, cast=cast, lines=[_renamed(line, names) for line in scene.lines])


def _renamed(line: Line, names: dict[str, str]) -> Line:
    audience = line.audience
    if audience is not None:
        audience = tuple(dict.fromkeys(names.get(name, name) for name in audience))
    return msgspec.structs.replace(line, name=names.get(line.name, line.name), audience=audience)


def _alias(path: Path, at: int, row: object) -> Alias:
    try:
        alias = msgspec.convert(row, Alias)
    except msgspec.ValidationError as error:
        raise WorkshopError(f"{path}, speaker {at}", str(error), "see the lines on top of the file") from None
    if not alias.name.strip() or not all(name.strip() for name in alias.also):
        raise WorkshopError(f"{path}, speaker {at}", "a name is empty", "fill it in, or delete the table")
    return alias


def _check(path: Path, aliases: Sequence[Alias]) -> None:
    """Refuses what has no one meaning: a name that is two others', or another's and someone of their own."""
    firsts = {alias.name for alias in aliases}
    owner: dict[str, str] = {}
    for alias in aliases:
        for name in alias.also:
            if name in firsts:
                problem = f'also = "{name}" of "{alias.name}" is itself the name of a table'
                raise WorkshopError(str(path), problem, "list all names of a person in one table")
            if name in owner:
                raise WorkshopError(str(path), f'also = "{name}" is listed twice', f'once for "{owner[name]}"')
            owner[name] = alias.name


def _table(alias: Alias) -> str:
    also = ", ".join(map(_quoted, alias.also))
    rows = ["[[speaker]]", f"name = {_quoted(alias.name)}", f"also = [{also}]", f"merge = {str(alias.merge).lower()}"]
    return "\n".join([*rows, *([f"why = {_quoted(alias.why)}"] if alias.why else []), ""])


def _quoted(text: str) -> str:
    """A TOML string: JSON's escapes are TOML's, but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
