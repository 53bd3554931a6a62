"""Markdown: a page with headings. Marks become plain text, links their words; images and comments are dropped.

The title is the first heading of the first level, else that of the front matter, else the file's name. Front matter
(_front_matter.py) may name aliases and an audience: a page for one character alone is written with `audience: mara`.
Links of wikis (`[[Mara Vell|the keeper]]`) are read too. Nothing is included from other files.
"""

import re
from collections.abc import Iterator

from knowledge.documents import Document
from knowledge.encodings import read_text
from knowledge.sources._front_matter import front_matter
from knowledge.sources._marks import plain
from knowledge.sources._page import Heading, page
from knowledge.sources.base import SourceFile

HELP = "Markdown"
SUFFIXES = (".md", ".markdown")

_ATX = re.compile(r" {0,3}(?:(#{1,6})[ \t\u3000]+|(#{2,6})(?=[^#\s]))(.*)")
_UNDERLINE = re.compile(r" {0,3}(?:={2,}|-{2,})$")
_RULE = re.compile(r" {0,3}([-*_])[ \t]*(?:\1[ \t]*){2,}$")
_FENCE = re.compile(r"\s*(`{3,}|~{3,})")
_DEFINITION = re.compile(r" {0,3}\[[^\[\]^][^\[\]]{0,200}\]:\s*\S+.*$")
_QUOTE = re.compile(r"(?: {0,3}> ?)+")
_ITEM = re.compile(r"(\s*)[-*+][ \t]+(?:\[[ xX]\][ \t]+)?")
_BETWEEN_ROWS = re.compile(r"\|?(?:[ \t]*:?-+:?[ \t]*\|)+(?:[ \t]*:?-+:?[ \t]*)?$")
_COMMENT = re.compile("<!--|-->")
_CELLS = re.compile(r"(?<!\\)\|")


def claims(head: bytes) -> bool:
    return True


def read(file: SourceFile) -> Iterator[Document]:
    lines = [line.rstrip() for line in read_text(file).split("\n")]
    fields, first = front_matter(file, lines)
    blocks = _Blocks(file)
    for line in (*[""] * first, *lines[first:]):
        blocks.add(line)
    blocks.finish()
    title = next((heading for heading in blocks.headings if heading.level == 1), None)
    headings = [heading._replace(level=0) if heading is title else heading for heading in blocks.headings]
    yield page(file, fields, title.words if title else "", blocks.lines, headings)


class _Blocks:
    """Takes the lines of a page one by one; gives back as many, and the headings among them."""

    def __init__(self, file: SourceFile) -> None:
        self.lines: list[str] = []
        self.headings: list[Heading] = []
        self._file = file
        self._fence = ""
        self._comment = 0
        """Line where a comment began that has not ended yet."""
        self._loose = False
        """Whether the last line may be a heading if it is underlined."""

    def add(self, line: str) -> None:
        if not self._fence and (self._comment or ("<!--" in line and "`<!--" not in line)):
            line = self._uncommented(line)
        if fence := _FENCE.match(line):
            if not self._fence:
                self._fence, line = fence[1], ""
            elif line.strip().startswith(self._fence) and not line.strip().strip(self._fence[0]):
                self._fence, line = "", ""
            self._keep(line)
        elif self._fence:
            self._keep(line)
        else:
            self._block(line)

    def finish(self) -> None:
        if self._comment:
            self._file.skip(f"line {self._comment}", "a comment begins here and never ends: all after it is left out")

    def _keep(self, line: str, loose: bool = False) -> None:
        self.lines.append(line)
        self._loose = loose

    def _block(self, line: str) -> None:
        if heading := _ATX.match(line):
            self._head(len(self.lines), len(heading[1] or heading[2]), _unclosed(heading[3]))
        elif self._loose and _UNDERLINE.match(line):
            self._head(len(self.lines) - 1, 1 if "=" in line else 2, self.lines.pop())
            self._keep("")
        elif _RULE.match(line) or _DEFINITION.match(line):
            self._keep("")
        elif _BETWEEN_ROWS.match(line.strip()):
            # It changes places with the row above, so that no gap parts that from the others.
            self.lines.insert(max(len(self.lines) - 1, 0), "")
            self._loose = False
        else:
            self._text(line)

    def _head(self, at: int, level: int, words: str) -> None:
        if words := " ".join(plain(words).split()):
            self.headings.append(Heading(at, level, words))
        self._keep("")

    def _text(self, line: str) -> None:
        alone = not self.lines or not self.lines[-1]
        quote = _QUOTE.match(line)
        line = line[quote.end() :] if quote else line
        item = _ITEM.match(line)
        line = f"{item[1]}- {line[item.end() :]}" if item else line
        row = line.lstrip().startswith("|")
        self._keep(plain(_row(line) if row else line), alone and not (quote or item or row) and bool(line))

    def _uncommented(self, line: str) -> str:
        """What of a line stands outside of comments."""
        kept: list[str] = []
        begin = 0
        for mark in _COMMENT.finditer(line):
            if not self._comment and mark[0] == "<!--":
                kept.append(line[begin : mark.start()])
                self._comment = len(self.lines) + 1
            elif self._comment and mark[0] == "-->":
                begin, self._comment = mark.end(), 0
        return "".join([*kept, "" if self._comment else line[begin:]]).rstrip()


def _unclosed(words: str) -> str:
    """A heading without the `#` that may close it."""
    bare = words.rstrip("#")
    return bare if not bare or bare[-1].isspace() else words


def _row(line: str) -> str:
    cells = (cell.strip().replace("\\|", "|") for cell in _CELLS.split(line.strip().strip("|")))
    return " | ".join(cells)
