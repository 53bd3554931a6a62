"""An engine without a model: it replies from a script, or repeats what it heard, and remembers what it was asked.

Every flow test runs on it, and a room can be tried with it. The script is `Engine.script`, or, if `options.base` names
a file, its lines: one reply each, in rotation; `!code text` is a turn that fails. It is slow only where a `Gate` says
so. Knows no tokens: a word is one piece.
"""

import asyncio
import itertools
import re
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import msgspec

from chatroom.engines.base import EngineOptions, Facts, ToldUsage, unheard
from chatroom.errors import EngineError
from chatroom.messages import Adapter, Prompt, Sampling, Usage


class Gate:
    """A place where a reply waits: `reached` tells that it is there, setting `opened` lets it go on."""

    def __init__(self) -> None:
        self.reached, self.opened = asyncio.Event(), asyncio.Event()

    async def wait(self) -> None:
        self.reached.set()
        await self.opened.wait()


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """One reply of a script.

    Args:
        text: What is said.
        error: Raised after the text.
        gate: Where to wait, before the piece number `after`.
        usage: Told after the last piece, as servers do; None is never told.
    """

    text: str = ""
    error: EngineError | None = None
    gate: Gate | None = None
    after: int = 0
    usage: Usage | None = None


class Asked(msgspec.Struct, frozen=True):
    """What `stream` was asked."""

    prompt: Prompt
    adapter: Adapter | None
    sampling: Sampling


class Engine:
    """Replies from `script` first, then from the file, then by echo.

    Attributes:
        script: Replies to come, the next one first.
        asked: What every `stream` was asked, oldest first.
        warmed: The prompts of every `warm`.
        told: How many pieces were made in all.
    """

    supports_adapters: ClassVar[bool] = True
    can_score: ClassVar[bool] = True

    def __init__(self, options: EngineOptions) -> None:
        self.script: deque[Reply] = deque()
        self.asked: list[Asked] = []
        self.warmed: list[Prompt] = []
        self.told = 0
        self._options = options
        self._lines: Iterator[Reply] = iter(())
        self._running = False

    async def start(self) -> Facts:
        if not self._running:
            self._lines = itertools.cycle(_read_script(Path(self._options.base)))
            self._running = True
        return Facts(context=self._options.context)

    async def count(self, texts: Sequence[str]) -> list[int]:
        self._check()
        return [len(text.split()) + 1 for text in texts]

    async def stream(
        self, prompt: Prompt, *, adapter: Adapter | None = None, sampling: Sampling, told: ToldUsage = unheard
    ) -> AsyncGenerator[str, None]:
        self._check(adapter)
        self.asked.append(Asked(prompt, adapter, sampling))
        reply = self.script.popleft() if self.script else next(self._lines, _echo(prompt))
        for number, piece in enumerate([*_pieces(reply.text)[: sampling.max_tokens], ""]):
            if reply.gate and number == reply.after:
                await reply.gate.wait()
            await asyncio.sleep(0)  # other turns run between two pieces, as with a model
            self._check()
            if piece:
                self.told += 1
                yield piece
        if reply.usage:
            told(reply.usage)
        if reply.error:
            raise reply.error

    async def score(self, prompt: Prompt, continuations: Sequence[str]) -> list[float]:
        """The more lines ago a name was last heard, the lower it scores."""
        self._check()
        return [-float(_lines_since(text.rstrip(":"), prompt)) for text in continuations]

    async def warm(self, prompt: Prompt, *, adapter: Adapter | None = None) -> None:
        self._check(adapter)
        self.warmed.append(prompt)

    async def close(self) -> None:
        self._running = False

    def _check(self, adapter: Adapter | None = None) -> None:
        if not self._running:
            raise EngineError("the engine isn't running; start it first", code="engine_lost")
        if adapter and not Path(adapter.path).is_dir():
            raise EngineError(f"there is no adapter folder {adapter.path}; make it or fix role.toml", code="no_adapter")


def _read_script(path: Path) -> list[Reply]:
    if not path.is_file():
        return []
    return [_parse(line) for line in path.read_text("utf-8").splitlines() if line.strip()]


def _parse(line: str) -> Reply:
    if not line.startswith("!"):
        return Reply(text=line)
    code, _, text = line[1:].partition(" ")
    return Reply(error=EngineError(text or "the script says so", code=code))


def _echo(prompt: Prompt) -> Reply:
    heard = prompt.lines[-1].text if prompt.lines else prompt.premise
    return Reply(text=f" I heard: {' '.join(heard.split())}")


def _pieces(text: str) -> list[str]:
    """Cuts a text before every word; joined, the pieces are the text."""
    return re.findall(r"\s*\S+(?:\s+$)?|\s+$", text)


def _lines_since(name: str, prompt: Prompt) -> int:
    heard = (ago for ago, line in enumerate(reversed(prompt.lines)) if name.casefold() in line.text.casefold())
    return next(heard, len(prompt.lines))
