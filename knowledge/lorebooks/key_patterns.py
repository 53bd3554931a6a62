"""Regular expressions among the keys of a lorebook: `/pattern/flags`, in JavaScript's dialect.

`compiled` turns one into a pattern of the `regex` package, which has Unicode properties and a time limit. `\\d`, `\\w`
and `\\b` mean ASCII, as in JavaScript: in `/\\bMara\\b/`, a Chinese character beside the name is no part of the word.
Fuzzy matching, recursion and whatever else JavaScript does not have is never switched on. Knows no entries.
"""

import re
from typing import Protocol, cast

import regex

LONGEST = 2_000
"""Characters of a key."""

_REGEX = re.compile(r"/((?:[^/\\]|\\.)+)/([gimsuy]*)", re.DOTALL)
_ESCAPE = (
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u\{[0-9a-fA-F]{1,8}\}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}"
    r"|c[A-Za-z]|[pP]\{[^{}]+\}|k<[^<>]+>|[1-9]\d?|.)"
)
_GROUP = r"\(\?(?:[:=!]|<[=!]|<[^\W\d]\w*>|[ims]+(?:-[ims]+)?:|-[ims]+:)"
_TOKEN = re.compile(rf"{_ESCAPE}|\[(?:[^\\\]]|\\.)*\]|\{{\d+(?:,\d*)?\}}|{_GROUP}|\([?*]?|.", re.DOTALL)
_IN_SET = re.compile(rf"{_ESCAPE}|\[", re.DOTALL)

_WORD, _NO_WORD = "A-Za-z0-9_", r"\x00-/:-@\[-\^`\{-\U0010ffff"
_DIGIT, _NO_DIGIT = "0-9", r"\x00-/:-\U0010ffff"
_SETS = {"w": _WORD, "W": _NO_WORD, "d": _DIGIT, "D": _NO_DIGIT}
_EDGES = {
    "b": f"(?:(?<=[{_WORD}])(?![{_WORD}])|(?<![{_WORD}])(?=[{_WORD}]))",
    "B": f"(?:(?<=[{_WORD}])(?=[{_WORD}])|(?<![{_WORD}])(?![{_WORD}]))",
}
_SAME = "sSnrtfv0"
_REFUSED = {"(?": "a group that JavaScript does not have", "(*": "a star after a bracket", "[": "a [ without its ]"}


class Pattern(Protocol):
    """A compiled regular expression."""

    def search(self, string: str, *, timeout: float) -> object | None:
        """The first match, or None.

        Args:
            timeout: Seconds.

        Raises:
            TimeoutError: It took longer.
        """
        ...


def is_regex(key: str) -> bool:
    """Whether a key is a regular expression; one like `and/or` or `/a/b/` is a plain text."""
    return _REGEX.fullmatch(key) is not None


def compiled(key: str) -> Pattern:
    """Compiles a key for which `is_regex` holds.

    Raises:
        ValueError: It is no regular expression, or not one that can be used here; the message says why.
    """
    match = _REGEX.fullmatch(key)
    assert match
    if len(key) > LONGEST:
        raise ValueError(f"it is longer than {LONGEST:,} characters")
    source, flags = match.groups()
    options = sum({"i": regex.IGNORECASE, "m": regex.MULTILINE, "s": regex.DOTALL}.get(flag, 0) for flag in set(flags))
    try:
        return cast(Pattern, regex.compile(_translated(source, "m" in flags), options))
    except (regex.error, OverflowError) as error:
        raise ValueError(getattr(error, "msg", None) or str(error)) from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _translated(source: str, multiline: bool) -> str:
    return "".join(_token(token, multiline) for token in _TOKEN.findall(source))


def _token(token: str, multiline: bool) -> str:
    if token in _REFUSED:
        raise ValueError(f"it has {_REFUSED[token]}")
    if token.startswith("\\"):
        return _escape(token)
    if token.startswith("["):
        return _set(token)
    if token in ("{", "}", "]"):
        return "\\" + token
    return r"\Z" if token == "$" and not multiline else token


def _set(token: str) -> str:
    """A set of characters; in JavaScript an empty one is allowed, and a `[` in it is just a character."""
    if token in ("[]", "[^]"):
        return "(?!)" if token == "[]" else "(?s:.)"
    start = 2 if token.startswith("[^") else 1
    return token[:start] + _IN_SET.sub(lambda found: _in_set(found.group()), token[start:-1]) + "]"


def _in_set(token: str) -> str:
    if token == "[":
        return r"\["
    return _SETS.get(token[1:]) or (r"\x08" if token == r"\b" else _character(token))


def _escape(token: str) -> str:
    name = token[1:]
    if name in _SETS:
        return f"[{_SETS[name]}]"
    if name.startswith("k<"):
        return f"(?P={name[2:-1]})"
    return _EDGES.get(name) or (token if name.isdecimal() else _character(token))


def _character(token: str) -> str:
    """An escape that means the same in a set and outside."""
    name = token[1:]
    if name in _SAME or (name[0] in "pP" and len(name) > 1):
        return token
    if name[0] in "ux" and len(name) > 1:
        return f"\\U{_code(name):08x}"
    if name[0] == "c" and len(name) > 1:
        return f"\\x{ord(name[1]) % 32:02x}"
    return name if name[0].isalnum() else token


def _code(name: str) -> int:
    """The code point of `u{1f600}`, `u5b89`, `x41` or of two surrogates, `ud83d` and `ude00` with a `\\` between."""
    high, _, low = name[1:].strip("{}").partition("\\u")
    code = int(high, 16)
    if low:
        code = 0x10000 + ((code - 0xD800) << 10) + (int(low, 16) - 0xDC00)
    if code > 0x10FFFF:
        raise ValueError(f"there is no character \\{name}")
    return code
