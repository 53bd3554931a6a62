"""What engine and worker say to each other: one struct per message, length-prefixed msgpack over two pipes.

Every request carries an id; every answer carries the id of its request. `Done` or `Failed` ends a request. Knows no
process and no model.
"""

import struct

import msgspec

from chatroom.engines.base import EngineOptions, Facts
from chatroom.messages import Adapter, Prompt, Sampling, Usage

HEADER = struct.Struct(">I")
"""Each message is preceded by its length in bytes."""


class PipeMessage(msgspec.Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """Base of all messages here; `id` names the request."""

    id: int


class Load(PipeMessage, frozen=True, kw_only=True):
    """The first request: load the base. Answered with `Ready`."""

    options: EngineOptions


class Count(PipeMessage, frozen=True, kw_only=True):
    texts: tuple[str, ...]


class Stream(PipeMessage, frozen=True, kw_only=True):
    """Answered with any number of `Piece`, then `Done`."""

    prompt: Prompt
    sampling: Sampling
    adapter: Adapter | None = None


class Score(PipeMessage, frozen=True, kw_only=True):
    prompt: Prompt
    continuations: tuple[str, ...]


class Warm(PipeMessage, frozen=True, kw_only=True):
    """Answered with `Done` once the shared part is encoded, or once a turn has made that pointless."""

    prompt: Prompt
    adapter: Adapter | None = None


class Cancel(PipeMessage, frozen=True, kw_only=True):
    """Ends the request of that id, which is not answered any more."""


class Ready(PipeMessage, frozen=True, kw_only=True):
    facts: Facts


class Counted(PipeMessage, frozen=True, kw_only=True):
    counts: list[int]


class Piece(PipeMessage, frozen=True, kw_only=True):
    """Words of a reply, or, before them, what the lane held of the prompt."""

    text: str = ""
    usage: Usage | None = None


class Scored(PipeMessage, frozen=True, kw_only=True):
    values: list[float]


class Done(PipeMessage, frozen=True, kw_only=True):
    pass


class Failed(PipeMessage, frozen=True, kw_only=True):
    """An `EngineError` of the worker."""

    code: str
    text: str


Request = Load | Count | Stream | Score | Warm | Cancel
Answer = Ready | Counted | Piece | Scored | Done | Failed

_encoder = msgspec.msgpack.Encoder()
requests = msgspec.msgpack.Decoder(Request)
answers = msgspec.msgpack.Decoder(Answer)


def pack(message: Request | Answer) -> bytes:
    """Encodes a message with its length in front."""
    body = _encoder.encode(message)
    return HEADER.pack(len(body)) + body
