"""Lines of a conversation joined to passages: pure; knows no files, no vectors and no rooms.

Invariants: a passage never mixes audiences; every line that says something is in exactly one passage, or, if it is
very long, in several that hold nothing else. Where passages end depends on the lines alone, not on how many were handed
in at a time.
"""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b

from knowledge.documents import Audience, Document, Noun, Passage, Section, sought
from knowledge.indexing.passages import Size, estimate, split
from knowledge.language.terms import terms

SOURCE = "memory"
LINES = 3
TOKENS = 40
"""Few lines to a passage: of 24 facts in a room of 2,000 lines, hybrid search had 0.87 among its best four with these,
0.86 with 4 lines of 60 tokens, 0.82 with 6 of 80; one line of overlap made all of them worse."""
LONG = Size(target=80, most=120)
"""A line of more tokens than the most is cut into pieces; what players write is mostly shorter."""


class Remembered(Noun, frozen=True, kw_only=True):
    """A line that was said; `seq` is its place in the log."""

    seq: int
    name: str
    text: str
    audience: Audience | None = None


class Stretch(Noun, frozen=True, kw_only=True):
    """A passage, the seqs of its first and its last line, and the terms under which words find it."""

    first: int
    last: int
    passage: Passage
    terms: tuple[str, ...] = ()


def stretches(lines: Iterable[Remembered], order: int, *, final: bool) -> Iterator[list[Stretch]]:
    """Joins lines, oldest first; pieces of one line come together.

    Args:
        order: The place of the first passage among all.
        final: Whether lines at the end that do not fill a passage become a short one; else they are left out.
    """
    held: list[Remembered] = []
    for line in filter(_says, lines):
        if held and not _fits(held, line):
            yield (made := _made(held, order))
            order, held = order + len(made), []
        held.append(line)
        if _full(held):
            yield (made := _made(held, order))
            order, held = order + len(made), []
    if held and final:
        yield _made(held, order)


def _says(line: Remembered) -> bool:
    return bool(line.text.strip())


def _fits(held: Sequence[Remembered], line: Remembered) -> bool:
    return _audience(held[0]) == _audience(line) and _tokens(held) + _tokens([line]) <= TOKENS


def _full(held: Sequence[Remembered]) -> bool:
    return len(held) >= LINES or _tokens(held) >= TOKENS


def _tokens(lines: Iterable[Remembered]) -> int:
    return sum(estimate(_told(line.name, line.text)) for line in lines)


def _made(held: Sequence[Remembered], order: int) -> list[Stretch]:
    texts = ["\n".join(_told(line.name, line.text) for line in held)]
    if len(held) == 1 and estimate(texts[0]) > LONG.most:
        texts = [_told(held[0].name, piece) for piece in _pieces(held[0])]
    return [_stretch(held, text, order + number) for number, text in enumerate(texts)]


def _pieces(line: Remembered) -> list[str]:
    document = Document(source=SOURCE, title=line.name, sections=(Section(text=_flat(line.text)),))
    return [passage.text for passage in split(document, size=LONG)]


def _stretch(held: Sequence[Remembered], text: str, order: int) -> Stretch:
    first, last = held[0].seq, held[-1].seq
    place = f"line {first}" if first == last else f"lines {first}-{last}"
    passage = Passage(
        id=blake2b("\0".join((SOURCE, place, text)).encode(), digest_size=16).hexdigest(),
        text=text,
        title=", ".join(dict.fromkeys(_flat(line.name) for line in held)),
        source=SOURCE,
        place=place,
        document=f"{SOURCE}#{first}",
        audience=_audience(held[0]),
        order=order,
    )
    return Stretch(first=first, last=last, passage=passage, terms=tuple(terms(sought(passage))))


def _told(name: str, text: str) -> str:
    return f"{_flat(name)}: {_flat(text)}"


def _flat(text: str) -> str:
    """One line, whatever breaks it had: no text can look like another speaker's line."""
    return " ".join(text.split())


def _audience(line: Remembered) -> Audience | None:
    return None if line.audience is None else tuple(sorted(set(line.audience)))
