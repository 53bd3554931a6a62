"""The text of a novel as paragraphs, with its chapter headings and the marks between its scenes.

A paragraph is a line, or what stands between empty lines where a text was wrapped at some width. Words around the
book, as an archive puts before and after it, are left out and told. It knows no quotes and no speakers.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

import msgspec

from finetune.corpora.base import CorpusFile
from knowledge.encodings import read_text

LONGEST_HEADING = 50
_NUMBER_ZH = "[0-9０-９〇零一二两三四五六七八九十百千廿卅]{1,9}"
_HEADING_ZH = re.compile(
    rf"(?:第\s?{_NUMBER_ZH}\s?[章回节卷部集篇幕折话話](?:[\s:：、.·—-].*|[^，。；！？…：”」]*)"
    r"|(?:序[章言幕]?|楔子|引子|前言|尾声|终章|后记|番外)(?:[\s:：、.·—-].*)?)"
)
_HEADING_EN = re.compile(
    r"(?:(?:chapter|part|book|volume|act|canto)\s+(?:\d{1,4}|[ivxlcdm]{1,9}|[a-z-]{3,20})|prologue|epilogue)"
    r"(?:\s*[.:—–-].*|\s+[A-Z].*)?",
    re.IGNORECASE,
)
_NUMERAL = re.compile(r"(?:[IVXLC]{1,7}|\d{1,3})\.?")
_MARK = re.compile(r"[\s*＊#~～=\-—–_·•◇◆☆★○●§※]{1,60}")
_ENDS = tuple('.。!！?？…”」』"’—:：')
_START, _END = re.compile(r"\*\*\* ?START OF "), re.compile(r"\*\*\* ?END OF ")


class Paragraph(msgspec.Struct, frozen=True, kw_only=True):
    """A paragraph, and the number of its first line.

    Args:
        heading: Whether it opens a chapter.
        mark: Whether it is no text but a sign between two scenes.
    """

    number: int
    text: str
    heading: bool = False
    mark: bool = False


def paragraphs(file: CorpusFile) -> list[Paragraph]:
    """The paragraphs of a book, in order."""
    lines = [line.strip() for line in read_text(file).split("\n")]
    first, last = _book(lines)
    for begin, end in ((0, first), (last, len(lines))):
        if any(lines[begin:end]):
            file.skip(f"lines {begin + 1}-{end}", "words around the book, not of it")
    wrapped = is_wrapped(lines[first:last])
    return [_paragraph(number, text) for number, text in _blocks(lines[first:last], first + 1, wrapped)]


def is_wrapped(lines: Sequence[str]) -> bool:
    """Whether empty lines, and not line ends, part the paragraphs: most lines with one below end within a sentence."""
    pairs = [(line, after) for line, after in pairwise(lines) if line and after]
    empty = sum(not line for line in lines)
    if empty * 12 < len(lines) or not pairs:
        return False
    return sum(not line.endswith(_ENDS) and len(line) < 120 for line, _ in pairs) * 2 > len(pairs)


def is_heading(text: str) -> bool:
    """Whether a paragraph opens a chapter."""
    if len(text) > LONGEST_HEADING:
        return False
    return any(pattern.fullmatch(text) for pattern in (_HEADING_ZH, _HEADING_EN, _NUMERAL))


def _paragraph(number: int, text: str) -> Paragraph:
    mark = len(text) <= 60 and bool(_MARK.fullmatch(text))
    return Paragraph(number=number, text=text, heading=not mark and is_heading(text), mark=mark)


def _book(lines: Sequence[str]) -> tuple[int, int]:
    """Where the book begins and ends among the lines."""
    first = next((at + 1 for at, line in enumerate(lines) if _START.match(line)), 0)
    last = next((at for at in range(first, len(lines)) if _END.match(lines[at])), len(lines))
    return first, last


def _blocks(lines: Sequence[str], number: int, wrapped: bool) -> Iterator[tuple[int, str]]:
    """Paragraphs with the number of their first line."""
    block: list[str] = []
    for at, line in enumerate(lines, start=number):
        if block and (not line or not wrapped or is_heading(line) or is_heading(block[0])):
            yield at - len(block), _joined(block)
            block = []
        if line:
            block.append(line)
    if block:
        yield number + len(lines) - len(block), _joined(block)


def _joined(block: Sequence[str]) -> str:
    """The lines of a paragraph as one; between Chinese characters stands no blank."""
    parts = [block[0]]
    for line, after in pairwise(block):
        parts.append(after if line[-1] > "\u2e7f" and after[0] > "\u2e7f" else f" {after}")
    return " ".join("".join(parts).split())
