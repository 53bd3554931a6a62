"""Makes any text safe to show on a terminal.

What comes out holds no control character, no escape code and no bidi override; whoever wrote the text can't move the
cursor, set the clipboard, or make a line read in another order than it was written. It knows no terminal and no markup:
what it returns must be shown as plain text.
"""

import re
import unicodedata

MAX_MARKS = 8
"""Most combining or invisible characters on one base: a pile of them would run over the lines above and below."""

_LINE_BREAKS = re.compile(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_BLANKS = re.compile(r"\n(?:[^\S\n]*\n){3,}")
_REMOVED = re.compile(r"[\ufeff\U000e0000-\U000e007f]")
"""Byte order mark and tag characters: invisible, able to carry a hidden text."""
_SHOWN = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u206f\ufff9-\ufffb\ud800-\udfff]")
_PLAIN = re.compile(r"[ -~\u3000-\u3029\u3040-\u3096\u30a0-\u30ff\u4e00-\u9fff\uff01-\uff5e]*")
"""Text for which there is nothing to do: printable ASCII, kana, Han and their punctuation."""


def safe_text(text: str, *, newlines: bool = False) -> str:
    """Returns the text as it may be shown; line breaks become `\\n` where asked, a space elsewhere."""
    if _PLAIN.fullmatch(text):
        return text
    text = _LINE_BREAKS.sub("\n" if newlines else " ", text)
    text = _SHOWN.sub(_visible, _REMOVED.sub("", text))
    return text if text.isascii() else _without_piles(text)


def shown_text(text: str) -> str:
    """Returns what somebody said as it may be shown: its lines, at most two blank ones in a row."""
    return _BLANKS.sub("\n\n\n", safe_text(text, newlines=True))


def _visible(match: re.Match[str]) -> str:
    """Stands in for a character that must not reach the terminal."""
    char = match.group()
    code = ord(char)
    if char == "\t":
        return "    "
    if code < 0x20:
        return chr(0x2400 + code)  # the control pictures: ␛ for escape
    if code == 0x7F:
        return "\u2421"
    if 0xD800 <= code <= 0xDFFF:
        return "\ufffd"
    return f"⟦U+{code:04X}⟧"


def _without_piles(text: str) -> str:
    kept, marks = [], 0
    for char in text:
        marks = marks + 1 if unicodedata.category(char) in {"Mn", "Me", "Cf"} else 0
        if marks <= MAX_MARKS:
            kept.append(char)
    return "".join(kept)
