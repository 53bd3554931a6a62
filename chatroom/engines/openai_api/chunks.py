"""One event of an answer → its words, what the prompt cost, or the fault that it tells of. Knows no connection."""

import msgspec

from chatroom.engines._http.faults import Problem
from chatroom.engines.openai_api.usage import Costs


class Part(msgspec.Struct, frozen=True):
    """A part of a content that is told in parts: text, or a thought, which is none."""

    type: str = ""
    text: str | None = None


class Delta(msgspec.Struct, frozen=True):
    content: str | list[Part] | None = None
    reasoning_content: object = None
    reasoning: object = None

    def words(self) -> str:
        if isinstance(self.content, list):
            return "".join(part.text or "" for part in self.content if part.type == "text")
        return self.content or ""

    @property
    def thinks(self) -> bool:
        """Whether it holds a thought, which is not said."""
        aside = isinstance(self.content, list) and any(part.type != "text" for part in self.content)
        return bool(self.reasoning_content or self.reasoning) or aside


class Choice(msgspec.Struct, frozen=True):
    """`text` in completions, `delta` in a chat, `message` where the server does not stream."""

    text: str | None = None
    delta: Delta | None = None
    message: Delta | None = None
    finish_reason: str | None = None

    def words(self) -> str:
        return self.text or (self.delta or self.message or Delta()).words()

    @property
    def thinks(self) -> bool:
        return (self.delta or self.message or Delta()).thinks


class Chunk(Costs, frozen=True):
    """An event; `error` stands alone, also under HTTP 200, and some servers put its fields at the top."""

    choices: list[Choice] | None = None
    error: Problem | str | None = None
    object: str | None = None
    message: str | None = None

    def words(self) -> str:
        """The words in it; only one choice was asked for."""
        return self.choices[0].words() if self.choices else ""

    @property
    def thinks(self) -> bool:
        """Whether it holds a thought that the server tells apart."""
        return self.choices[0].thinks if self.choices else False

    def reason(self) -> str:
        """Why the reply ends here, if it does: `stop`, `length`, `abort`, ..."""
        return (self.choices[0].finish_reason if self.choices else None) or ""

    def problem(self) -> str | None:
        """What failed, in the server's words; None where nothing did."""
        if isinstance(self.error, Problem):
            return self.error.message or str(self.error.code or self.error.type or "")
        if self.error is not None:
            return self.error
        return (self.message or "") if self.object == "error" else None


decode = msgspec.json.Decoder(Chunk).decode
"""Raises msgspec.DecodeError for what is none."""

DONE = b"[DONE]"
FAILED = ("abort", "error")
"""Reasons that mean that the server gave up."""
