"""What can go wrong with a server → an EngineError that says what to do.

A server's own words are shown shortened, on one line, and never with the key in them; where a key was refused they are
not shown at all. Knows no API: the structs below only look for a message where servers usually put one.
"""

import msgspec

from chatroom.errors import EngineError

LONGEST_SAID = 300
"""Characters of a server's own words that are shown."""

NO_ACCESS, OVERLOADED = "no_access", "overloaded"
"""Codes of a key that is missing or refused, and of a server that has too much to do."""

_CODES = {401: NO_ACCESS, 403: NO_ACCESS, 404: "bad_base", 408: "timeout", 413: "too_long", 429: OVERLOADED}
_CODES |= {503: OVERLOADED, 504: "timeout", 529: OVERLOADED}
_TEXTS = {
    401: "refuses the key; put the right one into the environment variable that remote_key names",
    403: "refuses the key; put the right one into the environment variable that remote_key names",
    404: "does not know the path or the model; look at its address (most end with /v1) and the model's name",
    408: "took too long to answer; ask again",
    413: "finds the prompt too long; set a smaller context",
    429: "has too much to do or no credit left; wait a while",
    503: "is not ready or has too much to do; wait a while and look into its log",
    504: "took too long to answer; ask again",
    529: "has too much to do; wait a while",
}


class Place(msgspec.Struct, frozen=True):
    """One of FastAPI's faults: where in the body, and what is wrong there."""

    loc: list[str | int] = []
    msg: str = ""


class Problem(msgspec.Struct, frozen=True):
    """The inner part of an error in OpenAI's form."""

    message: str | None = None
    type: str | None = None
    param: str | None = None
    code: str | int | None = None


class Body(msgspec.Struct, frozen=True):
    """The forms that errors have; most servers use one of them."""

    error: Problem | str | None = None
    message: str | None = None
    param: str | None = None
    detail: str | list[Place] | None = None

    def said(self) -> str:
        """What is wrong, in the server's words."""
        if isinstance(self.error, Problem):
            return self.error.message or str(self.error.type or self.error.code or "")
        if isinstance(self.detail, list):
            return "; ".join(f"{'.'.join(map(str, place.loc))}: {place.msg}" for place in self.detail)
        return self.error or self.message or self.detail or ""

    def params(self) -> frozenset[str]:
        """Names of the fields at fault, where the server says them apart."""
        told = self.error.param if isinstance(self.error, Problem) else self.param
        places = self.detail if isinstance(self.detail, list) else []
        return frozenset([*filter(None, [told]), *(str(place.loc[-1]) for place in places if place.loc)])


class HttpFault(EngineError):
    """A server refused or failed a request.

    Args:
        text: For people.
        code: Stable; see `EngineError`.
        status: Of the answer; 0 where there was none.
        said: The server's own words, as far as they may be shown.
        params: Fields of the request that it names as faulty.
        wait: Seconds after which it wants to be asked again.
    """

    def __init__(
        self,
        text: str,
        *,
        code: str,
        status: int = 0,
        said: str = "",
        params: frozenset[str] = frozenset(),
        wait: float | None = None,
    ) -> None:
        super().__init__(text, code=code)
        self.status, self.said, self.params, self.wait = status, said, params, wait


def refusal(server: str, status: int, raw: bytes, *, key: str = "", wait: float | None = None) -> HttpFault:
    """The fault that an answer with this status is."""
    body = read_body(raw)
    said = shown(body.said() or raw.decode("utf-8", "replace"), key)
    if 300 <= status < 400:
        text = "sends us to another address; set that one"
    else:
        text = _TEXTS.get(status, "failed; look into its log" if status >= 500 else "refuses the request")
    told = f"; it says: {said}" if said and status not in (401, 403) else ""
    code = _CODES.get(status, "engine")
    sentence = f"the server at {server} {text} (HTTP {status}){told}"
    return HttpFault(sentence, code=code, status=status, said=said, params=body.params(), wait=wait)


def read_body(raw: bytes) -> Body:
    """The error in an answer; empty where there is none that can be read."""
    try:
        return msgspec.json.decode(raw, type=Body)
    except (msgspec.DecodeError, RecursionError):
        return Body()


def shown(text: str, key: str = "") -> str:
    """A server's words as they may be shown: one line, shortened, without the key."""
    clean = text.replace(key, "…") if key else text
    flat = " ".join("".join(letter if letter.isprintable() else " " for letter in clean[:4096]).split())
    return flat if len(flat) <= LONGEST_SAID else flat[:LONGEST_SAID].rstrip() + "…"
