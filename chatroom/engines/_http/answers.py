"""What an answer is and how much of it is read: nothing here is unbounded, whatever the server sends.

Knows httpx2's responses; it knows no API.
"""

from contextlib import aclosing

import httpx2

from chatroom.engines._http.faults import HttpFault, refusal

LARGEST_ANSWER, LARGEST_FAULT = 8 << 20, 64 << 10
"""Bytes of an answer that is read as a whole; of the words with which a server refuses."""


async def read(response: httpx2.Response, most: int) -> bytes:
    """The first bytes of a body."""
    raw = bytearray()
    async with aclosing(response.aiter_raw()) as chunks:
        async for chunk in chunks:
            raw += chunk
            if len(raw) >= most:
                break
    return bytes(raw[:most])


async def refused(response: httpx2.Response, server: str, key: str) -> HttpFault:
    """The fault that an answer without success is; the response is closed."""
    try:
        raw = await read(response, LARGEST_FAULT)
    except httpx2.HTTPError:
        raw = b""
    finally:
        await response.aclose()
    return refusal(server, response.status_code, raw, key=key, wait=_wait(response))


def is_kind(response: httpx2.Response, kind: str) -> bool:
    """Whether the content type says that it is this."""
    return kind in response.headers.get("Content-Type", "").partition(";")[0].lower()


def is_packed(response: httpx2.Response) -> bool:
    """Whether it is compressed, which was not asked for: a small answer could unfold into any size."""
    return str(response.headers.get("Content-Encoding", "identity")).lower() != "identity"


def _wait(response: httpx2.Response) -> float | None:
    """Seconds after which the server wants to be asked again; a date is not read."""
    told = response.headers.get("Retry-After", "")
    return float(told) if told.isascii() and told.isdecimal() and len(told) < 7 else None
