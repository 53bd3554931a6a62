"""The contract of an engine: something that continues a prompt.

A plug-in is a module with a class `Engine` that fulfils the protocol below. It knows prompts, adapters and sampling;
it knows no room, no role and no log. One engine object serves one base (a folder or hub id); several turns may stream
from it at the same time. It never blocks the event loop.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import ClassVar, Literal, Protocol

import msgspec

from chatroom.chat_template import ChatTemplate
from chatroom.messages import Adapter, Prompt, Sampling, Usage

ToldUsage = Callable[[Usage], None]
"""Is told, at most once a turn and before its stream ends, what the prompt cost."""


class EngineOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How an engine is set up.

    Args:
        base: Folder with the base's config, tokenizer and safetensors, or a hub id.
        context: Most positions a prompt and its reply may take; the base's own limit if that is smaller.
        memory: Most bytes that lanes (kept transcripts) may take; the least recently used go first.
        threads: CPU threads for one step; 0 leaves it to the library.
        dtype: "auto", "float32", "bfloat16" or "float16".
        device: "auto", "cpu" or "cuda".
        address: Of a server that runs already, with its path, as `http://127.0.0.1:11434/v1`; "" where there is none.
        served: The model's name on that server; "" takes the only one there.
        key: Name of the environment variable with the server's key, never the key itself; "" where it wants none.
        command: What starts LMDeploy, with its first arguments.
        flags: More flags for LMDeploy, after our own.
        cache_bytes: Bytes for the engine's KV cache; 0 leaves it to the engine.
        quantization: How small the weights are, on engines that can.
        logs: Folder for the log of a server that the engine starts; "" keeps only its last lines.
        adapters: All that will be asked for, as far as that is known, where an engine loads them at its start only.
    """

    base: str
    context: int = 8192
    memory: int = 1 << 30
    threads: int = 0
    dtype: str = "auto"
    device: str = "auto"
    address: str = ""
    served: str = ""
    key: str = ""
    command: tuple[str, ...] = ("lmdeploy",)
    flags: tuple[str, ...] = ()
    cache_bytes: int = 0
    quantization: Literal["none", "int4"] = "none"
    logs: str = ""
    adapters: tuple[Adapter, ...] = ()


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a started engine says of its base.

    Args:
        context: Positions for prompt and reply together.
        overhead: Positions that the chat template adds to a room-layout prompt.
        turn_overhead: Most positions that one change of turn adds in the chat layout.
        has_template: Whether the base brings a chat template with it.
    """

    context: int
    overhead: int = 0
    turn_overhead: int = 0
    has_template: bool = False

    @classmethod
    def of(cls, template: ChatTemplate, context: int) -> "Facts":
        """Of a base whose prompts a template renders."""
        return cls(
            context=context,
            overhead=template.overhead,
            turn_overhead=template.turn_overhead,
            has_template=template.has_template,
        )


def is_up(engine: "Engine") -> bool:
    """Whether an engine that was started still has what it started, so that `start` would return at once."""
    return bool(getattr(engine, "up", True))


def unheard(usage: Usage) -> None:
    """For those who do not want to know what a turn took."""


class Engine(Protocol):
    """Every method may raise `EngineError`, and nothing else but cancellation.

    An engine that may lose what it started, a process or a server, has a property `up`.
    """

    supports_adapters: ClassVar[bool]
    can_score: ClassVar[bool]

    def __init__(self, options: EngineOptions) -> None: ...

    async def start(self) -> Facts:
        """Loads the base; further calls, also concurrent ones, give the same facts. After a crash it starts anew."""
        ...

    async def count(self, texts: Sequence[str]) -> list[int]:
        """Counts the token ids of each text as a line of a prompt, its end included."""
        ...

    def stream(
        self, prompt: Prompt, *, adapter: Adapter | None = None, sampling: Sampling, told: ToldUsage = unheard
    ) -> AsyncGenerator[str, None]:
        """Yields pieces of the reply as they come; joined, they are all of it. Closing the generator ends the turn.

        At most one more piece is computed after a close. `told` is not called where the engine does not learn what the
        prompt cost, as when a turn is closed before it was said: unknown is never told as 0.
        """
        ...

    async def score(self, prompt: Prompt, continuations: Sequence[str]) -> list[float]:
        """Log-probability of each text as the next words after the prompt's shared part, in base weights."""
        ...

    async def warm(self, prompt: Prompt, *, adapter: Adapter | None = None) -> None:
        """Encodes the shared part ahead of a turn; gives way to turns that stream."""
        ...

    async def close(self) -> None:
        """Ends the engine and frees its memory; twice is fine."""
        ...
