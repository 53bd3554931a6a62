"""Plain text: a story, notes, a whole novel. One file is one document; its chapters are sections.

A short first line that stands alone is the title. A chapter has a line of its own: `第三章 风雪夜`, `第十二回 …`,
`Chapter 3: The Storm`, `CHAPTER III`, `Prologue`; volumes and parts stand above chapters. Front matter is honoured as
in Markdown, so that a secret stays one. Knows no markup.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence

from knowledge.documents import Document
from knowledge.encodings import read_text
from knowledge.sources._front_matter import front_matter
from knowledge.sources._page import Heading, page
from knowledge.sources.base import SourceFile

HELP = "plain text, with its chapters"
SUFFIXES = (".txt", ".text")

_LONGEST = 60
"""Cells of a title or heading: a Chinese character takes two."""
_COUNT = r"\s*[0-9０-９〇零一二两三四五六七八九十百千廿卅]{1,9}\s*"
_CHAPTER_ZH = re.compile(
    rf"(?:第{_COUNT}(?:(?P<part>[卷部集篇]分?(?![队门落团]))|[章回幕折话](?![合程])|(?P<scene>节(?![课目日])))"
    r"|序[章言幕]|楔子|引子|前言|尾声|终章|后记|番外)"
    r"(?:[\s:：、.·—-]\s*[^，。；,;]+|[^，。；！？…：”」\s]*)"
)
_NUMBER = (
    r"(?:\d{1,4}|[IVXLCDM]{1,9}|(?i:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w{3,5}teen"
    r"|\w{3,5}ty(?:[- ]\w{3,5})?))"
)
_CHAPTER_EN = re.compile(
    rf"(?:(?P<part>(?:BOOK|Book|PART|Part|VOLUME|Volume)\s+{_NUMBER})|(?:CHAPTER|Chapter|ACT|Act|CANTO|Canto)\s+{_NUMBER}"
    rf"|(?P<scene>(?:SCENE|Scene)\s+{_NUMBER})|PROLOGUE|Prologue|EPILOGUE|Epilogue|PREFACE|Preface|FOREWORD|Foreword)"
    r"(?:\s*[.:—–-]\s*.*|\s+[A-Z0-9“\"‘'(].*)?"
)
_INITIALS = frozenset("第序楔引前尾终后番ABCEFPSV")


def claims(head: bytes) -> bool:
    return True


def read(file: SourceFile) -> Iterator[Document]:
    lines = [line.rstrip() for line in read_text(file).split("\n")]
    fields, first = front_matter(file, lines)
    lines[:first] = [""] * first
    headings = list(_chapters(lines))
    title = None if fields.get("title") else _title(lines)
    if title:
        headings.insert(0, title)
    yield page(file, fields, title.words if title else "", lines, headings)


def _title(lines: Sequence[str]) -> Heading | None:
    """The first line, if it looks like a title: short, alone, no sentence and no chapter."""
    at = next((number for number, line in enumerate(lines) if line), len(lines))
    if at + 2 >= len(lines) or lines[at + 1] or not any(lines[at + 2 :]):
        return None
    words = lines[at].strip("《》#= \t\u3000")
    if (
        not words
        or _cells(words) > _LONGEST
        or words.endswith(tuple(".。!！?？,，;；:：…”」"))
        or _chapter(words, True)
    ):
        return None
    return Heading(at, 0, words)


def _chapters(lines: Sequence[str]) -> Iterator[Heading]:
    for at, line in enumerate(lines):
        words = line.strip()
        if words[:1] in _INITIALS and (level := _chapter(words, not at or not lines[at - 1])):
            yield Heading(at, level, " ".join(words.split()))


def _chapter(words: str, apart: bool) -> int:
    """The level of a line that opens a chapter, 0 for any other; `apart`: an empty line stands before it."""
    if len(words) > _LONGEST or _cells(words) > _LONGEST:
        return 0
    found = _CHAPTER_ZH.fullmatch(words) or (_CHAPTER_EN.fullmatch(words) if apart else None)
    return 0 if not found else 1 if found["part"] else 3 if found["scene"] else 2


def _cells(text: str) -> int:
    """Width on a screen."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)
