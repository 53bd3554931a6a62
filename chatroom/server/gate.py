"""Who is let in, decided from the HTTP request before it becomes a websocket, and the token.

A web page anywhere can make its reader's browser connect to 127.0.0.1, and by DNS rebinding even under a name of its
own: so Origin and Host are checked, always. Programs send no Origin. Knows requests; knows no rooms or persons.
"""

import hmac
from collections.abc import Sequence
from http import HTTPStatus
from ipaddress import ip_address
from urllib.parse import urlsplit

from websockets.datastructures import MultipleValuesError
from websockets.http11 import Request, Response

from chatroom.errors import SettingsError
from chatroom.frames import SUBPROTOCOL
from chatroom.server.bounds import Bounds
from chatroom.server.peer import Peer, Peers


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine can reach a server that listens there."""
    return host.lower() == "localhost" or (_is_address(host) and ip_address(host).is_loopback)


def require_token(host: str, token: str) -> None:
    """Raises SettingsError if a server there would let in everybody."""
    if not token and not is_loopback(host):
        raise SettingsError(f"others can reach host {host!r}: set a token, or listen on 127.0.0.1")


class Gate:
    """The checks of one server.

    Args:
        peers: All sockets there are.
        host: Where it listens; a request may name that host, `localhost` or any IP address.
        origins: Origins whose pages are let in beside the server's own, as `https://table.example`.
        token: What a client must know; empty lets everybody in.
    """

    def __init__(self, peers: Peers, bounds: Bounds, host: str, origins: Sequence[str], token: str) -> None:
        self._peers, self._bounds = peers, bounds
        self._origins = frozenset(origin.rstrip("/").lower() for origin in origins)
        self._names = frozenset({"localhost", host.lower(), *(urlsplit(origin).hostname or "" for origin in origins)})
        self._token = token.encode()

    def knows(self, token: str) -> bool:
        """Compares in constant time, so that the answer does not tell how much of a guess was right."""
        return hmac.compare_digest(token.encode("utf-8", "replace"), self._token) or not self._token

    def inspect(self, peer: Peer, request: Request) -> Response | None:
        """Gives the refusal, or None: the request may go on. On the Unix socket the file's mode has decided who."""
        try:
            return self._full(peer) or self._foreign(peer, request) or self._version(peer, request)
        except MultipleValuesError as error:
            return peer.respond(HTTPStatus.BAD_REQUEST, f"more than one {error.args[0]} header\n")

    def _full(self, peer: Peer) -> Response | None:
        if len(self._peers) > self._bounds.connections:
            return peer.respond(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections\n")
        if peer.host and self._peers.per_host[peer.host] > self._bounds.connections_per_host:
            return peer.respond(HTTPStatus.TOO_MANY_REQUESTS, "too many connections from your address\n")
        return None

    def _foreign(self, peer: Peer, request: Request) -> Response | None:
        if peer.trusted:
            return None
        host, origin = request.headers.get("Host", ""), request.headers.get("Origin")
        if not self._is_ours(host):
            return peer.respond(HTTPStatus.FORBIDDEN, "this host name is not served here\n")
        if origin is not None and not self._is_welcome(origin.lower(), host.lower()):
            return peer.respond(HTTPStatus.FORBIDDEN, "pages of this origin are not let in\n")
        return self._stranger(peer, request.headers.get("Authorization"))

    def _stranger(self, peer: Peer, authorization: str | None) -> Response | None:
        """A token in the header is checked here; without that header the hello must bring it."""
        if authorization is not None:
            scheme, _, token = authorization.partition(" ")
            peer.trusted = scheme.lower() == "bearer" and self.knows(token.strip())
            if not peer.trusted:
                return peer.respond(HTTPStatus.UNAUTHORIZED, "wrong token\n")
        return None

    def _version(self, peer: Peer, request: Request) -> Response | None:
        offered = ",".join(request.headers.get_all("Sec-WebSocket-Protocol")).split(",")
        is_upgrade = "Upgrade" in request.headers
        if is_upgrade and SUBPROTOCOL not in (one.strip() for one in offered):
            return peer.respond(HTTPStatus.BAD_REQUEST, f"supported subprotocols: {SUBPROTOCOL}\n")
        return None

    def _is_ours(self, host: str) -> bool:
        """An IP address is fine: rebinding needs a name. The port may be another one where a tunnel leads here.

        Where a token is asked for, any name is: a page that tricks a browser into coming here doesn't have the token.
        """
        name = _hostname(host)
        return bool(self._token) or name in self._names or _is_address(name)

    def _is_welcome(self, origin: str, host: str) -> bool:
        return origin in self._origins or origin in (f"http://{host}", f"https://{host}")


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
