"""A paragraph of a novel as pieces: what is said and what is told, by its quotation marks or its dashes.

Marks within a speech belong to it. Words that a narrator only holds up between quotation marks, as in the so-called
“shop”, are no speech. It knows no speakers; it takes one step through the text, whatever the text is.
"""

import re
from collections.abc import Iterator, Sequence

import msgspec

_PAIRS = {"“": "”", "「": "」", "『": "』", '"': '"', "＂": "＂", "〝": "〞"}
_SINGLE = {"‘": "’"}
_TERMINAL = "。！？…，—～；：.!?,;:-~–、"
_BEFORE = "。！？…，：；.!?,;:—–-)）] \t　"
_FEW = 2
"""Words that may be held up within a sentence, with its comma among them."""
_SAYING = re.compile(r"(?:said|cried|says|asked|replied|answered|added|exclaimed) $")
_DASH_OPENS = re.compile(r"[—–―](?![—–―])\s*")
_DASH_TURNS = re.compile(r"(?<=[,.!?…;:])\s*[—–―]\s+")


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of a paragraph.

    Args:
        text: Without its marks.
        raw: With them.
        spoken: Whether somebody says it.
        open: Whether it is a speech whose end mark is missing, as where it goes on in the next paragraph.
    """

    text: str
    raw: str
    spoken: bool = False
    open: bool = False


class Marks(msgspec.Struct, frozen=True, kw_only=True):
    """What encloses speech in one book.

    Args:
        pairs: The end mark by the mark that opens.
        dashes: Whether a dash at the beginning of a paragraph opens speech.
    """

    pairs: dict[str, str]
    dashes: bool = False

    def opens(self, text: str) -> bool:
        """Whether a paragraph begins with speech."""
        return text[:1] in self.pairs or (self.dashes and bool(_DASH_OPENS.match(text)))


def marks_of(texts: Sequence[str]) -> Marks:
    """The marks that a book uses, from its paragraphs."""
    double = sum(any(mark in text for mark in _PAIRS) for text in texts)
    single = sum(text.startswith("‘") for text in texts)
    dashes = sum(bool(_DASH_OPENS.match(text)) for text in texts)
    if dashes > 2 * max(double, single):
        return Marks(pairs=_PAIRS, dashes=True)
    return Marks(pairs=_SINGLE if single > double else _PAIRS)


def pieces(text: str, marks: Marks) -> list[Piece]:
    """The pieces of a paragraph, in order; joined, their `raw` is the paragraph."""
    if marks.dashes and (found := _DASH_OPENS.match(text)):
        return list(_by_dashes(text, found.end()))
    return _merged(list(_by_quotes(_righted(text), marks.pairs)))


def _by_dashes(text: str, at: int) -> Iterator[Piece]:
    spoken, begin = True, 0
    for turn in _DASH_TURNS.finditer(text, at):
        yield Piece(text=text[at : turn.start()].strip(), raw=text[begin : turn.start()], spoken=spoken)
        spoken, begin, at = not spoken, turn.start(), turn.end()
    yield Piece(text=text[at:].strip(), raw=text[begin:], spoken=spoken)


def _righted(text: str) -> str:
    """The text with its curly marks the right way round, where they are typed as chance would have it."""
    opening, closing = text.count("“"), text.count("”")
    if opening == closing or (opening + closing) % 2 or not closing:
        return text
    parts = re.split("[“”]", text)
    return "".join(part + ("" if at == len(parts) - 1 else "“”"[at % 2]) for at, part in enumerate(parts))


def _by_quotes(text: str, pairs: dict[str, str]) -> Iterator[Piece]:
    """Cuts at the outermost marks."""
    begin = 0
    for opened, closed in _spans(text, pairs):
        if begin < opened:
            yield Piece(text=text[begin:opened].strip(), raw=text[begin:opened])
        raw = text[opened : closed + 1]
        whole = closed < len(text)
        words = raw[1:-1] if whole else raw[1:]
        yield Piece(text=words.strip(), raw=raw, spoken=_is_speech(text, opened, closed), open=not whole)
        begin = closed + 1
    if begin < len(text):
        yield Piece(text=text[begin:].strip(), raw=text[begin:])


def _spans(text: str, pairs: dict[str, str]) -> Iterator[tuple[int, int]]:
    """Where speeches open and close; one that does not close ends behind the text."""
    opened, mark, depth = -1, "", 0
    for at, char in enumerate(text):
        if opened < 0:
            if char in pairs:
                opened, mark, depth = at, char, 1
        elif char == pairs[mark]:
            if mark == "‘" and text[at + 1 : at + 2].isalnum():
                continue  # an apostrophe
            depth -= 1
            if not depth:
                yield opened, at
                opened = -1
        elif char == mark and mark in "「『":
            depth += 1
    if opened >= 0:
        yield opened, len(text)


def _is_speech(text: str, opened: int, closed: int) -> bool:
    """Whether a quote is said, and not only held up: it ends like a sentence, or stands apart from the words around."""
    words = text[opened + 1 : closed].strip()
    if not any(char.isalnum() or char in "…—.!?！？" for char in words):
        return False
    before, after = text[max(opened - 1, 0) : opened], text[closed + 1 : closed + 2]
    if words[-1] in ",，" and after == " " and len(words.split()) <= _FEW and _is_plain(text, opened):
        return bool(_SAYING.search(text, max(opened - 12, 0), opened))  # else it is what somebody calls "that," there
    if words[-1] in _TERMINAL:
        return not before or before in _BEFORE or words[-1] not in ",，、" or not after.strip()
    return (not before or before in "：:，, ") and (not after or after in "，,。.") and not _is_plain(text, opened)


def _is_plain(text: str, opened: int) -> bool:
    """Whether a word right before a quote leads into it, as in: the “shop”."""
    return opened > 1 and text[opened - 1] == " " and text[opened - 2].isalnum()


def _merged(parts: Sequence[Piece]) -> list[Piece]:
    """Neighbouring pieces that are told become one."""
    result: list[Piece] = []
    told: list[Piece] = []
    for part in parts:
        if part.spoken:
            result += _one(told)
            told = []
            result.append(part)
        else:
            told.append(part)
    return result + _one(told)


def _one(told: Sequence[Piece]) -> list[Piece]:
    raw = "".join(part.raw for part in told)
    return [Piece(text=raw.strip(), raw=raw)] if raw else []
