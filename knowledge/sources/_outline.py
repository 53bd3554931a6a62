"""Gathers a page line by line into sections: what stands under which headings.

Knows no file format. Sections without text are left out, and so are those that only point to other places
(references, external links).
"""

import re

from knowledge.documents import Section

_POINTERS = re.compile(
    r"references(?: and notes)?|citations|sources|bibliography|external links|navigation"
    r"|参考(?:资料|文献|来源)?|參考(?:資料|文獻)|引用|外部(?:链接|連結|鏈接)|导航|導航"
)


class Outline:
    """Sections in the making; lines go under the heading that came last."""

    def __init__(self) -> None:
        self._headings: list[tuple[int, str]] = []
        self._text: list[str] = []
        self._sections: list[Section] = []

    def heading(self, level: int, text: str) -> None:
        """Begins a section, which ends all those of its level and below."""
        self._close()
        while self._headings and self._headings[-1][0] >= level:
            self._headings.pop()
        self._headings.append((level, text))

    def line(self, text: str) -> None:
        """Adds a line to the paragraph; an empty one ends the paragraph."""
        if text or (self._text and self._text[-1]):
            self._text.append(text)

    def sections(self) -> tuple[Section, ...]:
        """All that was gathered, in order."""
        self._close()
        return tuple(self._sections)

    def _close(self) -> None:
        path = tuple(text for _, text in self._headings if text)
        text = "\n".join(self._text).strip()
        self._text = []
        if text and not any(_POINTERS.fullmatch(heading.casefold()) for heading in path):
            self._sections.append(Section(path=path, text=text))
