"""The engine as the room sees it: starts the worker, asks it, and keeps what it once counted.

Runs in the server and imports no torch. Everything slow happens in the worker process.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Sequence
from typing import ClassVar

from chatroom.engines.base import EngineOptions, Facts, ToldUsage, unheard
from chatroom.engines.transformers_peft.messages import Count, Counted, Done, Piece, Score, Scored, Stream, Warm
from chatroom.engines.transformers_peft.process import WorkerProcess
from chatroom.errors import EngineError
from chatroom.messages import Adapter, Prompt, Sampling

MOST_COUNTS = 65_536
"""How many texts' lengths are remembered, so that a turn asks for its new lines only."""


class Engine:
    """One base, its adapters and its lanes, in a process of its own."""

    supports_adapters: ClassVar[bool] = True
    can_score: ClassVar[bool] = True

    def __init__(self, options: EngineOptions) -> None:
        self._options = options
        self._starting = asyncio.Lock()
        self._worker: WorkerProcess | None = None
        self._facts = Facts(context=options.context)
        self._counts: OrderedDict[str, int] = OrderedDict()

    @property
    def up(self) -> bool:
        return self._worker is not None and not self._worker.lost

    async def start(self) -> Facts:
        async with self._starting:
            if self._worker is None or self._worker.lost:
                worker = self._worker = WorkerProcess(self._options)
                try:
                    self._facts = await worker.start()
                except BaseException:  # a cancelled start must not leave a process behind either
                    await worker.end()
                    raise
            return self._facts

    async def count(self, texts: Sequence[str]) -> list[int]:
        known = {text: self._counts[text] for text in texts if text in self._counts}
        if missing := tuple(dict.fromkeys(text for text in texts if text not in known)):
            with self._running().ask(lambda id_: Count(id=id_, texts=missing)) as conversation:
                answer = await conversation.answer()
            assert isinstance(answer, Counted)
            known.update(zip(missing, answer.counts, strict=True))
        self._remember(known)
        return [known[text] for text in texts]

    async def stream(
        self, prompt: Prompt, *, adapter: Adapter | None = None, sampling: Sampling, told: ToldUsage = unheard
    ) -> AsyncGenerator[str, None]:
        with self._running().ask(
            lambda id_: Stream(id=id_, prompt=prompt, adapter=adapter, sampling=sampling)
        ) as conversation:
            while isinstance(answer := await conversation.answer(), Piece):
                if answer.usage:
                    told(answer.usage)
                if answer.text:
                    yield answer.text

    async def score(self, prompt: Prompt, continuations: Sequence[str]) -> list[float]:
        asked = tuple(continuations)
        with self._running().ask(lambda id_: Score(id=id_, prompt=prompt, continuations=asked)) as conversation:
            answer = await conversation.answer()
        assert isinstance(answer, Scored)
        return answer.values

    async def warm(self, prompt: Prompt, *, adapter: Adapter | None = None) -> None:
        with self._running().ask(lambda id_: Warm(id=id_, prompt=prompt, adapter=adapter)) as conversation:
            answer = await conversation.answer()
        assert isinstance(answer, Done)

    async def close(self) -> None:
        worker, self._worker = self._worker, None
        if worker:
            await worker.end()

    def _running(self) -> WorkerProcess:
        if self._worker is None:
            raise EngineError("the engine isn't running; start it first", code="engine_lost")
        return self._worker

    def _remember(self, counts: dict[str, int]) -> None:
        """Keeps the latest counts, within a bound."""
        self._counts.update(counts)
        for text in counts:
            self._counts.move_to_end(text)
        while len(self._counts) > MOST_COUNTS:
            self._counts.popitem(last=False)
