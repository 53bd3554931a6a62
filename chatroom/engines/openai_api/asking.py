"""One request after another to one server, and what it was found to understand; words come out as they arrive.

A refusal that says what the server does not take is answered by asking for less, before the first word only. Knows no
room and no tokens.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec

from chatroom.engines._http import HttpClient, HttpFault
from chatroom.engines.base import ToldUsage, unheard
from chatroom.engines.openai_api.chunks import DONE, FAILED, Chunk, decode
from chatroom.engines.openai_api.served import LLAMACPP, Model
from chatroom.engines.openai_api.thoughts import Thoughts
from chatroom.engines.openai_api.wording import DROPPABLE, NO_SUCH_PATH, Wording, is_too_long
from chatroom.errors import EngineError
from chatroom.messages import Prompt, Sampling

MOST_TRIES = len(DROPPABLE) + 3
"""As often as there is something to learn: each field, the endpoint, the name of the limit; and once more."""


CHANGED = ("engine_lost", "bad_base", "too_long")
"""Faults after which the server is asked anew what it has: it may be another one, or have another model."""


class Asking:
    """Asks one model of a server.

    Args:
        client: Of the server; who opened it closes it.
        model: One of its list.
    """

    def __init__(self, client: HttpClient, model: Model) -> None:
        self.lost = False
        """Whether the server may be another one by now."""
        self._client, self._model = client, model.id
        self._wording = Wording(progress=model.owned_by == LLAMACPP)

    async def pieces(
        self, prompt: Prompt, sampling: Sampling, most: int, told: ToldUsage = unheard
    ) -> AsyncGenerator[str, None]:
        """Words of the reply as they come, none of them empty.

        Args:
            most: Tokens that the context leaves for a reply.
            told: Hears what the prompt cost, if the server says it before the reply is left.
        """
        for left in reversed(range(MOST_TRIES)):
            body = self._wording.body(self._model, prompt, sampling, most)
            try:
                async with aclosing(self._words(self._wording.path(prompt), body, told)) as words:
                    async for piece in words:
                        yield piece
                return
            except HttpFault as fault:
                if not self._wording.learn(fault, body) or not left:
                    explained = _explained(fault, body)
                    self.lost = self.lost or explained.code in CHANGED
                    raise explained from None

    async def _words(self, path: str, body: dict[str, object], told: ToldUsage) -> AsyncGenerator[str, None]:
        """Words of one answer; thoughts are left out."""
        usage, thoughts = None, Thoughts()
        async with aclosing(self._chunks(path, body)) as chunks:
            async for chunk in chunks:
                if usage is None and (usage := chunk.cost()):
                    told(usage)
                if words := thoughts.feed(chunk.words(), aside=chunk.thinks):
                    yield words
        if words := thoughts.rest():
            yield words
        if thoughts.unsaid:
            raise EngineError(
                "the model only thought and said nothing: switch thinking off on the server, or raise [sampling] "
                "max_tokens",
                code="empty",
            )

    async def _chunks(self, path: str, body: dict[str, object]) -> AsyncGenerator[Chunk, None]:
        over = False
        async with aclosing(self._client.events(path, body)) as events:
            async for data in events:
                if data.strip() == DONE:
                    return
                chunk = self._read(data)
                yield chunk
                over = over or bool(chunk.reason())
        if not over:
            raise self._client.fault("broke the answer off; look into its log", code="engine_lost")

    def _read(self, data: bytes) -> Chunk:
        """An event that is no fault."""
        try:
            chunk = decode(data)
        except (msgspec.DecodeError, RecursionError):
            raise self._client.fault("sends what is no answer; look at its address") from None
        problem = chunk.problem()
        if problem is None and chunk.reason() in FAILED:
            problem = "it gave up"
        if problem is not None:
            raise self._client.fault("failed while it answered", said=problem)
        return chunk


def _explained(fault: HttpFault, body: dict[str, object]) -> EngineError:
    """The same fault in the words of this engine, where they say more."""
    if fault.status in (400, 413, 422) and is_too_long(fault):
        return EngineError(f"{fault}; set a smaller `context` in chatroom.toml", code="too_long")
    if fault.status in NO_SUCH_PATH and "messages" in body and "model" not in fault.said.lower():
        return EngineError(f"{fault}; if it knows no chats, set [model] layout = 'room'", code="layout")
    return fault
