"""Who speaks in a novel: the turns of a book, each with the words around it and its speaker where they name one.

Two steps. The first collects what people are called: whatever stands where a speaker stands, and recurs. The second
reads each paragraph with these names. Nothing is guessed here; a turn whose words name nobody has no speaker. It knows
no chapters and no scenes.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence

from finetune.corpora import _said_en, _said_zh
from finetune.corpora._quotes import Piece
from finetune.corpora._said import Said

_HAN = re.compile("[\u3400-\u9fff]")
_STARTS = re.compile(r"(?:^|(?<=[。！？!?…；.\n”」』]))\s*(?=\S)")
_SAYS = re.compile("[，,][^，,。]{0,6}[道说說问問答喊]$")
"""A last clause that does nothing but announce a speech."""
_BEAT = 400
"""Characters of told words in which somebody who acts is looked for."""
_EDGES = " ，,、：:;；\u3000"


class Turn:
    """What somebody says in one paragraph, in one line.

    It is kept in parts: a paragraph may hold thousands of them, and a text that grows is copied each time.
    """

    def __init__(self, lead: str, raw: str, piece: Piece) -> None:
        self.lead, self.open = lead, piece.open
        self.speaker = ""
        """"" while nobody is known."""
        self.stranger = False
        """Whether the words around speak of somebody who has no name; then it is nobody's turn."""
        self._said, self._told, self._raw = [piece.text], [""], [raw]

    @property
    def text(self) -> str:
        """The words that are said."""
        return _full_stop("".join(self._said).strip())

    @property
    def rest(self) -> str:
        """What is told after the speech began."""
        return "".join(self._told).strip()

    @property
    def raw(self) -> str:
        """All of it as it stands in the book."""
        return "".join(self._raw).strip()

    def know(self, name: str, stranger: bool) -> None:
        """Takes what is known of the speaker; what was known before stays."""
        self.speaker = self.speaker or name
        self.stranger = self.stranger or stranger

    def say(self, piece: Piece, after: str) -> None:
        """Goes on after some words that are told, as `said Tom.`, for which a comma stood in place of a full stop."""
        if after.rstrip().endswith((".", "。")):
            self._said[-1] = _full_stop(self._said[-1])
        self._said.append(_gap(self._said[-1], piece.text) + piece.text)
        self._raw += [after, piece.raw]
        self.open = piece.open

    def tell(self, words: str, raw: str) -> None:
        """Adds what is told beside the speech; only `raw` where it is not worth keeping."""
        if words:
            self._told.append(_gap(self._told[-1], words) + words)
        self._raw.append(raw)

    def take(self, other: "Turn") -> None:
        """Goes on in the next paragraph."""
        self._said += ["\n", *other._said]
        self._raw += ["\n", *other._raw]
        if other.rest:
            self._told.append(_gap(self._told[-1], other.rest) + other.rest)
        self.know(other.speaker, other.stranger)
        self.open = other.open


class Names:
    """What the people of a book are called."""

    def __init__(self, given: Collection[str]) -> None:
        self._given = {name.strip() for name in given if name.strip()}
        self._counts: Counter[str] = Counter()
        self._known = set(self._given)
        self._longest = 0

    def collect(self, pieces: Sequence[Piece]) -> None:
        """Counts what stands where a speaker stands in one paragraph."""
        for at, piece in enumerate(pieces):
            if piece.spoken:
                for said in _around(pieces, at):
                    if said and said.sure and not said.thought:
                        self._counts[said.subject] += 1

    def settle(self, texts: Iterable[str]) -> None:
        """Decides what is a name: it recurs, or has a capital; longer forms are led back to shorter ones.

        Args:
            texts: The paragraphs, in which who is named once as a speaker may act elsewhere.
        """
        acts = Counter(name for text in texts for name in self._acting(text))
        self._counts += Counter({name: 1 for name, count in acts.items() if count > 1})
        for name, count in list(self._counts.items()):
            short = next((name[:end] for end in range(2, len(name)) if self._counts[name[:end]] >= count), "")
            if _HAN.match(name):
                self._known |= {short or name} if count + self._counts[short] > 1 else set()
            elif count > 1 or not name.startswith("the "):
                self._known.add(name)
        self._longest = max(map(len, self._known), default=0)

    def _acting(self, text: str) -> Iterator[str]:
        """Those who may be names and begin a sentence."""
        for start in _STARTS.finditer(text):
            at = start.end()
            yield from (text[at : at + size] for size in (2, 3, 4) if text[at : at + size] in self._counts)

    def of(self, said: Said) -> str:
        """The name in what is said of a speaker; "" where there is none."""
        return "" if said.pronoun else self.begin(said.subject)

    def begin(self, words: str) -> str:
        """The longest name that words begin with."""
        for end in range(min(self._longest, len(words)), 0, -1):
            if words[:end] in self._known and (_HAN.match(words) or not words[end : end + 1].isalnum()):
                return words[:end]
        return ""


def turns(pieces: Sequence[Piece], names: Names) -> list[Turn | str]:
    """The turns of one paragraph, and what is told between them, in order."""
    groups = _groups(pieces, names)
    if not groups:
        return [text] if (text := "".join(piece.raw for piece in pieces).strip()) else []
    if not any(turn.speaker or turn.stranger for turn in groups) and (name := _acting(pieces, names)):
        for turn in groups:
            turn.speaker = name
    return list(groups)


def _groups(pieces: Sequence[Piece], names: Names) -> list[Turn]:
    result: list[Turn] = []
    told: list[str] = []  # words before the first speech
    for at, piece in enumerate(pieces):
        if not piece.spoken:
            if result and at < len(pieces) - 1:
                continue  # words between two speeches are shared out with the second
            told.append(piece.raw)
            continue
        early, late = _around(pieces, at)
        if any(said and said.thought for said in (early, late)) and not (early and not early.thought):
            _take_told(result, told, piece, pieces, at)
            continue
        _speak(result, told, piece, pieces, at, names)
        told = []
    if told and result:
        _finish(result[-1], "".join(told), pieces)
    return result


def _speak(result: list[Turn], told: list[str], piece: Piece, pieces: Sequence[Piece], at: int, names: Names) -> None:
    """Adds a speech to the turn before it, or begins another."""
    early, late = _around(pieces, at)
    between = pieces[at - 1].raw if result and at and not pieces[at - 1].spoken else ""
    name, stranger = _speaker(early, late, names)
    last = result[-1] if result else None
    if last and (not name or name == last.speaker or (not last.speaker and not _is_two(between))):
        _go_on(last, name, stranger, between, piece)
        return
    tail, lead = _shared(between) if last else ("", "".join(told))
    if last and tail:
        _finish(last, tail, pieces)
    turn = Turn(_kept(lead, early if early and names.of(early) else None), lead + piece.raw, piece)
    turn.know(name, stranger)
    result.append(turn)


def _go_on(turn: Turn, name: str, stranger: bool, between: str, piece: Piece) -> None:
    turn.know(name, stranger)
    if between:
        turn.tell(_kept(between, _after(between)), "")
    turn.say(piece, between)


def _finish(turn: Turn, words: str, pieces: Sequence[Piece]) -> None:
    """Adds what is told behind the last speech of a turn."""
    turn.tell(_kept(words, _after(words)), words)
    turn.open = turn.open and pieces[-1].open


def _take_told(result: list[Turn], told: list[str], piece: Piece, pieces: Sequence[Piece], at: int) -> None:
    """A thought is told, not said."""
    between = pieces[at - 1].raw if result and at and not pieces[at - 1].spoken else ""
    if result:
        result[-1].tell((between + piece.raw).strip(), between + piece.raw)
    else:
        told.append(piece.raw)


def _around(pieces: Sequence[Piece], at: int) -> tuple[Said | None, Said | None]:
    """What stands before and after a speech says of its speaker."""
    early = pieces[at - 1].raw if at and not pieces[at - 1].spoken else ""
    late = pieces[at + 1].raw if at + 1 < len(pieces) and not pieces[at + 1].spoken else ""
    return _before(early) if early else None, _after(late) if late else None


def _speaker(early: Said | None, late: Said | None, names: Names) -> tuple[str, bool]:
    """Who speaks, or whether it is somebody without a name."""
    both = [said for said in (early, late) if said]
    name = next((name for said in both if (name := names.of(said))), "")
    return name, not name and any(said.stranger or said.sure for said in both)


def _before(words: str) -> Said | None:
    return _said_zh.before(words) if _HAN.search(words[-12:]) else _said_en.before(words)


def _after(words: str) -> Said | None:
    return _said_zh.after(words) if _HAN.search(words[:12]) else _said_en.after(words)


def _acting(pieces: Sequence[Piece], names: Names) -> str:
    """The only name with which a sentence that is told in a paragraph begins; "" where there are several or none."""
    found: set[str] = set()
    for piece in pieces:
        if not piece.spoken:
            words = piece.text[:_BEAT]
            found |= {name for start in _STARTS.finditer(words) if (name := names.begin(words[start.end() :]))}
    return found.pop() if len(found) == 1 else ""


def _shared(between: str) -> tuple[str, str]:
    """Words between two speakers: whose sentence ends belongs to the first, the last one to the second."""
    cut = max(between.rstrip(" ：:，,").rfind(mark) for mark in "。！？.!?")
    return (between[: cut + 1], between[cut + 1 :]) if cut >= 0 else ("", between)


def _is_two(between: str) -> bool:
    """Whether words between two speeches hold the end of a sentence: then the second may be another's."""
    return bool(_shared(between)[0].strip(" 。.，,"))


def _kept(words: str, said: Said | None) -> str:
    """What is worth keeping of words beside a speech: more than who speaks."""
    words = _SAYS.sub("", words.strip(_EDGES))
    if not any(char.isalnum() for char in words) or (said and said.bare):
        return ""
    if words[-1] in "。！？.!?…”」":
        return words.lstrip("。.")
    return words.lstrip("。.") + ("。" if _HAN.search(words[-2:]) else ".")


def _full_stop(text: str) -> str:
    """A speech with the full stop for which a comma stands before `said Tom`."""
    return text[:-1] + {",": ".", "，": "。"}[text[-1]] if text[-1:] in (",", "，") and text else text


def _gap(first: str, second: str) -> str:
    """What parts two stretches of text: a blank between words, nothing between Chinese characters."""
    return "" if not first or not second or first[-1] > "\u2e7f" or second[0] > "\u2e7f" else " "


def joined(items: Iterator[Turn | str]) -> Iterator[Turn | str]:
    """The turns of a book, where a speech that goes on in the next paragraph is one turn."""
    last: Turn | None = None
    for item in items:
        if isinstance(item, Turn) and last and last.open and not item.lead:
            last.take(item)
            continue
        if last:
            yield last
        last = item if isinstance(item, Turn) else None
        if isinstance(item, str):
            yield item
    if last:
        yield last
