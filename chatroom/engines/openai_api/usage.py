"""What a server says that a prompt cost it, each in its own words → Usage, or None where it keeps that to itself.

OpenAI, vLLM, SGLang and LMDeploy say it in the details of `usage`, DeepSeek and Moonshot at its top, llama.cpp in
`timings`, or ahead of the first word in `prompt_progress`. Ollama says nothing. A form that is not understood is no
reason for a turn to fail. Pure; knows no connection.
"""

from collections.abc import Iterator
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from chatroom.messages import Usage

ASKED = {"include_usage": True}
"""The stream option that makes a server say it, with its last event."""

Count = Annotated[int, Meta(ge=0, le=1 << 40)]
"""More than any prompt has; the log takes no number without an end."""

T = TypeVar("T")


class _Details(msgspec.Struct, frozen=True):
    cached_tokens: Count | None = None


class _Counts(msgspec.Struct, frozen=True):
    prompt_tokens: Count | None = None
    prompt_tokens_details: _Details | None = None
    prompt_cache_hit_tokens: Count | None = None
    cached_tokens: Count | None = None


class _Timings(msgspec.Struct, frozen=True):
    """`prompt_n` are those that were computed."""

    cache_n: Count | None = None
    prompt_n: Count | None = None


class _Progress(msgspec.Struct, frozen=True):
    total: Count | None = None
    cache: Count | None = None


class Costs(msgspec.Struct, frozen=True):
    """The fields of an event that tell of it; whatever a server puts there, the event can be read."""

    usage: object = None
    timings: object = None
    prompt_progress: object = None

    def cost(self) -> Usage | None:
        """What the prompt cost; None where the event does not say both numbers."""
        for prompt, cached in self._told():
            if prompt is not None and cached is not None and cached <= prompt:
                return Usage(prompt=prompt, cached=cached)
        return None

    def _told(self) -> Iterator[tuple[int | None, int | None]]:
        counts = _as(_Counts, self.usage)
        details = counts.prompt_tokens_details or _Details()
        for cached in (details.cached_tokens, counts.prompt_cache_hit_tokens, counts.cached_tokens):
            yield counts.prompt_tokens, cached
        progress, timings = _as(_Progress, self.prompt_progress), _as(_Timings, self.timings)
        yield progress.total, progress.cache
        if timings.cache_n is not None and timings.prompt_n is not None:
            yield timings.cache_n + timings.prompt_n, timings.cache_n


def _as(kind: type[T], told: object) -> T:
    """What was told in this form; all of it unknown where the form is another one."""
    try:
        return msgspec.convert(told or {}, kind)
    except msgspec.ValidationError:
        return kind()
