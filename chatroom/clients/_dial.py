"""Opens a websocket to a server and turns everything that can go wrong with one into our own errors.

`LostError` means that another try may help, `RefusedError` that it will not. It knows addresses and sockets; of the
frames it knows only the name of the protocol.
"""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect, unix_connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidMessage,
    InvalidStatus,
    InvalidURI,
    NegotiationError,
)
from websockets.typing import Subprotocol

from chatroom.errors import ChatroomError, RefusedError
from chatroom.frames import SUBPROTOCOL

LARGEST_FRAME = 32 * 1024 * 1024
"""A welcome holds up to 200 messages a room; what is larger than this is no frame of ours."""
_FINAL_CLOSES = {4001: "not_let_in", 4003: "forbidden", 4010: "version"}
_FINAL_STATUSES = {400, 401, 403, 404, 426}
_LOCAL = ("//127.", "//localhost", "//[::1]")


class LostError(ChatroomError):
    """There is no connection, and another may be tried, after `retry_ms` if the server asked for that."""

    def __init__(self, reason: str, retry_ms: int = 0) -> None:
        super().__init__(reason)
        self.retry_ms = retry_ms


class MismatchError(LostError):
    """What answers there is no server of ours, or not in this way; final unless one of ours was there before."""


@asynccontextmanager
async def dialled(address: str) -> AsyncIterator[ClientConnection]:
    """A socket that speaks our protocol; it is closed at the end."""
    _check_port(address)
    try:
        async with _connect(address) as socket:
            if socket.subprotocol != SUBPROTOCOL:
                raise MismatchError(f"the server does not speak {SUBPROTOCOL}")
            yield socket
    except ConnectionClosed as error:
        raise _closed(error) from error
    except InvalidStatus as error:
        raise _unwelcome(error) from error
    except NegotiationError as error:
        raise MismatchError(f"the server does not speak {SUBPROTOCOL}") from error
    except InvalidURI as error:
        raise RefusedError("bad_address", f"{address} is no address of a server") from error
    except ssl.SSLError as error:
        raise MismatchError(f"no secure connection: {_tls_reason(error)}") from error
    except InvalidMessage as error:
        raise _no_answer(error) from error
    except InvalidHandshake as error:
        raise MismatchError(f"no room is served there: {error}") from error
    except OSError as error:
        hint = "; does it want ws://?" if isinstance(error, TimeoutError) and address.startswith("wss://") else ""
        raise LostError(_reason(error) + hint) from error


def _check_port(address: str) -> None:
    try:
        _ = "://" in address and urlsplit(address).port  # reading it checks it
    except ValueError as error:
        raise RefusedError("bad_address", f"{address} is no address of a server: {error}") from error


def _connect(address: str) -> connect:
    protocols = [Subprotocol(SUBPROTOCOL)]
    if "://" not in address:
        return unix_connect(
            address,
            uri="ws://localhost/",
            subprotocols=protocols,
            compression=None,
            max_size=LARGEST_FRAME,
            close_timeout=1,
        )
    return connect(
        address,
        subprotocols=protocols,
        compression=None,
        max_size=LARGEST_FRAME,
        close_timeout=1,
        proxy=None if any(host in address for host in _LOCAL) else True,
    )


def _closed(error: ConnectionClosed) -> ChatroomError:
    close = error.rcvd
    if close is not None and close.code in _FINAL_CLOSES:
        return RefusedError(_FINAL_CLOSES[close.code], close.reason or "the server does not let us in")
    return LostError((close.reason if close else "") or "the connection was lost")


def _unwelcome(error: InvalidStatus) -> ChatroomError:
    status, body = error.response.status_code, error.response.body or b""
    text = bytes(body[:300]).decode(errors="replace").strip()
    text = "no reason given" if not text or text.startswith("<") else text  # a page in HTML is for browsers
    if status < 400 or status in {405, 501}:
        return MismatchError(f"no room is served there: another kind of server answers ({status})")
    if status in _FINAL_STATUSES:
        return RefusedError("not_let_in", f"the server does not let us in ({status}): {text}")
    return LostError(f"the server is not ready ({status}): {text}")


def _no_answer(error: InvalidMessage) -> LostError:
    if isinstance(error.__cause__, EOFError):
        return LostError("the connection was closed before the server answered; does it want wss:// or ws://?")
    return MismatchError("what answers there is no web server; does it want wss:// or ws://?")


def _tls_reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    return f"the server does not answer in TLS; try ws:// ({error.reason or 'cut off'})"


def _reason(error: OSError) -> str:
    match error:
        case ConnectionRefusedError() | FileNotFoundError():
            return "no server answers there"
        case TimeoutError():
            return "the server does not answer"
        case _:
            return error.strerror or str(error) or "the connection failed"
