"""The bundled roles and all that was written for them by hand: who they are, their scenes, and which are held out.

Scenes lie with the role that they are about (`roles/ID/talk`) and with the room (`rooms/ROOM/talk*`); every twentieth,
by its words, is kept for measuring and is nowhere learnt or shown. It knows no tokens and no model.
"""

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import msgspec

from finetune.base.talk import read_talk
from finetune.dialogue import Line, Scene

ROOM = "saltmere"
HELD_OUT = 20
PREMISES = (
    "An inn by the sea. A fire, a long table, and rain at the windows.",
    "Evening at the inn on the island of Saltmere. The tide is in, and nobody can leave before the morning.",
    "A long table by the fire. Some people know each other, some have just arrived.",
    "It is late at the Drowned Bell. The wind is loud, and the fire is low.",
)


@dataclass(frozen=True, kw_only=True)
class RoleData:
    """A role as its folder describes it; `short` is what its lines begin with where they were written."""

    id: str
    name: str
    short: str
    called: tuple[str, ...]
    persona: str
    greeting: str
    folder: Path

    @classmethod
    def read(cls, folder: Path) -> "RoleData":
        """Reads a role folder."""
        table = tomllib.loads((folder / "role.toml").read_text(encoding="utf-8"))
        return cls(
            id=folder.name,
            name=table["name"],
            short=table["name"].split()[0],
            called=(table["name"], *table.get("aliases", ())),
            persona=(folder / "persona.md").read_text(encoding="utf-8").strip(),
            greeting=table.get("greeting", ""),
            folder=folder,
        )


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """All bundled roles together, and what is said at their table."""

    roles: list[RoleData]
    room: Path
    """Folder of what everybody at this table knows and says; its file lies beside it."""
    premise: str
    scenes: list[Scene]
    held_out: list[Scene]

    @classmethod
    def read(cls, roles: Sequence[Path], rooms: Path) -> "Table":
        """Reads role folders, and the room that they sit in."""
        found, room = [RoleData.read(folder) for folder in roles], rooms / ROOM
        names = {role.short: role.name for role in found}
        folders = [*(folder / "talk" for folder in roles), *sorted(room.glob("talk*"))]
        scenes = [scene for folder in folders for scene in read_talk(folder, names)]
        return cls(
            roles=found,
            room=room,
            premise=str(tomllib.loads(room.with_suffix(".toml").read_text(encoding="utf-8"))["premise"]),
            scenes=[scene for scene in scenes if not is_held_out(scene)],
            held_out=[scene for scene in scenes if is_held_out(scene)],
        )

    @property
    def names(self) -> list[str]:
        """What the roles are called at the table."""
        return [role.name for role in self.roles]

    def greetings(self) -> list[Line]:
        """What the roles say as they sit down: the first lines of every room."""
        return [Line(name=role.name, text=role.greeting) for role in self.roles if role.greeting]

    def turns(self, scene: Scene) -> Iterator[tuple[int, RoleData]]:
        """The places in a scene where a role answers somebody, and who it is."""
        by_name = {role.name: role for role in self.roles}
        return ((at, by_name[line.name]) for at, line in enumerate(scene.lines) if at and line.name in by_name)


def is_held_out(scene: Scene) -> bool:
    """Whether a scene serves measuring only; it depends on its words alone."""
    return crc32("\n".join(line.text for line in scene.lines).encode()) % HELD_OUT == 0
