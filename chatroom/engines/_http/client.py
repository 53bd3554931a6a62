"""One server, asked over HTTP: JSON posts, and posts that are answered by a stream of events.

Nothing is sent twice that the server may have taken: only a refused connection, 429 and 503 are tried again, before
anything was told. Closing a stream closes its connection at once. Knows no API.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TypeVar

import httpx2
import msgspec

from chatroom.engines._http.answers import LARGEST_ANSWER, is_kind, read
from chatroom.engines._http.connection import BROKEN, Body, Connection
from chatroom.engines._http.faults import HttpFault
from chatroom.engines._http.sse import EventDecoder, TooLongError

T = TypeVar("T")

PAUSES = (0.2, 0.8)
"""Seconds before the second and the third try, where trying again is safe."""
LONGEST_WAIT = 10.0
"""Seconds that a server may ask us to wait before a try; if it wants more, the turn fails."""
SILENCE = 300.0
"""Seconds of silence in an answer; a room's own limits are usually shorter."""
LONGEST_ANSWER = 600.0
"""Seconds until an answer that is read as a whole must be there, however it trickles."""

_AGAIN = {429, 503}


class HttpClient:
    """Asks one server.

    Args:
        address: With its path, without a slash at the end.
        key: Sent as a bearer; "" sends none.
        pauses: Seconds before each further try.
        silence: Longest silence within an answer, in seconds.
        longest: Longest time for an answer that is read as a whole, in seconds.
    """

    def __init__(
        self,
        address: str,
        *,
        key: str = "",
        pauses: Sequence[float] = PAUSES,
        silence: float = SILENCE,
        longest: float = LONGEST_ANSWER,
    ) -> None:
        self._connection, self._pauses, self._longest = Connection(address, key, silence), tuple(pauses), longest

    async def get_json(self, path: str, kind: type[T]) -> T:
        """Gets what lies at a path.

        Raises:
            HttpFault: The server refuses, fails, or answers with something else.
        """
        return await self._json("GET", path, None, kind)

    async def post_json(self, path: str, body: Body, kind: type[T]) -> T:
        """Posts and gives the whole answer.

        Raises:
            HttpFault: The server refuses, fails, or answers with something else.
        """
        return await self._json("POST", path, body, kind)

    async def events(self, path: str, body: Body) -> AsyncGenerator[bytes, None]:
        """Posts and gives the data of each event of the answer. A server that answers with JSON gives one event.

        Raises:
            HttpFault: The server refuses, fails, breaks off, or answers with something else.
        """
        response = await self._send("POST", path, body)
        try:
            if not is_kind(response, "text/event-stream"):
                yield await self._whole(response)
                return
            decoder = EventDecoder()
            async with aclosing(response.aiter_raw()) as chunks:
                async for chunk in chunks:
                    for data in decoder.feed(chunk):
                        yield data
        except TooLongError as error:
            raise self.fault(f"sends what is no answer: {error}") from None
        except BROKEN as error:
            raise self._connection.broken(error) from None
        finally:
            await response.aclose()

    async def close(self) -> None:
        """Closes every connection; running streams break off."""
        await self._connection.close()

    def fault(self, problem: str, *, code: str = "engine", said: str = "") -> HttpFault:
        """A fault of this server, found by who reads its answers.

        Args:
            problem: Goes on after the server's name.
            said: The server's own words; they are shown shortened and without the key.
        """
        return self._connection.fault(problem, code=code, said=said)

    async def _json(self, method: str, path: str, body: Body | None, kind: type[T]) -> T:
        try:
            async with asyncio.timeout(self._longest):
                response = await self._send(method, path, body)
                try:
                    return msgspec.json.decode(await self._whole(response), type=kind)
                finally:
                    await response.aclose()
        except (msgspec.DecodeError, RecursionError):
            raise self.fault("answers with something else than expected; look at its address") from None
        except TimeoutError:
            raise self.fault("takes too long to answer; look into its log", code="timeout") from None
        except BROKEN as error:
            raise self._connection.broken(error) from None

    async def _whole(self, response: httpx2.Response) -> bytes:
        if not is_kind(response, "json"):
            raise self.fault("answers with something that is no JSON; look at its address (most end with /v1)")
        raw = await read(response, LARGEST_ANSWER + 1)
        if len(raw) > LARGEST_ANSWER:
            raise self.fault("sends what is no answer: it is too long")
        return raw

    async def _send(self, method: str, path: str, body: Body | None) -> httpx2.Response:
        """Sends until it is answered with success, or trying again is not safe."""
        for pause in self._pauses:
            try:
                return await self._connection.send(method, path, body)
            except HttpFault as fault:
                unheard = fault.status in _AGAIN or isinstance(fault.__cause__, httpx2.ConnectError)
                wait = pause if fault.wait is None else fault.wait
                if not unheard or wait > LONGEST_WAIT:
                    raise
            await asyncio.sleep(wait)
        return await self._connection.send(method, path, body)
