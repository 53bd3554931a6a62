"""A role and what is asked for → an engine that writes, and what became of it.

What is asked, finetune/augment/ knows; what a role is asked about, _augment_material.py. Here an engine is chosen,
started and closed, whatever happens.
"""

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path

from chatroom import plugins
from chatroom.engine_pool import base_options
from chatroom.engines.base import Engine, EngineOptions
from chatroom.roles import Role
from chatroom.settings import Settings
from commands._augment_material import jobs_of
from commands._augment_progress import progress
from commands._knowledge_roles import one
from commands.base import say
from finetune.augment.job import Job, Outcome
from finetune.augment.journal import Journal
from finetune.augment.running import run
from finetune.augment.writer import Writer
from finetune.errors import WorkshopError
from finetune.places import Workbench


def augment(settings: Settings, args: argparse.Namespace) -> Outcome:
    """Asks for what a command line says and has not been asked for yet.

    Raises:
        ChatroomError: The role, the material or the engine can't be used.
    """
    role = one(settings, args.role)
    jobs = jobs_of(role, args)
    name, base = args.engine or settings.engine, _base(settings, role, args.base)
    kind, options = plugins.load("chatroom.engines", name), _options(settings, role, name, base)
    with Journal(Workbench.of(settings.home, role.id).made, args.task) as journal:
        if all(job.key in journal.asked for job in jobs):  # then no engine need be started
            different = len({job.key for job in jobs})
            return Outcome(jobs=different, before=different)
        try:
            return asyncio.run(_written(kind.Engine(options), f"{name}/{Path(base).name}", jobs, journal))
        except KeyboardInterrupt:
            say("stopped; what was made is kept, and the same command goes on from there")
            raise


async def _written(engine: Engine, made_by: str, jobs: Sequence[Job], journal: Journal) -> Outcome:
    try:
        writer = Writer(engine, await engine.start(), made_by=made_by)
        with progress(journal.path.stem) as tell:
            return await run(jobs, writer, journal, tell)
    finally:
        await engine.close()


def _base(settings: Settings, role: Role, asked: str | None) -> str:
    """The base that was asked for, else the role's: a folder, or a hub id, which only an engine can look up.

    Raises:
        WorkshopError: It would lie in models/, and does not.
    """
    if not asked:
        return role.weights or role.base
    first, _, rest = asked.partition("/")
    place = settings.models / rest if first == "models" and rest else role.folder / asked
    if place.exists():
        return str(place)
    if first in ("models", ".", ".."):
        remedy = "put its files into models/NAME, then --base models/NAME"
        raise WorkshopError(f"--base {asked}", "there is no such base", remedy)
    return asked


def _options(settings: Settings, role: Role, engine: str, base: str) -> EngineOptions:
    """As for a turn of the role, where it is asked by its own engine: its server, and the model's name there."""
    own = engine == (role.engine or settings.engine)
    address, served = (role.address, role.served) if own else ("", "")
    return base_options(settings, base, engine=engine, address=address, served=served)
