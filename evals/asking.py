"""Lets a role answer probes as in its room: the same reminders, the same prompt, the same engine and sampling.

Greetings open the evening, as they do in a fresh room. It knows no server and no log.
"""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from time import perf_counter

import msgspec
from msgspec.structs import replace

from chatroom.engine_pool import EnginePool
from chatroom.engines.base import Engine
from chatroom.hearing import asked
from chatroom.librarian.asking import Ask, Lore, Reader, Said, Setup, Span
from chatroom.librarian.desk import Desk
from chatroom.messages import Passage, Prompt
from chatroom.roles import Role
from chatroom.rooms import RoomFile
from chatroom.settings import Settings
from evals.probes import Probe
from finetune.dataset.moment import Moment
from finetune.dataset.render import Renderer
from finetune.dialogue import Line

NOWHERE = Span(room="", epoch="")
LINES = 4
"""Lines that say what a moment is about, as in a room."""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What a role answered.

    Args:
        name: Of the role.
        passages: What it was told before.
        most: Token ids that it might have used.
        used: Token ids of the answer, its end included.
        first, seconds: Until the first piece, and until the end.
    """

    probe: Probe
    name: str
    text: str
    passages: tuple[Passage, ...]
    most: int
    used: int
    first: float
    seconds: float


class Asking:
    """One role in one room; `bare` leaves its adapter off.

    Raises:
        WorkshopError: The tokenizer of its base can't be read.
    """

    def __init__(self, settings: Settings, role: Role, room: RoomFile, seated: Sequence[Role], *, bare: bool) -> None:
        self._role, self._room, self._bare = role, room, bare
        self._called = {short: each.name for each in seated for short in (*each.aliases, each.name.split()[0])}
        self._greetings = [Line(name=each.name, text=each.greeting) for each in seated if each.greeting]
        self._desk = Desk(Setup(home=settings.home, embedder=settings.embedder, reranker=settings.reranker))
        self._reader = Reader.of(role, Lore.of(room))
        self._renderer = Renderer.of(Path(role.weights or role.base), context=settings.context)
        self._layout = asked(role, self._renderer.facts).layout
        self._pool = EnginePool(settings)

    async def replies(self, probes: Sequence[Probe]) -> AsyncIterator[Reply]:
        """Every probe answered, each with a seed of its own."""
        if not self._desk.is_ready(self._reader):
            self._desk.build(self._reader)
        try:
            engine, _ = await self._pool.start(self._role)
            for probe in probes[:1]:
                await self._spoken(
                    engine, self._renderer.prompt(self._moment(probe)), 0
                )  # loads the adapter: nobody waits so
            for seed, probe in enumerate(probes):
                yield await self._reply(engine, probe, seed)
        finally:
            await self._pool.close()

    async def _reply(self, engine: Engine, probe: Probe, seed: int) -> Reply:
        moment = self._moment(probe)
        prompt = self._renderer.prompt(moment)
        began = perf_counter()
        text, first = await self._spoken(engine, prompt, seed)
        return Reply(
            probe=probe,
            name=self._role.name,
            text=text,
            passages=moment.recalled.passages,
            most=self._role.sampling.max_tokens,
            used=len(self._renderer.template.reply_ids(text, start=prompt.start)),
            first=first - began,
            seconds=perf_counter() - began,
        )

    async def _spoken(self, engine: Engine, prompt: Prompt, seed: int) -> tuple[str, float]:
        """What is said, and when its first piece came."""
        adapter = None if self._bare else self._role.adapter
        sampling = replace(self._role.sampling, seed=seed)
        pieces, first = [], 0.0
        async for piece in engine.stream(prompt, adapter=adapter, sampling=sampling):
            first = first or perf_counter()
            pieces.append(piece)
        return "".join(pieces).strip(), first or perf_counter()

    def _moment(self, probe: Probe) -> Moment:
        heard = [replace(line, name=self._called.get(line.name, line.name)) for line in probe.heard]
        said = tuple(Said(name=line.name, text=line.text) for line in heard[-LINES:])
        return Moment(
            premise=self._room.premise,
            heard=(*self._greetings, *heard),
            name=self._role.name,
            persona=self._role.persona,
            reply="",
            recalled=self._desk.recall(self._reader, Ask(lines=said, memory=NOWHERE)).recalled,
            language=self._role.language,
            layout=self._layout,
        )
