"""Scenes as the workshop itself keeps them: scenes.jsonl, one in every line.

They are taken as they are; only what no scene may hold is told and left out, as a line without text. It does not know
how they were made.
"""

from collections.abc import Iterator

import msgspec

from finetune.corpora._records import Placed, first, records
from finetune.corpora._spoken import spoken
from finetune.corpora.base import CorpusFile, Head
from finetune.dialogue import Line, Scene

HELP = "scenes of the workshop: scenes.jsonl"
SUFFIXES = (".jsonl", ".ndjson")
PRIVATE = False


def claims(head: Head) -> float:
    record = first(head)
    lines = record.fields.get("lines")
    if isinstance(lines, list):
        return 0.98 if lines and isinstance(lines[0], dict) and {"name", "text"} <= lines[0].keys() else 0.0
    return 0.9 if not record.fields and {"lines", "name", "text"} <= {*record.keys} else 0.0


def read(file: CorpusFile) -> Iterator[Scene]:
    for placed in records(file):
        try:
            yield _scene(file, placed)
        except ValueError as error:
            file.skip(placed.place, str(error))


def _scene(file: CorpusFile, placed: Placed) -> Scene:
    try:
        scene = msgspec.convert(placed.fields, Scene)
    except msgspec.ValidationError as error:
        raise ValueError(f"it is no scene: {str(error).replace('`', '').replace('$.', '')}") from None
    lines = list(_lines(file, placed.place, scene))
    if not lines:
        raise ValueError("nothing is said in it")
    source = scene.source or f"{file.name}, {placed.place}"
    return msgspec.structs.replace(scene, lines=lines, premise=scene.premise.strip(), source=source)


def _lines(file: CorpusFile, place: str, scene: Scene) -> Iterator[Line]:
    for said in scene.lines:
        if line := spoken(said.name, said.text, said.audience, said.made_by):
            yield line
        else:
            file.skip(place, "a line has no text")
