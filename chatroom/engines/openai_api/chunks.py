"""One event of an answer → the words in it, or the fault that it tells of. Knows no connection."""

import msgspec

from chatroom.engines._http.faults import Problem


class Delta(msgspec.Struct, frozen=True):
    content: str | None = None


class Choice(msgspec.Struct, frozen=True):
    """`text` in completions, `delta` in a chat, `message` where the server does not stream."""

    text: str | None = None
    delta: Delta | None = None
    message: Delta | None = None
    finish_reason: str | None = None

    def words(self) -> str:
        part = self.delta or self.message
        return self.text or (part.content if part else None) or ""


class Chunk(msgspec.Struct, frozen=True):
    """An event; `error` stands alone, also under HTTP 200, and some servers put its fields at the top."""

    choices: list[Choice] | None = None
    error: Problem | str | None = None
    object: str | None = None
    message: str | None = None

    def words(self) -> str:
        """The words in it; only one choice was asked for."""
        return self.choices[0].words() if self.choices else ""

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
