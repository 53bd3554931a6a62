"""Joins lines that were broken only because the next word had no room, as in old e-texts and in mails.

Verse, lists, tables and dialogue keep their lines. What comes out has as many lines as what went in, empty ones in
place of those that were joined, so that the place of a paragraph can still be counted.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise

_NARROWEST, _WIDEST = 30, 100
"""Characters of a line, between which a text may have been wrapped."""
_SAMPLE = 10_000
_OWN_LINE = re.compile(r"[\s\u3000>|]|[-*+•]\s|\d{1,3}[.)、]|[（(]?[一二三四五六七八九十]{1,3}[)）、]")
"""How a line begins that is never the rest of another."""


def width_of(lines: Sequence[str]) -> int:
    """The width at which a text was wrapped; 0 where it was not."""
    pairs = ((line, after) for line, after in pairwise(lines) if line and after and not _OWN_LINE.match(after))
    sample = list(islice(pairs, _SAMPLE))
    if not sample:
        return 0
    lengths = sorted(len(line) for line, _ in sample)
    width = lengths[len(lengths) * 98 // 100]
    if not _NARROWEST <= width <= _WIDEST or lengths[-1] > 2 * width:
        return 0
    return width if sum(_goes_on(*pair, width) for pair in sample) * 2 >= len(sample) else 0


def unwrapped(lines: Sequence[str], width: int) -> list[str]:
    """The same number of lines, with paragraphs in one line where the text was wrapped at a width."""
    if not width:
        return list(lines)
    return [line for run in _runs(lines, width) for line in (_joined(run), *[""] * (len(run) - 1))]


def _runs(lines: Sequence[str], width: int) -> Iterator[list[str]]:
    run: list[str] = []
    for line in lines:
        if run and not (run[-1] and line and _goes_on(run[-1], line, width)):
            yield run
            run = []
        run.append(line)
    if run:
        yield run


def _goes_on(line: str, after: str, width: int) -> bool:
    """Whether a line ends where it does because the first word of the next one had no room."""
    word = 1 if _wide(after[0]) else len(after.split(" ", 1)[0]) + 1
    return len(line) + word > 0.9 * width and " | " not in line + after and not _OWN_LINE.match(after)


def _joined(run: Sequence[str]) -> str:
    parts = [run[0]]
    for line, after in pairwise(run):
        close = (_wide(line[-1]) and _wide(after[0])) or (line[-1] == "-" and line[-2:-1].isalpha())
        parts.append(after if close else f" {after}")
    return "".join(parts)


def _wide(char: str) -> bool:
    """Whether it belongs to a script without spaces."""
    return "\u2e80" <= char <= "\u9fff" or "\uff00" <= char <= "\uffef"
