"""The engine as the room sees it: one base with many LoRAs on LMDeploy's PyTorch engine, one adapter for each turn.

LMDeploy loads adapters at its start only. Those that `EngineOptions.adapters` tells of are there from the beginning;
one that is first asked for later costs one restart, for which the turns that run are waited for and those that come
wait. What makes a server fail to start is not tried again, so one bad adapter silences one role and not all.
"""

import asyncio
import secrets
import shutil
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from pathlib import Path
from typing import ClassVar

from chatroom.engines._lmdeploy.backend import Backend
from chatroom.engines._lmdeploy.gpu_memory import free_gpu_bytes
from chatroom.engines._lmdeploy.launching import Free, launch
from chatroom.engines._lmdeploy.limits import Limits
from chatroom.engines._lmdeploy.local_base import LocalBase
from chatroom.engines._lmdeploy.server import Server
from chatroom.engines._lmdeploy.serving import Serving
from chatroom.engines.base import EngineOptions, Facts, ToldUsage, unheard
from chatroom.engines.lmdeploy_lora.checks import check_asked
from chatroom.engines.lmdeploy_lora.roster import MOST, Roster
from chatroom.errors import EngineError
from chatroom.folder_cache import FolderCache
from chatroom.messages import Adapter, Prompt, Sampling

LIMITS = Limits()
PYTORCH = Backend(flag="pytorch", title="LMDeploy's PyTorch engine", check=check_asked)


class Engine:
    """One base and its LoRAs.

    Args:
        limits: How long what may take.
        free: Says how much GPU memory is free.
    """

    supports_adapters: ClassVar[bool] = True
    can_score: ClassVar[bool] = False

    def __init__(self, options: EngineOptions, *, limits: Limits = LIMITS, free: Free = free_gpu_bytes) -> None:
        self._options, self._limits, self._free = options, limits, free
        self._aside = Path(tempfile.gettempdir(), f"chatroom-{secrets.token_hex(16)}")  # made only without a folder
        copies = FolderCache(Path(options.logs or self._aside, "adapters"), most=2 * MOST)
        self._roster = Roster(copies, options.adapters)
        self._serving = Serving(options, limits, self._open)
        self._joining: asyncio.Task[None] | None = None

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
        model = await self._model(adapter)
        async with aclosing(self._serving.tell(prompt, sampling, model, told=told)) as pieces:
            async for piece in pieces:
                yield piece

    async def score(self, prompt: Prompt, continuations: Sequence[str]) -> list[float]:
        raise EngineError("LMDeploy's PyTorch engine is not asked how likely a text is", code="engine")

    async def warm(self, prompt: Prompt, *, adapter: Adapter | None = None) -> None:
        """Lets the server read the transcript ahead, in the weights of the role; never beside a turn.

        An adapter that the server lacks is only noted: it comes with the next start.
        """
        model = "" if adapter is None or self._options.address else self._roster.loaded(adapter)
        if adapter is not None and not model and not self._options.address:
            self._roster.note(adapter)
        elif self._joining is None:
            await self._serving.read(prompt, model)

    async def close(self) -> None:
        if self._joining is not None:
            self._joining.cancel()
            await asyncio.wait([self._joining])
        self._roster.forgive()
        await self._serving.close()
        await asyncio.to_thread(shutil.rmtree, self._aside, ignore_errors=True)

    async def _model(self, adapter: Adapter | None) -> str:
        """What the server is asked for; "" is the base. Starts the server anew if it must."""
        if self._options.address:
            return self._elsewhere(adapter)
        while True:
            if self._joining is not None:
                await asyncio.wait([self._joining])  # cancelling this turn leaves the restart alone
                continue
            base = self._serving.running()[1]
            if adapter is None or (name := self._roster.loaded(adapter)):
                return "" if adapter is None else name
            self._joining = joining = asyncio.create_task(self._join(adapter, base))
            joining.add_done_callback(self._joined)
            await asyncio.wait([joining])
            _raise_failure(joining)

    async def _join(self, adapter: Adapter, base: LocalBase) -> None:
        """Starts the server anew with one adapter more; without it again, if that fails."""
        await asyncio.to_thread(self._roster.check, adapter, base.config.text.num_hidden_layers or 0)
        self._roster.note(adapter)
        await self._until_idle()
        try:
            await self._serving.start(anew=True)
        except EngineError as error:
            failure = EngineError(
                f"the server does not start with the adapter {adapter.path}: {error}", code=error.code
            )
            self._roster.drop(adapter, failure)
            with suppress(EngineError):
                await self._serving.start()
            raise failure from None

    async def _until_idle(self) -> None:
        """Waits for the turns that run; those that come wait for the restart."""
        try:
            async with asyncio.timeout(self._limits.finish):
                await self._serving.idle.wait()
        except TimeoutError:
            raise EngineError(
                "the server must start anew for this role's adapter, and others are still speaking; try again",
                code="overloaded",
            ) from None

    def _joined(self, joining: asyncio.Task[None]) -> None:
        self._joining = None
        if not joining.cancelled():
            joining.exception()  # whoever asked for it may be gone; nobody else needs to hear of it

    async def _open(self, base: LocalBase) -> Server:
        """Starts a server with all adapters that are known by now."""
        adapters = await asyncio.to_thread(self._roster.prepared, base.config.text.num_hidden_layers or 0)
        return await launch(
            PYTORCH, base, options=self._options, limits=self._limits, free=self._free,
            adapters=tuple((each.name, str(each.folder)) for each in adapters),
            beside=sum(each.size for each in adapters),
        )  # fmt: skip

    def _elsewhere(self, adapter: Adapter | None) -> str:
        """A server that runs already has the adapters that it was started with; `served` names the role's."""
        if adapter is not None and not self._options.served:
            raise EngineError(
                f"the adapter {adapter.path} can't be sent to the server at {self._options.address}: let it load the "
                "adapter by `--adapters NAME=FOLDER` and set `served` to that name",
                code="no_adapter",
            )
        return ""


def _raise_failure(joining: asyncio.Task[None]) -> None:
    if joining.cancelled():
        raise EngineError("the engine was closed while it was starting anew", code="engine_lost")
    if error := joining.exception():
        raise error
