"""Writes the bundled roles' lines.jsonl from their scenes: what the room shows a role as examples of its voice.

A record is one turn with what it answers, each text in the way that is written first. Held-out scenes are left out. It
knows no model.

    python -m finetune.base.lines finetune/recipes/hearth.toml
"""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec.structs import replace

from finetune.base.pack_dialogue import read_recipe
from finetune.base.role_data import RoleData, Table
from finetune.base.talk import first_way, with_names
from finetune.dialogue import USER, Line, Record
from knowledge.language.mood import leans
from knowledge.searching.query import unaddressed

BEFORE = 3
"""Most lines before a reply: more than one only where the last one leans on them."""


def records(table: Table, role: RoleData) -> Iterator[Record]:
    """Every turn of a role with what it answers; the same reply to the same line only once. One that names another
    guest is no example: who is that, at another table?"""
    seen: set[tuple[str, str]] = set()
    for scene in table.scenes:
        lines = [Line(name=line.name, text=first_way(line.text)) for line in scene.lines]
        guests = {line.name for line in lines if line.name not in table.names}
        for at, speaker in table.turns(scene):
            asked, reply = lines[at - 1], lines[at].text
            strangers = [name for name in guests - {asked.name} if re.search(rf"\b{re.escape(name)}\b", reply)]
            if speaker is role and asked.text and (asked.text, reply) not in seen and not strangers:
                seen.add((asked.text, reply))
                first = max(0, at - BEFORE) if leans(asked.text) else at - 1
                context = [
                    replace(line, text=unaddressed(line.text, role.called)) for line in lines[first:at] if line.text
                ]
                yield with_user(Record(context=context, reply=reply), table)


def with_user(record: Record, table: Table) -> Record:
    """The record with `{{user}}` for whoever is answered, guest or role: the next one has another name."""
    name = record.context[-1].name
    named = dict.fromkeys(next((_vocatives(role) for role in table.roles if role.name == name), [name]), USER)
    context = record.context if name in table.names else [_renamed(line, named) for line in record.context]
    return Record(context=context, reply=with_names(record.reply, named))


def _vocatives(role: RoleData) -> list[str]:
    """What one calls a role to its face."""
    return [each for each in role.called if not each.startswith("the ")]


def _renamed(line: Line, named: dict[str, str]) -> Line:
    return Line(name=line.name, text=with_names(line.text, named))


def write_lines(table: Table, role: RoleData) -> int:
    """Writes a role's lines.jsonl; gives the number of records."""
    rows = [msgspec.json.encode(record).decode() + "\n" for record in records(table, role)]
    (role.folder / "lines.jsonl").write_text("".join(rows), encoding="utf-8")
    return len(rows)


def main(args: argparse.Namespace) -> None:
    """Writes every role's lines."""
    recipe, _ = read_recipe(args.recipe)
    table = Table.read(recipe.role_folders, recipe.rooms)
    for role in table.roles:
        print(f"{role.id}: {write_lines(table, role):,} lines")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", type=Path)
    main(parser.parse_args())
