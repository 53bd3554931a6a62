"""The engine as the room sees it: a base on a server of LMDeploy, its turns, and what each of them found in the cache.

Prompts become ids here and ids become text here. Imports no torch until a base is read.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import aclosing
from typing import Any, ClassVar

import msgspec

from chatroom.engines.base import EngineOptions, Facts
from chatroom.engines.turbomind.checks import refuse_adapter
from chatroom.engines.turbomind.gpu_memory import free_gpu_bytes
from chatroom.engines.turbomind.launching import Free
from chatroom.engines.turbomind.limits import Limits
from chatroom.engines.turbomind.local_base import LocalBase, load_base
from chatroom.engines.turbomind.server import Server
from chatroom.engines.turbomind.supervisor import Supervisor
from chatroom.engines.turbomind.turn import Told, Turn
from chatroom.errors import EngineError
from chatroom.messages import Adapter, Prompt, Sampling

log = logging.getLogger("chatroom.engines.turbomind")

LIMITS = Limits()
REMEMBERED = 256
"""How many turns' usage is kept."""
AT_ONCE = 64
"""How many texts are encoded before others may run."""


class Engine:
    """One base on TurboMind.

    Args:
        limits: How long what may take.
        free: Says how much GPU memory is free.

    Attributes:
        told: What the latest turns took, the newest last.
    """

    supports_adapters: ClassVar[bool] = False
    can_score: ClassVar[bool] = False

    def __init__(self, options: EngineOptions, *, limits: Limits = LIMITS, free: Free = free_gpu_bytes) -> None:
        self.told: deque[Told] = deque(maxlen=REMEMBERED)
        self._options, self._limits = options, limits
        self._supervisor = Supervisor(options, limits, free)
        self._starting = asyncio.Lock()
        self._base: LocalBase | None = None
        self._turns = self._closes = 0
        self._endings: set[asyncio.Task[None]] = set()

    async def start(self) -> Facts:
        asked, closes = self._options, self._closes
        async with self._starting:
            if self._base is None:
                self._base = await asyncio.to_thread(load_base, asked.base, asked.context, weights=not asked.address)
            if closes != self._closes:
                raise EngineError("the engine was closed while it was starting", code="engine_lost")
            await self._supervisor.up(self._base)
            return Facts.of(self._base.template, self._base.context)

    async def count(self, texts: Sequence[str]) -> list[int]:
        base, counts = self._running()[1], []
        for number, text in enumerate(texts, 1):
            counts.append(len(base.template.line_ids(text)))
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)
        return counts

    async def stream(
        self, prompt: Prompt, *, adapter: Adapter | None = None, sampling: Sampling
    ) -> AsyncGenerator[str, None]:
        refuse_adapter(adapter)
        server, base = self._running()
        ids = base.prompt_ids(prompt)
        most = min(sampling.max_tokens, base.context - len(ids))
        turn = Turn(server, base, ids, msgspec.structs.replace(sampling, max_tokens=most))
        self._turns += 1
        try:
            async with aclosing(turn.pieces()) as pieces:
                async for piece in pieces:
                    yield piece
            self._supervisor.went_well()
        except EngineError as error:
            raise await self._supervisor.explained(server, error) from None
        finally:
            self._turns -= 1
            self._soon(self._ended(server, turn, prompt.view))

    async def score(self, prompt: Prompt, continuations: Sequence[str]) -> list[float]:
        raise EngineError("TurboMind can't say how likely a text is", code="engine")

    async def warm(self, prompt: Prompt, *, adapter: Adapter | None = None) -> None:
        """Lets the server read the transcript, so that the next turn finds it in the cache; never beside a turn."""
        refuse_adapter(adapter)
        server, base = self._running()
        rendered = base.template.render(prompt)
        ids = rendered.ids[: rendered.shared]
        if self._turns or not 0 < len(ids) < base.context:
            return
        turn = Turn(server, base, ids, Sampling(max_tokens=1))
        try:
            await turn.drain()
        except EngineError as error:
            raise await self._supervisor.explained(server, error) from None
        finally:
            self._soon(turn.settle(self._limits.settle))

    async def close(self) -> None:
        self._closes += 1
        await self._supervisor.down()
        await asyncio.gather(*self._endings, return_exceptions=True)

    def _running(self) -> tuple[Server, LocalBase]:
        server = self._supervisor.running()
        assert self._base is not None  # it is read before a server is started
        return server, self._base

    async def _ended(self, server: Server, turn: Turn, view: str) -> None:
        """Ends a turn on the server, remembers what it took, and doubts a server that fell silent in it."""
        silent = not turn.over and turn.silence() >= self._limits.doubt
        await turn.settle(self._limits.settle)
        if turn.usage is not None:
            self.told.append(Told(view=view, usage=turn.usage))
            log.debug("%s: %d of %d prompt ids were cached", view, turn.usage.cached, turn.usage.prompt)
        if silent:
            await self._supervisor.doubt(server)
        else:
            self._supervisor.was_heard()

    def _soon(self, ending: Coroutine[Any, Any, None]) -> None:
        """Lets something go on after a turn was closed; `close` waits for it."""
        task = asyncio.get_running_loop().create_task(ending)
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)
