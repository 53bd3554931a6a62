"""What training needs of a role folder: its name, persona, wiki and lines, and the moments they make.

A record becomes the moment that the room would serve. With a random source it also varies: people get other names
where the text allows it, other talk of the same table stands before it, passages of the wiki may lie in the tail. It
knows no model.
"""

import random
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from chatroom.messages import Passage, Recalled
from finetune.base.books import NAMES
from finetune.dataset.moment import Moment
from finetune.dialogue import Line, Record, Scene, read_records

ROOM = "saltmere"
PREMISES = (
    "An inn by the sea. A fire, a long table, and rain at the windows.",
    "Evening at the inn on the island of Saltmere. The tide is in, and nobody can leave before the morning.",
    "A long table by the fire. Some people know each other, some have just arrived.",
    "It is late at the Drowned Bell. The wind is loud, and the fire is low.",
)
GENDERED = re.compile(
    r"\b(he|she|him|her|his|hers|himself|herself|mr|mrs|miss|sir|madam|man|woman|boy|girl)\b", re.IGNORECASE
)


@dataclass(frozen=True, kw_only=True)
class RoleData:
    """A role as its folder describes it, with its records already divided."""

    id: str
    name: str
    persona: str
    greeting: str
    wiki: list[str]
    train: list[Record]
    held_out: list[Record]

    @classmethod
    def read(cls, folder: Path) -> "RoleData":
        """Reads a role folder; the wiki gives its paragraphs."""
        table = tomllib.loads((folder / "role.toml").read_text(encoding="utf-8"))
        train, held_out = read_records(folder / "lines.jsonl")
        persona = (folder / "persona.md").read_text(encoding="utf-8").strip()
        return cls(
            id=folder.name,
            name=table["name"],
            persona=persona,
            greeting=table.get("greeting", ""),
            wiki=wiki_paragraphs(folder / "wiki"),
            train=train,
            held_out=held_out,
        )

    def moment(self, record: Record, premise: str) -> Moment:
        """The moment as it was written."""
        return Moment(
            premise=premise, heard=tuple(record.context), name=self.name, persona=self.persona, reply=record.reply
        )


def wiki_paragraphs(folder: Path) -> list[str]:
    """All paragraphs of a wiki, without headings."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.md"))]
    blocks = [block.strip() for text in texts for block in text.split("\n\n")]
    return [" ".join(block.split()) for block in blocks if block and not block.startswith("#")]


def room_premise(rooms: Path) -> str:
    """The premise that the bundled roles are served with."""
    return str(tomllib.loads((rooms / f"{ROOM}.toml").read_text(encoding="utf-8"))["premise"])


class Table:
    """All bundled roles together: draws varied moments, the same ones for the same random source."""

    def __init__(self, roles: list[RoleData], premise: str) -> None:
        self.roles, self.premise = roles, premise
        self.seated = {role.name for role in roles}

    def varied(self, role: RoleData, record: Record, rng: random.Random) -> Moment:
        """The moment with other people, in another evening, with more or less said before."""
        record = renamed(record, self.seated, rng)
        people = [line.name for line in record.context if line.name not in self.seated]
        moment = role.moment(record, self.premise if rng.random() < 0.5 else rng.choice(PREMISES))
        opening = self.greetings() if rng.random() < 0.4 else []
        earlier = [line for _ in range(rng.choice((0, 0, 1, 1, 2, 3))) for line in self.exchange(people, rng)]
        passages = nearest(role.wiki, record.context[-1].text, rng.choice((0, 0, 0, 0, 1, 2)))
        recalled = Recalled(passages=tuple(Passage(id=str(at), text=text) for at, text in enumerate(passages)))
        return replace(moment, heard=(*opening, *earlier, *record.context), recalled=recalled)

    def greetings(self) -> list[Line]:
        """What the roles say as they sit down: the first lines of every room."""
        return [Line(name=role.name, text=role.greeting) for role in self.roles if role.greeting]

    def exchange(self, people: list[str], rng: random.Random) -> list[Line]:
        """Something that was said at this table before: a record of any role, mostly by the people who are here."""
        role = rng.choice(self.roles)
        record = renamed(rng.choice(role.train), self.seated, rng, people)
        return [*record.context, Line(name=role.name, text=record.reply)]


def renamed(record: Record, seated: set[str], rng: random.Random, wanted: list[str] | None = None) -> Record:
    """Gives the people of a record other names, unless a word there says more about them than their name."""
    texts = [line.text for line in record.context] + [record.reply]
    people = list(dict.fromkeys(line.name for line in record.context if line.name not in seated))
    if not people or any(GENDERED.search(text) for text in texts):
        return record
    fresh = wanted if wanted and len(wanted) >= len(people) else rng.sample(NAMES, len(people))
    new = dict(zip(people, fresh, strict=False))
    context = [Line(name=new.get(line.name, line.name), text=swapped(line.text, new)) for line in record.context]
    return Record(context=context, reply=swapped(record.reply, new))


def renamed_scene(scene: Scene, rng: random.Random) -> Scene:
    """The same for a scene and its cast."""
    people = list(dict.fromkeys([*scene.cast, *(line.name for line in scene.lines)]))
    texts = [scene.premise, *scene.cast.values(), *(line.text for line in scene.lines)]
    if "Narrator" in people or any(GENDERED.search(text) for text in texts):
        return scene
    new = dict(zip(people, rng.sample(NAMES, len(people)), strict=True))
    lines = [Line(name=new[line.name], text=swapped(line.text, new)) for line in scene.lines]
    cast = {new[name]: swapped(text, new) for name, text in scene.cast.items()}
    return Scene(premise=swapped(scene.premise, new), lines=lines, cast=cast)


def swapped(text: str, new: dict[str, str]) -> str:
    """Replaces whole names, all at once, so that two people may trade theirs."""
    pattern = "|".join(rf"\b{re.escape(name)}\b" for name in sorted(new, key=len, reverse=True))
    return re.sub(pattern, lambda found: new[found[0]], text)


def nearest(paragraphs: list[str], question: str, count: int) -> list[str]:
    """The paragraphs that share most of their rarer words with the question; a stand-in for the room's own search."""

    def words_of(text: str) -> set[str]:
        return {word for word in re.findall(r"\w+", text.lower()) if len(word) > 3}

    asked = words_of(question)
    ranked = sorted(paragraphs, key=lambda text: -len(asked & words_of(text)))
    return ranked[:count]
