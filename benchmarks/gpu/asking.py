"""One reply of a server of LMDeploy and its times: ids go there, ids come back. Knows no process and no tokenizer.

The end of a text can be ignored, so that every timed reply has the same length.
"""

import asyncio
import secrets
import time
from collections.abc import Sequence
from contextlib import aclosing

import msgspec

from chatroom.engines._http import HttpClient
from chatroom.engines._lmdeploy.frames import read_frame

FIRST_SESSION = 1 << 32


class Spoken(msgspec.Struct, frozen=True, kw_only=True):
    """A reply.

    Args:
        ids: That came; the one that ended it is not told.
        finish: Why it ended: "stop", "length".
        first: Seconds to its first id.
        seconds: To its end.
        prompt: Ids of the prompt, as the server counted.
        cached: Of them, those that it still had.
        reply: Ids that the server says it computed.
    """

    ids: tuple[int, ...]
    finish: str
    first: float
    seconds: float
    prompt: int = 0
    cached: int = 0
    reply: int = 0


class Asker:
    """Asks one model of a server.

    Args:
        http: Of the server, without /v1.
        model: The served name: of the base or of an adapter.
    """

    def __init__(self, http: HttpClient, model: str) -> None:
        self._http, self._model = http, model

    async def greedy(self, ids: Sequence[int], most: int) -> Spoken:
        """The likeliest ids, up to the end of the text."""
        return await self._ask(ids, most, ignore_eos=False)

    async def whole(self, ids: Sequence[int], most: int) -> Spoken:
        """The likeliest ids, exactly so many."""
        return await self._ask(ids, most, ignore_eos=True)

    async def together(self, prompts: Sequence[Sequence[int]], most: int) -> list[Spoken]:
        """Replies of one length to all of them at a time."""
        return list(await asyncio.gather(*(self.whole(ids, most) for ids in prompts)))

    async def _ask(self, ids: Sequence[int], most: int, *, ignore_eos: bool) -> Spoken:
        body = _body(self._model, ids, most, ignore_eos)
        told, finish, usage, first, began = list[int](), "", None, 0.0, time.perf_counter()
        async with aclosing(self._http.events("/v1/chat/completions", body)) as events:
            async for event in events:
                if event.strip() == b"[DONE]":
                    break
                frame = read_frame(event)
                told += frame.ids
                first = first or (time.perf_counter() - began if frame.ids else 0.0)
                finish, usage = frame.finish or finish, frame.usage or usage
        seconds = time.perf_counter() - began
        counts = {"prompt": usage.prompt, "cached": usage.cached or 0, "reply": usage.reply} if usage else {}
        return Spoken(ids=tuple(told), finish=finish, first=first or seconds, seconds=seconds, **counts)


def _body(model: str, ids: Sequence[int], most: int, ignore_eos: bool) -> dict[str, object]:
    """Greedy is `top_k = 1`: LMDeploy always draws."""
    return {
        "model": model,
        "messages": [],
        "input_ids": list(ids),
        "session_id": FIRST_SESSION + secrets.randbits(50),
        "stream": True,
        "stream_options": {"include_usage": True},
        "return_token_ids": True,
        "max_completion_tokens": most,
        "ignore_eos": ignore_eos,
        "temperature": 1.0,
        "top_k": 1,
        "top_p": 1.0,
        "repetition_penalty": 1.0,
    }
