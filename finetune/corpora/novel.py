"""Novels: prose with speech in quotation marks; who speaks is told by the words around it, or by whose turn it is.

Speech whose speaker nobody can tell stays in the narration, with its marks. Narration close to speech is kept as lines
without a name; what lies far from any speech is told and left out. A chapter, a mark between scenes and a long
stretch without speech begin a new scene. It takes no guess for a fact: every line is noted by how its speaker is known.
"""

from collections.abc import Iterator, Sequence

import msgspec

from finetune.corpora._attribution import around, turns
from finetune.corpora._book_names import Names
from finetune.corpora._exchange import Item, fill
from finetune.corpora._people import People
from finetune.corpora._prose import Paragraph, is_wrapped, paragraphs
from finetune.corpora._quotes import Piece, marks_of, pieces
from finetune.corpora._turn import Turn, joined
from finetune.corpora.base import CorpusFile, Head
from finetune.dialogue import Line, Scene

HELP = "novels: prose with speech in quotation marks"
SUFFIXES = (".txt", ".text", ".md")
PRIVATE = False

BY_RULE, BY_TURNS, UNKNOWN = "spoken by rule", "spoken by turns", "speech by nobody known"
BY_PRONOUN, BY_ADDRESS = "spoken by a pronoun", "spoken by address"
NOTES = {"rule": BY_RULE, "pronoun": BY_PRONOUN, "address": BY_ADDRESS, "turns": BY_TURNS}
"""What is noted of a line, by how its speaker is known."""
CALLED = "others call the one who tells the book by this name; --me NAME says which is right"
LONGEST_NARRATION, GAP = 600, 3000
"""Characters between two speeches: more is cut down to what is near them; more still parts two scenes."""
MOST_APART = 2
"""Paragraphs of narration within an exchange."""
_SUREST = 0.6


class _Told(msgspec.Struct, frozen=True):
    """Narration."""

    number: int
    text: str


class _Spoken(msgspec.Struct, frozen=True):
    """A turn and its place in the book."""

    number: int
    turn: Turn


_Item = _Told | _Spoken


class _Cut(msgspec.Struct, frozen=True):
    """A paragraph, cut at its quotation marks."""

    number: int
    pieces: Sequence[Piece]


def claims(head: Head) -> float:
    """At most 0.6: dialogue that names its speakers line by line is surer than prose can be."""
    lines = [line.strip() for line in head.text.split("\n")]
    texts = [line for line in lines if line]
    if not texts or texts[0][0] in "{[<" or '","' in head.text:
        return 0.0
    if is_wrapped(lines):
        texts = [" ".join(block.split("\n")) for block in "\n".join(lines).split("\n\n") if block.strip()]
    marks = marks_of(texts)
    share = sum(any(piece.spoken for piece in pieces(text, marks)) for text in texts) / len(texts)
    return min(_SUREST, 1.5 * share) if share >= 0.02 else 0.0


def read(file: CorpusFile) -> Iterator[Scene]:
    book = _announced(paragraphs(file))
    marks = marks_of([paragraph.text for paragraph in book])
    parts = [
        (title, [_Cut(each.number, pieces(each.text, marks)) for each in part]) for title, part in _parts(book, file)
    ]
    cut = [paragraph.pieces for _, part in parts for paragraph in part]
    names = Names(file.options.names, file.options.me)
    for paragraph in cut:
        names.collect(around(paragraph))
    names.settle([paragraph.text for paragraph in book])
    people = People(names, cut)
    for alias in people.aliases:
        file.note(f'"{names.narrator}": "{alias}"', CALLED)
    for title, part in parts:
        yield from _scenes(file, title, _items(part, names), people)


def speech_in(text: str) -> tuple[str, str, str] | None:
    """What is told before a speech, the speech, and what is told after it, of a line of narration that this format gave
    because nobody is known to say it; None where nothing is said in the line, or two seem to speak."""
    rows = text.split("\n")
    marks, nobody = marks_of(rows), Names(())
    items = list(joined(item for row in rows for item in turns(pieces(row, marks), nobody)))
    turn = items[0] if len(items) == 1 else None
    return (turn.lead.strip(), turn.text, turn.rest) if isinstance(turn, Turn) and turn.text else None


def _announced(book: Sequence[Paragraph]) -> list[Paragraph]:
    """A paragraph that ends as if a speech followed announces the next one: both are one."""
    result: list[Paragraph] = []
    for paragraph in book:
        last = result[-1] if result else None
        if last and _announces(last) and paragraph.text[:1] in '“「『"‘＂':
            gap = " " if last.text[-1] < "\u2e80" else ""
            result[-1] = Paragraph(number=last.number, text=f"{last.text}{gap}{paragraph.text}")
        else:
            result.append(paragraph)
    return result


def _announces(paragraph: Paragraph) -> bool:
    if paragraph.heading or paragraph.mark or len(paragraph.text) > LONGEST_NARRATION:
        return False
    if any(mark in paragraph.text for mark in '“”「"'):
        return paragraph.text.endswith(("：", ":"))
    return paragraph.text.endswith(("：", ":", ",", "，", "--", "—"))


def _parts(book: Sequence[Paragraph], file: CorpusFile) -> Iterator[tuple[str, list[Paragraph]]]:
    """What lies between headings and marks, with the title of its chapter."""
    title = ""
    part: list[Paragraph] = []
    for paragraph in book:
        if not paragraph.heading and not paragraph.mark:
            part.append(paragraph)
            continue
        if part:
            yield title, part
        if paragraph.heading:
            title = paragraph.text
        else:
            file.skip(f"line {paragraph.number}", "a mark between two scenes")
        part = []
    if part:
        yield title, part


def _items(part: Sequence[_Cut], names: Names) -> list[_Item]:
    """What is told and what is said, in order."""
    numbers: dict[int, int] = {}

    def each() -> Iterator[Turn | str]:
        for paragraph in part:
            for item in turns(paragraph.pieces, names):
                numbers[id(item)] = paragraph.number
                kept.append(item)
                yield item

    kept: list[Turn | str] = []  # as long as they live, no other has the same id
    return [
        _Spoken(numbers[id(item)], item) if isinstance(item, Turn) else _Told(numbers[id(item)], item)
        for item in joined(each())
    ]


def _scenes(file: CorpusFile, title: str, items: Sequence[_Item], people: People) -> Iterator[Scene]:
    for stretch in _stretches(items):
        for exchange in _exchanges(stretch):
            fill(exchange, people)
        if any(isinstance(item, _Spoken) and item.turn.speaker for item in stretch):
            lines = list(_lines(file, stretch))
            yield Scene(title=title, lines=lines, source=f"{file.name}, line {stretch[0].number}")
        else:
            _silent(file, stretch)


def _silent(file: CorpusFile, stretch: Sequence[_Item]) -> None:
    """Tells of a stretch that gives no scene."""
    for item in stretch:
        if isinstance(item, _Spoken):
            file.note(_place(item.number, item.turn.raw), UNKNOWN)
    file.skip(f"lines {stretch[0].number}-{stretch[-1].number}", "a stretch in which nobody known speaks")


def _stretches(items: Sequence[_Item]) -> Iterator[list[_Item]]:
    """Cuts where so much is told that what is said after it is another scene."""
    stretch: list[_Item] = []
    for run in _runs(items):
        long = isinstance(run[0], _Told) and sum(len(item.text) for item in run if isinstance(item, _Told)) > GAP
        if long and len(run) > 1 and any(isinstance(item, _Spoken) for item in stretch):
            yield [*stretch, run[0]]
            stretch = list(run[1:])
        else:
            stretch += run
    if stretch:
        yield stretch


def _runs(items: Sequence[_Item]) -> Iterator[list[_Item]]:
    """Neighbours of one kind."""
    run: list[_Item] = []
    for item in items:
        if run and type(item) is not type(run[0]):
            yield run
            run = []
        run.append(item)
    if run:
        yield run


def _exchanges(stretch: Sequence[_Item]) -> Iterator[list[Item]]:
    """Turns with little told between them, and no word of somebody without a name, with what is told before each."""
    exchange: list[Item] = []
    told: list[Item] = []
    for item in stretch:
        if isinstance(item, _Told):
            told.append(item.text)
            continue
        stranger = item.turn.stranger and not item.turn.speaker
        if len(told) > MOST_APART or stranger:
            yield exchange
            exchange = []
        if not stranger:
            exchange += [*told[-MOST_APART:], item.turn]
        told = []
    yield exchange


def _lines(file: CorpusFile, stretch: Sequence[_Item]) -> Iterator[Line]:
    for run in _runs(stretch):
        if isinstance(run[0], _Told):
            told = [item for item in run if isinstance(item, _Told)]
            yield from _narration(file, told, run[0] is stretch[0], run[-1] is stretch[-1])
            continue
        for item in run:
            if isinstance(item, _Spoken):
                yield from _speech(file, item)


def _speech(file: CorpusFile, spoken: _Spoken) -> Iterator[Line]:
    turn = spoken.turn
    if not turn.speaker:
        file.note(_place(spoken.number, turn.raw), UNKNOWN)
        yield Line(name="", text=turn.raw)
        return
    file.note(_place(spoken.number, turn.text), NOTES[turn.how])
    if turn.lead:
        yield Line(name="", text=turn.lead)
    yield Line(name=turn.speaker, text=turn.text)
    if turn.rest:
        yield Line(name="", text=turn.rest)


def _narration(file: CorpusFile, told: Sequence[_Told], first: bool, last: bool) -> Iterator[Line]:
    """All of a short stretch; of a long one the paragraph after a speech, and the two before the next."""
    if sum(len(item.text) for item in told) <= LONGEST_NARRATION:
        kept = set(range(len(told)))
    else:
        kept = (set() if first else {0}) | (set() if last else {len(told) - 2, len(told) - 1})
    for at, item in enumerate(told):
        if at in kept:
            yield Line(name="", text=item.text)
        else:
            file.skip(_place(item.number, item.text), "told far from any speech")


def _place(number: int, text: str) -> str:
    words = " ".join(text[:80].split())
    return f'line {number}: "{words[:38]}"'
