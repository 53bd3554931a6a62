"""The engine as the room sees it: a base on TurboMind. An adapter is refused, for TurboMind would ignore it."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import partial
from typing import ClassVar

from chatroom.engines._lmdeploy.backend import Backend
from chatroom.engines._lmdeploy.gpu_memory import free_gpu_bytes
from chatroom.engines._lmdeploy.launching import Free, launch
from chatroom.engines._lmdeploy.limits import Limits
from chatroom.engines._lmdeploy.serving import Serving
from chatroom.engines.base import EngineOptions, Facts, ToldUsage, unheard
from chatroom.engines.turbomind.checks import check_asked, refuse_adapter
from chatroom.errors import EngineError
from chatroom.messages import Adapter, Prompt, Sampling

LIMITS = Limits()
TURBOMIND = Backend(flag="turbomind", title="TurboMind", check=check_asked)


class Engine:
    """One base on TurboMind.

    Args:
        limits: How long what may take.
        free: Says how much GPU memory is free.
    """

    supports_adapters: ClassVar[bool] = False
    can_score: ClassVar[bool] = False

    def __init__(self, options: EngineOptions, *, limits: Limits = LIMITS, free: Free = free_gpu_bytes) -> None:
        opening = partial(launch, TURBOMIND, options=options, limits=limits, free=free)
        self._serving = Serving(options, limits, opening)

    @property
    def up(self) -> bool:
        return self._serving.up

    async def start(self) -> Facts:
        return await self._serving.start()

    async def count(self, texts: Sequence[str]) -> list[int]:
        return await self._serving.count(texts)

    async def stream(
        self, prompt: Prompt, *, adapter: Adapter | None = None, sampling: Sampling, told: ToldUsage = unheard
    ) -> AsyncGenerator[str, None]:
        refuse_adapter(adapter)
        async with aclosing(self._serving.tell(prompt, sampling, told=told)) as pieces:
            async for piece in pieces:
                yield piece

    async def score(self, prompt: Prompt, continuations: Sequence[str]) -> list[float]:
        raise EngineError("TurboMind can't say how likely a text is", code="engine")

    async def warm(self, prompt: Prompt, *, adapter: Adapter | None = None) -> None:
        """Lets the server read the transcript ahead; never beside a turn."""
        refuse_adapter(adapter)
        await self._serving.read(prompt)

    async def close(self) -> None:
        await self._serving.close()
