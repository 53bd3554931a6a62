"""The engine as the room sees it: one model of one server that is reached by its address.

The model is the server's: an ordinary LoRA that it knows by name is just another served model, a folder with an
adapter can't be sent to it. Nothing runs here but waiting. Knows no process.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import ClassVar

from chatroom.engines._http import HttpClient
from chatroom.engines._http.faults import NO_ACCESS
from chatroom.engines.base import EngineOptions, Facts, ToldUsage, unheard
from chatroom.engines.openai_api import layout, served
from chatroom.engines.openai_api.asking import Asking
from chatroom.engines.openai_api.counting import Counting
from chatroom.engines.openai_api.ending import Ending
from chatroom.errors import EngineError
from chatroom.messages import Adapter, Prompt, Sampling

OVERHEAD, TURN_OVERHEAD = 32, 12
"""Positions that a server's own chat template may put around a prompt, and around each turn; it does not say."""


class Engine:
    """One model of a server."""

    supports_adapters: ClassVar[bool] = False
    can_score: ClassVar[bool] = False

    def __init__(self, options: EngineOptions) -> None:
        self._options = options
        self._starting = asyncio.Lock()
        self._client: HttpClient | None = None
        self._asking: Asking | None = None
        self._facts = Facts(context=options.context)
        self._counting = Counting(options.base, options.served)

    async def start(self) -> Facts:
        async with self._starting:
            if self._asking is None or self._asking.lost:
                await self._find()
            return self._facts

    async def count(self, texts: Sequence[str]) -> list[int]:
        self._running()
        return await self._counting.count(texts)

    async def stream(
        self, prompt: Prompt, *, adapter: Adapter | None = None, sampling: Sampling, told: ToldUsage = unheard
    ) -> AsyncGenerator[str, None]:
        asking, most = self._running(adapter), await self._left(prompt)
        names = layout.names(prompt) if prompt.layout == "chat" else None
        ending = Ending(most=min(sampling.max_tokens, most), names=names)
        async with aclosing(asking.pieces(prompt, sampling, most, told)) as pieces:
            async for piece in pieces:
                yield ending.feed(piece)
                if ending.over:
                    return

    async def score(self, prompt: Prompt, continuations: Sequence[str]) -> list[float]:
        raise EngineError("a server behind an address gives no scores", code="engine")

    async def warm(self, prompt: Prompt, *, adapter: Adapter | None = None) -> None:
        """Does nothing: a request ahead of a turn would cost what the turn costs."""
        self._running(adapter)

    async def close(self) -> None:
        client, self._client, self._asking = self._client, None, None
        if client:
            await client.close()

    async def _find(self) -> None:
        """Asks the server what it has. After a loss the connections stay, so that streams that still run go on."""
        address, key = self._options.address, _key(self._options.key)
        if not address:
            raise EngineError("no server is named; set `remote` in chatroom.toml or [model] address in role.toml")
        client = self._client = self._client or HttpClient(address, key=key)
        model = await served.find(client, self._options.served)
        told = await served.context(address, key, model)
        await self._counting.load()
        if client is self._client:  # else it was closed meanwhile
            self._facts = _facts(min(self._options.context, told or self._options.context))
            self._asking = Asking(client, model)

    async def _left(self, prompt: Prompt) -> int:
        """Positions that are left for the reply.

        Raises:
            EngineError: `too_long`: None are.
        """
        context = self._facts.context
        counts = await self._counting.count([prompt.premise, *(line.text for line in prompt.lines), *prompt.tail])
        taken = sum(counts) + OVERHEAD + (TURN_OVERHEAD * len(prompt.lines) if prompt.layout == "chat" else 0)
        if taken >= context:
            raise EngineError(f"the prompt takes about {taken} positions, the context has {context}", code="too_long")
        return context - taken

    def _running(self, adapter: Adapter | None = None) -> Asking:
        if self._asking is None:
            raise EngineError("the engine isn't running; start it first", code="engine_lost")
        if adapter and not self._options.served:  # else the server knows it by that name
            raise EngineError(
                f"a server can't be sent the adapter {adapter.path}; let it load the adapter and set [model] served to "
                "its name there, or merge it into weights of its own",
                code="no_adapter",
            )
        return self._asking


def _facts(context: int) -> Facts:
    return Facts(context=context, overhead=OVERHEAD, turn_overhead=TURN_OVERHEAD, has_template=True)


def _key(variable: str) -> str:
    """The key in an environment variable. The variable is not named in errors: a key may stand in its place."""
    key = os.environ.get(variable, "").strip() if variable else ""
    if variable and not key:
        raise EngineError("the environment variable that remote_key names is not set; export it", code=NO_ACCESS)
    if not (key.isascii() and key.isprintable()):
        raise EngineError("the environment variable that remote_key names holds what is no key", code=NO_ACCESS)
    return key
