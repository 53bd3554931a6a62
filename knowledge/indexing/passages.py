"""Cuts documents into passages of a size that fits a prompt.

Borders are sought in this order: headings, paragraphs, sentences, clauses, blanks, anywhere. Tiny sections that stand
beside each other are told together, each with its heading before it. Knows no format, no model and no index: tokens
are counted by a function it is handed.

Invariant: nothing of a document is lost but blanks and what can't be seen; a passage holds at most `Size.most` tokens,
but for an exchange, which is never cut, and an entry of a lorebook, which is cut only beyond twice that.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import accumulate, groupby
from operator import itemgetter
from typing import NamedTuple

import msgspec

from knowledge.documents import Document, Passage, Section
from knowledge.language.paragraphs import one_line, paragraphs, tidy
from knowledge.language.sentences import sentences

Count = Callable[[str], int]
"""Tokens of a text."""
VERSION = 1
"""Grows whenever the same document gives other passages; an index of another version is built anew."""


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """How long passages are, in tokens.

    Args:
        target: What a long section is cut into.
        most: What no passage passes; a section that is no longer stays whole.
    """

    target: int = 160
    most: int = 240

    def __post_init__(self) -> None:
        assert 0 < self.target <= self.most

    @property
    def tiny(self) -> int:
        """A shorter section is told together with its neighbour."""
        return self.target // 4


SIZE = Size()
"""What most embedders read whole, with the headings above it."""
_WIDE = re.compile(r"[\u1100-\u11ff\u2e80-\ua4cf\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U0001f000-\U0003ffff]")
"""Characters that a tokenizer counts one by one: Chinese, Japanese, Korean, emoji."""
_WORD, _CHARS = 1.3, 5
"""Tokens of an English word; characters of a token where no blank stands."""


def estimate(text: str) -> int:
    """Tokens of a text, about, where no tokenizer is at hand."""
    rest, wide = (text, 0) if text.isascii() else _WIDE.subn(" ", text)
    return wide + round(max(_WORD * len(rest.split()), (len(text) - wide) / _CHARS))


def split(document: Document, count: Count = estimate, size: Size = SIZE, *, first: int = 0) -> Iterator[Passage]:
    """Cuts a document into passages, in its order.

    Args:
        count: Tokens of a text; the embedder's own makes sure that it reads the whole of a passage.
        first: The `order` of the first one: how many passages of the same source came before.
    """
    scale = _Scale(count, size, 2 * size.most if document.rule else size.most)
    told = (stretch for stretch in _told(document.sections, scale) if _text(stretch.parts))
    for order, stretch in enumerate(told, first):
        yield _passage(document, stretch, order)


class _Scale(NamedTuple):
    """Weighs texts, and says how much is too much."""

    count: Count
    size: Size
    whole: int
    """What is no longer stays whole."""

    def weigh(self, text: str) -> int:
        """Tokens of a text, at least 1; what a vocabulary takes for one unknown word is weighed by its length."""
        least = 1 + len(text) // (2 * _CHARS)
        return least if least > self.whole else max(least, self.count(text))


class _Part(NamedTuple):
    """A stretch of text on its way to a passage."""

    text: str
    line: int
    """Where it begins in the file; 0 where that is not known."""
    tokens: int
    gap: str = "\n\n"
    """What stands between it and the one before."""


class _Stretch(NamedTuple):
    """Parts that are told under one path."""

    path: tuple[str, ...]
    parts: Sequence[_Part]
    sought: str = ""

    @property
    def tokens(self) -> int:
        return sum(part.tokens for part in self.parts)


def _told(sections: Iterable[Section], scale: _Scale) -> Iterator[_Stretch]:
    """What stands in each passage: exchanges as they are, tiny sections together, long ones cut."""
    group: list[_Stretch] = []
    for section in sections:
        stretch = _stretch(section, scale)
        if group and not _belongs(stretch, group, scale.size):
            yield from _cut(_together(group, scale), scale)
            group = []
        if stretch.parts:
            group.append(stretch)
    if group:
        yield from _cut(_together(group, scale), scale)


def _stretch(section: Section, scale: _Scale) -> _Stretch:
    """A section's paragraphs, without what can't be seen."""
    parts = [
        _Part(text, section.line and section.line + line, scale.weigh(text)) for text, line in paragraphs(section.text)
    ]
    return _Stretch(tuple(filter(None, map(one_line, section.path))), parts, tidy(section.sought))


def _belongs(stretch: _Stretch, group: Sequence[_Stretch], size: Size) -> bool:
    """Whether it stands under or beside a group, one of the two is tiny, and both together are not too long."""
    everything = [*group, stretch]
    if any(member.sought for member in everything):
        return False
    depth = len(_common(everything))
    before = sum(member.tokens for member in group)
    related = all(len(member.path) <= depth + 1 for member in everything)
    return related and min(before, stretch.tokens) < size.tiny and before + stretch.tokens <= size.target


def _common(group: Sequence[_Stretch]) -> tuple[str, ...]:
    """The headings that all of them stand under."""
    path, depth = group[0].path, 0
    while depth < len(path) and all(member.path[: depth + 1] == path[: depth + 1] for member in group):
        depth += 1
    return path[:depth]


def _together(group: Sequence[_Stretch], scale: _Scale) -> _Stretch:
    """Makes one stretch of several; each one's own heading becomes a part of its text."""
    path = _common(group)
    parts = [part for member in group for part in _headed(member, member.path[len(path) :], scale)]
    return _Stretch(path, parts, group[0].sought)


def _headed(stretch: _Stretch, headings: Sequence[str], scale: _Scale) -> Iterable[_Part]:
    if not headings:
        return stretch.parts
    first, *rest = stretch.parts
    text = headings[0] + (":\n" if "\n" in first.text else ": ") + first.text
    return [first._replace(text=text, tokens=scale.weigh(text)), *rest]


def _cut(stretch: _Stretch, scale: _Scale) -> Iterator[_Stretch]:
    """Cuts a stretch that is too long into ones of about equal length."""
    if stretch.sought:
        yield stretch
    elif stretch.tokens <= scale.whole:
        yield from (stretch._replace(parts=parts) for parts in _fitting(stretch.parts, scale, scale.whole))
    else:
        pieces = [piece for part in stretch.parts for piece in _pieces(part, scale)]
        for lot in _packed(pieces, scale.size):
            yield from (stretch._replace(parts=parts) for parts in _fitting(lot, scale, scale.size.most))


def _packed(parts: Sequence[_Part], size: Size) -> Iterator[list[_Part]]:
    """Shares parts out to lots of about equal length, near the target."""
    total = sum(part.tokens for part in parts)
    length = total / max(1, round(total / size.target))
    ends = accumulate(part.tokens for part in parts)
    lots = ((end - part.tokens / 2) // length for end, part in zip(ends, parts, strict=True))  # where its middle falls
    for _, numbered in groupby(zip(lots, parts, strict=True), key=itemgetter(0)):
        yield [part for _, part in numbered]


def _fitting(parts: Sequence[_Part], scale: _Scale, most: int) -> Iterator[Sequence[_Part]]:
    """Halves a lot that is too long after all: it held a long part, or joined text has more tokens than its parts."""
    if len(parts) == 1 or scale.weigh(_text(parts)) <= most:
        yield parts
        return
    middle = len(parts) // 2
    yield from _fitting(parts[:middle], scale, most)
    yield from _fitting(parts[middle:], scale, most)


def _pieces(part: _Part, scale: _Scale) -> Iterator[_Part]:
    """A paragraph that fits; else its sentences, and pieces of those that don't fit either."""
    if part.tokens <= scale.size.most:
        yield part
        return
    line, gap = part.line, part.gap
    for sentence in sentences(part.text):
        for text, tokens in _slices(sentence, scale):
            yield _Part(text, line, tokens, gap)
            line, gap = line and line + text.count("\n"), ""


_CLAUSE = re.compile(r"(?:[,;:][\"'”’)]*\s|[—–，；：、][”’」』）]*)\s*")


def _slices(text: str, scale: _Scale) -> Iterator[tuple[str, int]]:
    """Cuts a sentence that doesn't fit: after a clause, else after a blank, else anywhere; with the tokens of each."""
    start, reach = 0, 2 * _CHARS * scale.size.most
    while start < len(text):
        end = min(len(text), start + reach)
        while (tokens := scale.weigh(text[start:end])) > scale.size.most and end - start > 1:
            end = _border(text, start, (start + end) // 2)
        yield text[start:end], tokens
        start, reach = end, 2 * (end - start)


def _border(text: str, start: int, end: int) -> int:
    """The last good place to cut in the second half of a stretch."""
    middle = (start + end) // 2
    clauses = [mark.end() for mark in _CLAUSE.finditer(text, middle, end)]
    return clauses[-1] if clauses else 1 + max(text.rfind(blank, middle, end) for blank in " \n") or end


def _text(parts: Iterable[_Part]) -> str:
    return "".join(part.gap + part.text for part in parts).strip()


def _passage(document: Document, stretch: _Stretch, order: int) -> Passage:
    text, line = _text(stretch.parts), stretch.parts[0].line
    place = document.place or (f"line {line}" if line else "")
    return Passage(
        id=_digest(document.source, place, *stretch.path, text),
        text=text,
        title=one_line(document.title) or document.source,
        path=stretch.path,
        source=document.source,
        place=place,
        document=document.id or (f"{document.source}#{document.place}" if document.place else document.source),
        aliases=tuple(filter(None, map(one_line, document.aliases))),
        url=document.url,
        audience=document.audience,
        rule=document.rule,
        sought=stretch.sought,
        order=order,
    )


def _digest(*parts: str) -> str:
    """32 hexadecimal digits; a file name may hold bytes that are no characters."""
    return blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
