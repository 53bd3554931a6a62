"""The connections to one server: a request goes out once, and an answer comes back or a fault that says what to do.

A key travels in one header and is shown nowhere. Knows no retries and no API.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

import httpx2
import msgspec

from chatroom.engines._http.answers import is_packed, refused
from chatroom.engines._http.faults import HttpFault, shown
from chatroom.errors import EngineError

Body = Mapping[str, object]

CONNECT, WRITE = 10.0, 30.0
"""Seconds to connect, and to send."""
KEPT_OPEN = 2.0
"""Seconds an idle connection is kept: less than any usual server does, so that none is closed under a request."""
BROKEN = (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError)
"""What a connection may raise."""


class Connection:
    """Sends to one server.

    Args:
        address: With its path, without a slash at the end.
        key: Sent as a bearer; "" sends none.
        silence: Longest silence within an answer, in seconds.
    """

    def __init__(self, address: str, key: str, silence: float) -> None:
        self._address, self._key = address, key
        headers, here = {"Accept-Encoding": "identity", "User-Agent": "chatroom"}, is_local(address)
        self._client = httpx2.AsyncClient(
            headers=headers | ({"Authorization": f"Bearer {key}"} if key else {}),
            timeout=httpx2.Timeout(silence, connect=CONNECT, write=WRITE, pool=None),
            limits=httpx2.Limits(max_connections=None, keepalive_expiry=KEPT_OPEN),
            trust_env=not here,  # no proxy of the environment stands before this machine
            verify=not (here and address.startswith("http:")),  # reading certificates for nothing takes 0.1 s
        )

    async def send(self, method: str, path: str, body: Body | None) -> httpx2.Response:
        """Gives the answer, whose body is not read yet; who asked for it closes it.

        Raises:
            HttpFault: There is none, or it is no success.
        """
        if self._client.is_closed:
            raise EngineError("the engine isn't running; start it first", code="engine_lost")
        content = None if body is None else msgspec.json.encode(body)
        headers = {} if body is None else {"Content-Type": "application/json"}
        try:
            request = self._client.build_request(method, self._address + path, content=content, headers=headers)
            response = await self._client.send(request, stream=True)
        except BROKEN as error:
            raise self.broken(error) from error
        if not response.is_success:
            raise await refused(response, self._address, self._key)
        if is_packed(response):
            await response.aclose()
            raise self.fault("answers in a packed form that it was not asked for")
        return response

    def broken(self, error: Exception) -> HttpFault:
        """The fault that an error of the connection is."""
        if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.InvalidURL):
            return self.fault("can't be reached; start it, or correct its address", code="engine_lost")
        if isinstance(error, httpx2.TimeoutException):
            return self.fault("is silent for too long; look into its log", code="timeout")
        return self.fault("broke the connection off; look into its log", code="engine_lost")

    def fault(self, problem: str, *, code: str = "engine", said: str = "") -> HttpFault:
        """A fault of this server; `problem` goes on after its name, then its own words."""
        words = shown(said, self._key)
        told = f"; it says: {words}" if words else ""
        return HttpFault(f"the server at {self._address} {problem}{told}", code=code, said=words)

    async def close(self) -> None:
        await self._client.aclose()


def is_local(address: str) -> bool:
    """Whether an address is of this machine."""
    host = urlsplit(address).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
