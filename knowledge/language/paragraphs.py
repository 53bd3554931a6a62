"""Cuts a text at its empty lines and takes out what can't be seen. Knows no sentences, no sizes and no formats."""

import re
from collections.abc import Iterator

_UNSEEN = re.compile(
    r"[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f"
    r"\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""Control characters, marks of direction, characters without width, halves of characters, hidden tags."""
_INDENT = 8


def tidy(text: str) -> str:
    """Takes out control characters, hidden ones, blanks at line ends, and runs of blanks and of empty lines."""
    return "\n\n".join(paragraph for paragraph, _ in paragraphs(text))


def one_line(text: str) -> str:
    """The same for a title."""
    return " ".join(tidy(text).split())


def paragraphs(text: str) -> Iterator[tuple[str, int]]:
    """What stands between empty lines, tidied, and the number of its first line from 0."""
    lines: list[str] = []
    begin = 0
    for number, raw in enumerate(_UNSEEN.sub("", text).splitlines()):
        line = _tidy_line(raw)
        if not line and lines:
            yield "\n".join(lines), begin
            lines = []
        elif line:
            begin = begin if lines else number
            lines.append(line)
    if lines:
        yield "\n".join(lines), begin


def _tidy_line(line: str) -> str:
    """Single blanks, none at the end; a list or a poem keeps a little indentation, Chinese paragraphs none."""
    words = " ".join(line.split())
    return " " * min(len(line) - len(line.lstrip(" ")), _INDENT) + words if words else ""
