"""One way of writing for numbers and signs: full-width, mathematical and circled forms become plain ASCII, what is
invisible goes, so that a pattern sees `13800138000` however it was written.

It keeps where each character came from. It changes no text itself and knows no patterns.
"""

import re
import unicodedata
from typing import NamedTuple

_INVISIBLE = "\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\u20e3\ufe00-\ufe0f\ufeff"
_ODD = re.compile("[^\x00-\x7f\u3001-\u301f\u4e00-\u9fff]")
_HIDDEN = re.compile(f"[{_INVISIBLE}]")
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−－﹣"), "-")
_SPACES = dict.fromkeys(map(ord, "\u00a0\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u3000"), " ")
_WIDE = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
_TABLE = _WIDE | _DASHES | _SPACES


class Folded(NamedTuple):
    """A text as patterns see it; `origins[i]` is where its character i stood, None where nothing was taken out."""

    text: str
    origins: list[int] | None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where a stretch of the folded text stands in the original."""
        if self.origins is None or start == end:
            return start, end
        return self.origins[start], self.origins[end - 1] + 1


def fold(text: str) -> Folded:
    """Folds a text; one that holds nothing odd comes back as it is."""
    if text.isascii() or not _ODD.search(text):
        return Folded(text, None)
    origins = None
    if _HIDDEN.search(text):
        origins = [at for at, char in enumerate(text) if not _HIDDEN.match(char)]
        text = "".join([text[at] for at in origins])
    return Folded(_ODD.sub(lambda found: _plain(found[0]), text), origins)


def _plain(char: str) -> str:
    """The ASCII form of a character, or itself; always one character."""
    if (code := ord(char)) in _TABLE:
        return _TABLE[code]
    digit = unicodedata.digit(char, None)
    return char if digit is None else str(digit)
