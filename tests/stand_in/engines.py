"""Engines without a model that count the memory they would take, and misbehave when they are told to.

They know only their options, as real ones do: what they take is read from the files they are pointed at, by another
way than the plan reads it.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import ClassVar

from chatroom.engines.base import EngineOptions, Facts, ToldUsage, unheard
from chatroom.errors import EngineError
from chatroom.messages import Adapter, Prompt, Sampling

CONTEXT_ON_GPU, COMPUTED_IN = 512 << 20, 512 << 20
"""What every engine takes on a GPU besides its weights and its cache."""


class Works:
    """All engines that were made, and the memory that they hold.

    Attributes:
        most: The most memory that was ever held at a time.
        cut: Names of the bases of engines that were closed while somebody was inside.
        fail, fail_end: How often a start or a close is to fail, by the base's name.
        slow, slow_end: How many seconds the next start or close takes, by the base's name.
    """

    def __init__(self) -> None:
        self.made: list[StandIn] = []
        self.most = 0
        self.cut: list[str] = []
        self.fail: Counter[str] = Counter()
        self.fail_end: Counter[str] = Counter()
        self.slow: dict[str, float] = {}
        self.slow_end: dict[str, float] = {}
        self.gate: asyncio.Event | None = None
        """What every stream waits for before its last piece."""
        self.likeliest = ""
        """What every engine says is likely to come next, once something was said."""

    @property
    def held(self) -> int:
        return sum(engine.size for engine in self.made if engine.holds)

    @property
    def up(self) -> list["StandIn"]:
        return [engine for engine in self.made if engine.running]

    def make(self, kind: str, options: EngineOptions) -> "StandIn":
        engine = StandIn(kind, options, self)
        self.made.append(engine)
        return engine

    async def merge(self, base: Path, adapter: Path, home: Path) -> Path:
        """Merges nothing: a folder that takes as much as the base."""
        folder = home / "merged" / f"{base.name}-{adapter.parent.name}"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "model.safetensors").open("wb") as file:
            file.truncate((base / "model.safetensors").stat().st_size)
        return folder


class StandIn:
    """One engine.

    Attributes:
        spoken: Adapters that turns came with.
        scored: How often it was asked how likely a text is.
        piece_seconds: How long the next turn takes for each piece.
        doomed: Whether its next close is meant, whoever is inside.
        holds: Whether it takes memory: from its start until its close has returned.
    """

    supports_adapters: ClassVar[bool] = True
    can_score: ClassVar[bool] = True

    def __init__(self, kind: str, options: EngineOptions, works: Works) -> None:
        self.kind, self.options = kind, options
        self.spoken: list[Adapter | None] = []
        self.starts = self.warmed = self.scored = self.inside = 0
        self.holds = self.running = self.doomed = False
        self._works = works
        self._end = asyncio.Event()
        self.piece_seconds = 0.0

    @property
    def name(self) -> str:
        return Path(self.options.base).name

    @property
    def up(self) -> bool:
        return self.running

    @property
    def size(self) -> int:
        weights = sum(file.stat().st_size for file in Path(self.options.base).glob("*.safetensors"))
        return weights + CONTEXT_ON_GPU + COMPUTED_IN + self.options.cache_bytes

    async def start(self) -> Facts:
        if not self.running:
            self.holds, self._end = True, asyncio.Event()
            self._works.most = max(self._works.most, self._works.held)
            self.starts += 1
            await asyncio.sleep(self._works.slow.pop(self.name, 0))
            if self._works.fail[self.name] > 0:
                self._works.fail[self.name] -= 1
                raise EngineError("its start was told to fail", code="engine")
            self.running = True
        return Facts(context=self.options.context)

    async def count(self, texts: Sequence[str]) -> list[int]:
        self._check()
        return [len(text.split()) for text in texts]

    async def stream(
        self, prompt: Prompt, *, adapter: Adapter | None = None, sampling: Sampling, told: ToldUsage = unheard
    ) -> AsyncGenerator[str, None]:
        self._check()
        if self.kind == "lmdeploy_lora" and adapter not in (None, *self.options.adapters, *self.spoken):
            self.starts += 1
            await asyncio.sleep(self._works.slow.pop(self.name, 0))
        self.spoken.append(adapter)
        self.inside += 1
        seconds, self.piece_seconds = self.piece_seconds, 0.0
        try:
            for piece in ("I ", "heard ", "you."):
                await asyncio.sleep(seconds)
                self._check()
                if piece == "you." and self._works.gate:
                    await self._either(self._works.gate)
                    self._check()
                yield piece
        finally:
            self.inside -= 1

    async def score(self, prompt: Prompt, continuations: Sequence[str]) -> list[float]:
        self._check()
        self.scored += 1
        return [-1.0 if prompt.lines and text != self._works.likeliest else 0.0 for text in continuations]

    async def warm(self, prompt: Prompt, *, adapter: Adapter | None = None) -> None:
        self._check()
        self.warmed += 1

    async def close(self) -> None:
        if self.running and self.inside and not self.doomed:
            self._works.cut.append(self.name)
        self.doomed = False
        self.crash()
        await asyncio.sleep(self._works.slow_end.pop(self.name, 0))
        if self._works.fail_end[self.name] > 0:
            self._works.fail_end[self.name] -= 1
            raise RuntimeError("its close was told to fail")
        self.holds = self.running = False

    def crash(self) -> None:
        """It is gone, and who is inside notices; its memory is not free before it is closed."""
        self.running = False
        self._end.set()

    async def _either(self, gate: asyncio.Event) -> None:
        waits = [asyncio.create_task(gate.wait()), asyncio.create_task(self._end.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    def _check(self) -> None:
        if not self.running:
            raise EngineError("the engine isn't running", code="engine_lost")
