"""Saved web pages, those of wikis above all: the article of a page, and nothing of what stands around it.

Knows which parts of a page are told (_htmltree.py says where they are) and how they read as text. Nothing is fetched
or run, and the parser for HTML has no entities that a page could define.
"""

import re
from collections.abc import Iterator

from knowledge.documents import Document
from knowledge.errors import UnreadableError
from knowledge.sources import _htmltree as tree
from knowledge.sources import _names
from knowledge.sources._htmlbox import box
from knowledge.sources._infobox import Infobox, section
from knowledge.sources._outline import Outline
from knowledge.sources.base import SourceFile

HELP = "saved web pages (HTML), wiki articles above all"
SUFFIXES = (".html", ".htm", ".xhtml")

LARGEST = 32_000_000
"""Bytes of a page."""

_LEVELS = {"h1": 1, "h2": 2, "h3": 3, "h4": 4}
_TIGHT = frozenset(("li", "dt", "dd", "br", "ul", "ol", "dl"))
"""Tags that begin a line within a paragraph."""
_EDIT = re.compile(r"\s*[\[［](?:edit|编辑|編輯)[^\]］]{0,20}[\]］]\s*$")


def claims(head: bytes) -> bool:
    return True


def read(file: SourceFile) -> Iterator[Document]:
    """Reads a page as one document.

    Raises:
        UnreadableError: It is larger than `LARGEST`, no text, or has no article.
    """
    page = tree.parse(file, LARGEST)
    title = tree.title(page) or file.stem
    article = _Article(tree.article(page), title)
    if not article.sections:
        raise UnreadableError(file.name, "no text was found on this page; save it again once it is loaded")
    yield Document(
        source=file.name, title=title, sections=article.sections, aliases=article.aliases, url=tree.address(page)
    )


class _Article:
    """Gathers what an article tells. `sections` begin with its infoboxes."""

    def __init__(self, main: tree.Element, title: str) -> None:
        self._title = title
        self._outline, self._boxes = Outline(), list[Infobox]()
        self._line: list[str] = []
        self._names, self._opened = list[str](), False
        self._walk = tree.Walk(main)
        for event, element in self._walk:
            (self._start if event == "start" else self._end)(element)
        self._flush()
        self.sections = (*(section(box, title) for box in self._boxes), *self._outline.sections())
        listed = (name for found in self._boxes for name in _names.listed(found.facts))
        self.aliases = _names.distinct([*self._names, *listed], title)

    def _start(self, element: tree.Element) -> None:
        tag = element.tag
        self._break(tag)
        if tag == "p":
            self._note_opening(element)
        if tag in _LEVELS:
            self._heading(element)
        elif tree.is_box(element) and (found := box(element)).facts:
            self._boxes.append(found)
            self._walk.skip()
        elif tag == "table" and next(element.iterdescendants("table", *_LEVELS), None) is None:
            self._rows(element)
        elif tag == "pre":
            for line in "".join(element.itertext()).splitlines():
                self._outline.line(line.rstrip())
            self._walk.skip()
        else:
            if tag == "li":
                self._line = ["- "]
            self._line.append(tree.spaced(element.text))

    def _end(self, element: tree.Element) -> None:
        if element.tag == "li" and "".join(self._line).strip() == "-":
            self._line = []
        self._break(element.tag)
        self._line.append(self._walk.tail(element))

    def _break(self, tag: str) -> None:
        """Ends the line before and after a block, and the paragraph too unless the block is part of one."""
        if tree.is_block(tag):
            self._flush()
            if tag not in _TIGHT:
                self._outline.line("")

    def _flush(self) -> None:
        text = " ".join("".join(self._line).split())
        if text != "-":  # an item whose text is in a block of its own
            self._line = []
            if text:
                self._outline.line(text)

    def _heading(self, element: tree.Element) -> None:
        self._walk.skip()
        text = _EDIT.sub("", " ".join(tree.text(element).split()))
        if text and text != self._title:
            self._outline.heading(_LEVELS[element.tag], text)

    def _rows(self, table: tree.Element) -> None:
        """Rows of a table that only holds data; one with tables or headings in it is a frame around text."""
        self._walk.skip()
        for row in table.iter("caption", "tr"):
            cells = [row] if row.tag == "caption" else [cell for cell in row if cell.tag in ("th", "td")]
            texts = [" ".join(tree.text(cell).split()) for cell in cells if tree.is_told(cell)]
            if any(texts) and tree.is_told(row):
                self._outline.line(" | ".join(texts))
        self._outline.line("")

    def _note_opening(self, paragraph: tree.Element) -> None:
        """Keeps names in bold at the head of the first paragraph with text."""
        if not self._opened and (text := tree.text(paragraph)):
            self._opened = True
            bold = (tree.text(found) for found in paragraph.iter("b", "strong"))
            head = _names.opening(text)
            self._names += (name for name in bold if name in head)
