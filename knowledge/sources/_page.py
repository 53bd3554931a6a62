"""Lines of a page and the headings among them → one document, as Markdown and plain text have it.

Invariant: the text of a section keeps every line break, also those around what was taken out, so that counting them
from `Section.line` gives the line in the file.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from knowledge.documents import Document, Section
from knowledge.errors import UnreadableError
from knowledge.sources._fields import aliases, audience, url
from knowledge.sources._unwrap import unwrapped, width_of
from knowledge.sources.base import SourceFile

_NO_END = re.compile("[\v\f\x1c-\x1e\x85\u2028\u2029]")


class Heading(NamedTuple):
    """A heading: the index of its line, its level from 1 (the title of the page has 0), and its words."""

    at: int
    level: int
    words: str


def page(
    file: SourceFile, fields: Mapping[str, object], title: str, lines: Sequence[str], headings: Sequence[Heading]
) -> Document:
    """Makes the document.

    Args:
        fields: What the page says about itself.
        title: "" for that of the fields, or the file's name.
        lines: All lines of the file; what belongs to no section is empty.
        headings: In the order of their lines.

    Raises:
        UnreadableError: It is not understood who may see it.
    """
    try:
        seen_by = audience(fields)
    except ValueError as error:
        raise UnreadableError(file.name, str(error)) from None
    return Document(
        source=file.name,
        title=title or str(fields.get("title") or "").strip() or file.stem,
        sections=tuple(_sections(lines, headings)),
        aliases=aliases(fields),
        url=url(fields),
        audience=seen_by,
    )


def _sections(lines: Sequence[str], headings: Sequence[Heading]) -> Iterator[Section]:
    width = width_of(lines)
    path: list[Heading] = []
    ends = [*(heading.at for heading in headings[1:]), len(lines)]
    first = headings[0].at if headings else len(lines)
    begin = next((number for number in range(first) if lines[number].strip()), first)
    if begin < first:
        yield Section(text=_text(lines[begin:first], width), line=begin + 1)
    for heading, end in zip(headings, ends, strict=False):
        path = [above for above in path if above.level < heading.level] + [heading] * (heading.level > 0)
        text = _text(lines[heading.at + 1 : end], width)
        if text:
            names = tuple(above.words for above in path)
            yield Section(path=names, text=f"\n{text}", line=heading.at + 1)


def _text(lines: Sequence[str], width: int) -> str:
    # Chinese text opens a paragraph with two wide spaces; whatever else some take for the end of a line must not count.
    text = "\n".join(line.lstrip("\u3000") for line in unwrapped(lines, width)).rstrip()
    return _NO_END.sub(" ", text)
