"""Opens a websocket to a server and turns everything that can go wrong with one into our own errors.

`LostError` means that another try may help, `RefusedError` that it will not. It knows addresses and sockets; of the
frames it knows only the name of the protocol.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from websockets.asyncio.client import ClientConnection, connect, unix_connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI, NegotiationError
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


@asynccontextmanager
async def dialled(address: str) -> AsyncIterator[ClientConnection]:
    """A socket that speaks our protocol; it is closed at the end."""
    try:
        async with _connect(address) as socket:
            if socket.subprotocol != SUBPROTOCOL:
                raise RefusedError("version", f"the server does not speak {SUBPROTOCOL}")
            yield socket
    except ConnectionClosed as error:
        raise _closed(error) from error
    except InvalidStatus as error:
        raise _unwelcome(error) from error
    except NegotiationError as error:
        raise RefusedError("version", f"the server does not speak {SUBPROTOCOL}") from error
    except InvalidURI as error:
        raise RefusedError("bad_address", f"{address} is no address of a server") from error
    except (OSError, InvalidHandshake) as error:
        raise LostError(_reason(error)) from error


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
    text = bytes(body[:300]).decode(errors="replace").strip() or "no reason given"
    if status in _FINAL_STATUSES:
        return RefusedError("not_let_in", f"the server does not let us in ({status}): {text}")
    return LostError(f"the server is not ready ({status}): {text}")


def _reason(error: Exception) -> str:
    match error:
        case ConnectionRefusedError() | FileNotFoundError():
            return "no server answers there"
        case TimeoutError():
            return "the server does not answer"
        case OSError():
            return error.strerror or "the connection failed"
        case _:
            return str(error) or "the connection failed"
