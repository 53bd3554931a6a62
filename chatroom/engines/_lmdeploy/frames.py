"""An event of LMDeploy's stream → what it says: ids, why it ended, what the turn took. Pure; knows no connection."""

import msgspec

TOO_LONG = "context length"
"""Part of what LMDeploy says when a prompt does not fit."""


class TurnRefusedError(Exception):
    """An event says that the turn failed; the text is the server's."""


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What a turn took, in token ids.

    Args:
        prompt: Of the prompt.
        cached: Of it, those that an earlier turn had left in the cache; None where the server does not say.
        reply: Computed for the reply.
    """

    prompt: int
    cached: int | None
    reply: int


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of an answer.

    Args:
        ids: Token ids that came.
        finish: Why the server ended: "stop", "length", "abort"; "" while it goes on.
        usage: Comes last.
    """

    ids: list[int] = []
    finish: str = ""
    usage: Usage | None = None


class _Choice(msgspec.Struct, frozen=True):
    finish_reason: str | None = None
    output_ids: list[int] | None = None


class _Details(msgspec.Struct, frozen=True):
    cached_tokens: int | None = None


class _Usage(msgspec.Struct, frozen=True):
    prompt_tokens: int = 0
    completion_tokens: int | None = 0
    prompt_tokens_details: _Details | None = None


class _Problem(msgspec.Struct, frozen=True):
    message: str = ""
    code: int | str | None = None


class _Chunk(msgspec.Struct, frozen=True):
    """One event of a stream: a choice, the usage at the end, or an error although the status was 200."""

    choices: list[_Choice] = []
    usage: _Usage | None = None
    error: _Problem | None = None


def read_frame(event: bytes) -> Frame:
    """Reads one event.

    Raises:
        TurnRefusedError: It says that the turn failed.
        ValueError: It is none of LMDeploy's.
    """
    try:
        chunk = msgspec.json.decode(event, type=_Chunk)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError("no event of LMDeploy") from error
    if chunk.error is not None:
        raise TurnRefusedError(chunk.error.message or str(chunk.error.code))
    choice = chunk.choices[0] if chunk.choices else _Choice()
    return Frame(ids=choice.output_ids or [], finish=choice.finish_reason or "", usage=_usage(chunk.usage))


def _usage(told: _Usage | None) -> Usage | None:
    if told is None:
        return None
    details = told.prompt_tokens_details or _Details()
    return Usage(prompt=told.prompt_tokens, cached=details.cached_tokens, reply=told.completion_tokens or 0)
