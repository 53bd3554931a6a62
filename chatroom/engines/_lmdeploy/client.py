"""LMDeploy's HTTP protocol, version 0.18: is it ready, what does it serve, continue these ids, stop that.

A turn goes to /v1/chat/completions with `input_ids` and no messages: there, unlike on /generate, a seed is taken, and
the usage says how much of the prompt was still in the cache. No template of LMDeploy's is ever applied. Every fault is
an `EngineError`. Knows no process, no tokenizer and no prompt.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress

import msgspec

from chatroom.engines._http import HttpClient, HttpFault
from chatroom.engines._http.faults import shown
from chatroom.engines._lmdeploy.frames import TOO_LONG, Frame, TurnRefusedError, read_frame
from chatroom.errors import EngineError
from chatroom.messages import Sampling

HOTTEST = 2.0
"""Highest temperature that LMDeploy takes."""
UNKNOWN_SESSION = 400
"""Status of the answer to an abort of a turn that has ended."""


class Health(msgspec.Struct, frozen=True):
    status: str = ""


class _Model(msgspec.Struct, frozen=True):
    id: str


class _Models(msgspec.Struct, frozen=True):
    data: list[_Model]


class _Encoded(msgspec.Struct, frozen=True):
    input_ids: list[int]


class LmdeployClient:
    """Asks one server of LMDeploy.

    Args:
        address: Without the /v1 that other clients want.
        key: What it must be shown; "" if nothing.
        silence: Longest silence within an answer, in seconds.
    """

    def __init__(self, address: str, *, key: str = "", silence: float = 60.0) -> None:
        root = address.rstrip("/").removesuffix("/v1")
        self._http = HttpClient(root, key=key, silence=silence)
        self._asking = HttpClient(root, key=key, silence=min(silence, 15.0), pauses=())

    async def health(self) -> str:
        """As `healthy` or `sleeping`; "" from one that hangs (503) or still loads (it does not answer at all)."""
        with suppress(EngineError):
            return (await self._asking.get_json("/health", Health)).status
        return ""

    async def models(self) -> list[str]:
        """Names of what it serves."""
        return [model.id for model in (await self._http.get_json("/v1/models", _Models)).data]

    async def encode(self, text: str) -> list[int]:
        """Ids of a text by the server's own tokenizer, to compare with ours."""
        body = {"input": text, "do_preprocess": False, "add_bos": False}
        return (await self._http.post_json("/v1/encode", body, _Encoded)).input_ids

    async def generate(
        self, model: str, ids: Sequence[int], sampling: Sampling, *, session: int, stops: Sequence[str] = ()
    ) -> AsyncGenerator[Frame, None]:
        """Continues ids. Closing the generator closes the connection, and with it the turn.

        Args:
            stops: Control tokens that end a reply; LMDeploy takes only strings that are one token.

        Raises:
            EngineError: The server refuses, fails, breaks off, or answers with something else.
        """
        body = _body(model, ids, sampling, session, stops)
        done = False
        try:
            async with aclosing(self._http.events("/v1/chat/completions", body)) as events:
                async for event in events:
                    done = done or event == b"[DONE]"
                    if not done:
                        yield self._read(event)
        except HttpFault as fault:
            raise _told(fault) from None
        if not done:
            raise self._http.fault("broke the answer off; look into its log", code="engine_lost")

    async def abort(self, session: int) -> bool:
        """Ends a turn from outside; False where it goes on, as on a server that was started without that."""
        return await self._abort({"session_id": session})

    async def abort_all(self) -> bool:
        """Ends every turn."""
        return await self._abort({"abort_all": True})

    async def close(self) -> None:
        await self._http.close()
        await self._asking.close()

    async def _abort(self, body: dict[str, object]) -> bool:
        try:
            # the answer to an abort is empty: what is no JSON is no fault here
            await self._asking.post_json("/abort_request", body, msgspec.Raw)
        except HttpFault as fault:
            over = fault.status == UNKNOWN_SESSION  # its last words may still be on their way
            return over or (fault.status == 0 and fault.code == "engine")
        except EngineError:
            return False
        return True

    def _read(self, event: bytes) -> Frame:
        try:
            return read_frame(event)
        except TurnRefusedError as error:  # the HTTP status was 200 already
            code = "too_long" if TOO_LONG in str(error) else "engine"
            raise self._http.fault(f"gave the turn up: {shown(str(error))}", code=code) from None
        except ValueError:
            raise self._http.fault("answers with something else than expected; it must be LMDeploy") from None


def _body(model: str, ids: Sequence[int], sampling: Sampling, session: int, stops: Sequence[str]) -> dict[str, object]:
    greedy = sampling.temperature <= 0
    return {
        "model": model,
        "messages": [],
        "input_ids": list(ids),
        "session_id": session,
        "stream": True,
        "stream_options": {"include_usage": True},
        "return_token_ids": True,
        "max_completion_tokens": sampling.max_tokens,
        "temperature": 1.0 if greedy else min(sampling.temperature, HOTTEST),
        "top_k": 1 if greedy else sampling.top_k,
        "top_p": 1.0 if greedy else min(max(sampling.top_p, 0.01), 1.0),
        "repetition_penalty": sampling.repetition_penalty,
        "seed": sampling.seed % (1 << 63),
        **({"stop": list(stops)} if stops else {}),
    }


def _told(fault: HttpFault) -> EngineError:
    """The fault as a turn tells it: a prompt that does not fit has a code of its own."""
    if fault.status == 400 and TOO_LONG in fault.said:
        return EngineError(f"the prompt does not fit: {fault.said}", code="too_long")
    return fault
