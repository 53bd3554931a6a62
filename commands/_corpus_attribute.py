"""Scenes of novels → the same scenes, where a model has said who speaks what no rule could tell.

What is asked, finetune/augment/attribute.py knows. Here an engine is chosen, started and closed, whatever happens; what
it answered is kept under the engine's and the base's name, and is not asked again.
"""

import argparse
import asyncio
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from chatroom import plugins
from chatroom.engine_pool import base_options
from chatroom.engines.base import Engine
from chatroom.settings import Settings
from commands._augment_progress import progress
from commands._corpus import Material
from commands.base import say
from finetune.augment.attribute import Question, attributed, questions
from finetune.augment.attribute_running import Asked, answers, run
from finetune.augment.journal import Journal
from finetune.augment.writer import Writer
from finetune.corpora import novel
from finetune.errors import WorkshopError

FORMAT = "novel"


def attribute(settings: Settings, args: argparse.Namespace, material: Material) -> tuple[Material, Asked]:
    """Asks an engine who speaks, and gives the lines to those whom it names.

    Raises:
        ChatroomError: The engine or the base can't be used, or another run asks the same one.
    """
    base = _base(settings, args.base)
    made_by = f"{args.attribute}/{Path(base).name}"
    files = tuple(f"{each.file}, line " for each in material.report.files if each.format == FORMAT)
    asking = questions(material.scenes, novel.speech_in, is_open=lambda scene: scene.source.startswith(files))
    folder = settings.home / "workshop" / "attributed" / re.sub(r"\W+", "-", made_by)[:80]
    with Journal(folder, "speakers") as journal:
        asked = _asked(settings, args.attribute, base, made_by, asking, journal)
        scenes = attributed(material.scenes, answers(asking, journal), novel.speech_in, made_by)
    return msgspec.structs.replace(material, scenes=tuple(scenes)), asked


def _asked(
    settings: Settings, name: str, base: str, made_by: str, asking: Sequence[Question], journal: Journal
) -> Asked:
    kind = plugins.load("chatroom.engines", name)
    keys = {question.job.key for question in asking}
    if keys <= journal.asked:  # then no engine need be started
        return Asked(jobs=len(keys), before=len(keys))
    options = base_options(settings, base, engine=name)
    try:
        return asyncio.run(_run(kind.Engine(options), made_by, asking, journal))
    except KeyboardInterrupt:
        say("stopped; what was answered is kept, and the same command goes on from there")
        raise


async def _run(engine: Engine, made_by: str, asking: Sequence[Question], journal: Journal) -> Asked:
    try:
        writer = Writer(engine, await engine.start(), made_by=made_by)
        with progress("who speaks") as tell:
            return await run(asking, writer, journal, tell)
    finally:
        await engine.close()


def _base(settings: Settings, asked: str | None) -> str:
    """The base that was asked for: a folder, or a hub id, which only an engine can look up.

    Raises:
        WorkshopError: It would lie in models/, and does not.
    """
    asked = asked or "models/hearth"
    first, _, rest = asked.partition("/")
    place = settings.models / rest if first == "models" and rest else Path(asked)
    if place.exists():
        return str(place)
    if first in ("models", ".", ".."):
        raise WorkshopError(f"--base {asked}", "there is no such base", "put its files into models/NAME")
    return asked
