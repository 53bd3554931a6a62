"""One base on a server of LMDeploy: its start and end, its turns, and what each of them found in the cache.

Prompts become ids here and ids become text here. A turn names the model that it wants: the base's own name, or that of
an adapter; which adapters there are is not known here. Imports no torch until a base is read.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import aclosing
from typing import Any

import msgspec

from chatroom.engines._lmdeploy.limits import Limits
from chatroom.engines._lmdeploy.local_base import LocalBase, load_base
from chatroom.engines._lmdeploy.server import Server
from chatroom.engines._lmdeploy.supervisor import Opening, Supervisor
from chatroom.engines._lmdeploy.turn import Turn
from chatroom.engines.base import EngineOptions, Facts, ToldUsage, unheard
from chatroom.errors import EngineError
from chatroom.messages import Prompt, Sampling, Usage

log = logging.getLogger("chatroom.engines.lmdeploy")

UNMEASURED = "--disable-m"
"""With its metrics off (the flag may be shortened), LMDeploy says of every prompt that nothing was cached."""
AT_ONCE = 64
"""How many texts are encoded before others may run."""


class Serving:
    """A base and its server.

    Args:
        opening: Starts a server for the base.

    Attributes:
        idle: Set while no turn runs.
    """

    def __init__(self, options: EngineOptions, limits: Limits, opening: Opening) -> None:
        self.idle = asyncio.Event()
        self.idle.set()
        self._options, self._limits = options, limits
        self._measures = not any(flag.replace("_", "-").startswith(UNMEASURED) for flag in options.flags)
        self._supervisor = Supervisor(options, limits, opening)
        self._starting = asyncio.Lock()
        self._base: LocalBase | None = None
        self._turns = self._closes = 0
        self._endings: set[asyncio.Task[None]] = set()

    @property
    def up(self) -> bool:
        """Whether the server runs."""
        return self._supervisor.is_up

    async def start(self, *, anew: bool = False) -> Facts:
        """Sees to it that the server runs; with `anew`, one that runs is ended first, and its turns with it."""
        closes = self._closes
        async with self._starting:
            base = await self._read_base()
            self._check_open(closes)
            if anew:
                await self._supervisor.down()
                self._check_open(closes)
            await self._supervisor.up(base)
            return Facts.of(base.template, base.context)

    async def count(self, texts: Sequence[str]) -> list[int]:
        """Counts the ids of each text as a line of a prompt."""
        base, counts = self.running()[1], []
        for number, text in enumerate(texts, 1):
            counts.append(len(base.template.line_ids(text)))
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)
        return counts

    async def tell(
        self, prompt: Prompt, sampling: Sampling, model: str = "", told: ToldUsage = unheard
    ) -> AsyncGenerator[str, None]:
        """Yields pieces of a reply.

        Args:
            model: What is asked; "" is the base.
            told: Hears what the prompt cost; also of a reply that is left early, if the server says it at once.
        """
        server, base = self.running()
        ids = base.prompt_ids(prompt)
        most = min(sampling.max_tokens, base.context - len(ids))
        turn = Turn(server, base, ids, msgspec.structs.replace(sampling, max_tokens=most), model)
        self._begin()
        try:
            async with aclosing(turn.pieces()) as pieces:
                async for piece in pieces:
                    yield piece
            self._supervisor.went_well()
        except EngineError as error:
            raise await self._supervisor.explained(server, error) from None
        finally:
            self._end()
            await self._settled(server, turn)
            if self._measures and turn.usage is not None and turn.usage.cached is not None:
                told(Usage(prompt=turn.usage.prompt, cached=turn.usage.cached))

    async def read(self, prompt: Prompt, model: str = "") -> None:
        """Lets the server read the transcript, so that the next turn finds it in the cache; never beside a turn."""
        server, base = self.running()
        rendered = base.template.render(prompt)
        ids = rendered.ids[: rendered.shared]
        if self._turns or not 0 < len(ids) < base.context:
            return
        turn = Turn(server, base, ids, Sampling(max_tokens=1), model)
        try:
            await turn.drain()
        except EngineError as error:
            raise await self._supervisor.explained(server, error) from None
        finally:
            self._soon(turn.settle(self._limits.settle))

    async def close(self) -> None:
        """Ends the server; twice is fine."""
        self._closes += 1
        await self._supervisor.down()
        await asyncio.gather(*self._endings, return_exceptions=True)

    async def _read_base(self) -> LocalBase:
        if self._base is None:
            asked = self._options
            self._base = await asyncio.to_thread(load_base, asked.base, asked.context, weights=not asked.address)
        return self._base

    def _check_open(self, closes: int) -> None:
        if closes != self._closes:
            raise EngineError("the engine was closed while it was starting", code="engine_lost")

    def running(self) -> tuple[Server, LocalBase]:
        """The server, and the base that it serves.

        Raises:
            EngineError: There is none at the moment.
        """
        server = self._supervisor.running()
        assert self._base is not None  # it is read before a server is started
        return server, self._base

    def _begin(self) -> None:
        self._turns += 1
        self.idle.clear()

    def _end(self) -> None:
        self._turns -= 1
        if not self._turns:
            self.idle.set()

    async def _settled(self, server: Server, turn: Turn) -> None:
        """Ends a turn on the server; one that fell silent in it is not waited for, but doubted."""
        if turn.over or turn.silence() < self._limits.doubt:
            self._supervisor.was_heard()
            await turn.settle(self._limits.settle)
        else:
            self._soon(self._doubted(server, turn))

    async def _doubted(self, server: Server, turn: Turn) -> None:
        await turn.settle(self._limits.settle)
        await self._supervisor.doubt(server)

    def _soon(self, ending: Coroutine[Any, Any, None]) -> None:
        """Lets something go on after a turn was closed; `close` waits for it."""
        task = asyncio.get_running_loop().create_task(ending)
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)
