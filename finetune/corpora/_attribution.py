"""Who speaks in a novel: the turns of a book, each with the words around it and its speaker where they name one.

It reads one paragraph at a time, with the names of the whole book. Nothing is guessed here: a turn whose words name
nobody has no speaker, and one whose words say `he` has a pronoun. It knows no chapters, no scenes and no other turns.
"""

import re
from collections.abc import Iterator, Sequence

from finetune.corpora import _said_en, _said_zh
from finetune.corpora._book_names import HAN, STARTS, Names
from finetune.corpora._quotes import Piece
from finetune.corpora._said import Pronoun, Said
from finetune.corpora._turn import Turn

_SAYS = re.compile("[，,][^，,。]{0,6}[道说說问問答喊]$")
"""A last clause that does nothing but announce a speech."""
_BEAT = 400
"""Characters of told words in which somebody who acts is looked for."""
_EDGES = " ，,、：:;；\u3000"


def turns(pieces: Sequence[Piece], names: Names) -> list[Turn | str]:
    """The turns of one paragraph, and what is told between them, in order."""
    groups = _groups(pieces, names)
    if not groups:
        return [text] if (text := "".join(piece.raw for piece in pieces).strip()) else []
    if not any(turn.speaker or turn.stranger or turn.pronoun for turn in groups):
        name, pronoun = _acting(pieces, names)
        for turn in groups:
            turn.know(name, False, pronoun)
    return list(groups)


def around(pieces: Sequence[Piece]) -> Iterator[tuple[Said | None, Said | None]]:
    """What stands before and after each speech of a paragraph says of its speaker."""
    return (_around(pieces, at) for at, piece in enumerate(pieces) if piece.spoken)


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
    pronoun: Pronoun = next((said.pronoun for said in (early, late) if said and said.pronoun), "")
    last = result[-1] if result else None
    if last and (not name or name == last.speaker or (not last.speaker and not _is_two(between))):
        last.know(name, stranger, pronoun)
        _go_on(last, between, piece)
        return
    tail, lead = _shared(between) if last else ("", "".join(told))
    if last and tail:
        _finish(last, tail, pieces)
    turn = Turn(_kept(lead, early if early and names.of(early) else None), lead + piece.raw, piece)
    turn.know(name, stranger, pronoun)
    result.append(turn)


def _go_on(turn: Turn, between: str, piece: Piece) -> None:
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
    return _said_zh.before(words) if HAN.search(words[-12:]) else _said_en.before(words)


def _after(words: str) -> Said | None:
    return _said_zh.after(words) if HAN.search(words[:12]) else _said_en.after(words)


def _acting(pieces: Sequence[Piece], names: Names) -> tuple[str, Pronoun]:
    """The only one with whom a sentence that is told in a paragraph begins; nobody where there are several or none."""
    found: set[str] = set()
    meant: set[Pronoun] = set()
    for words in (piece.text[:_BEAT] for piece in pieces if not piece.spoken):
        for start in STARTS.finditer(words):
            begin = words[start.end() : start.end() + 100]
            if name := names.begin(begin):
                found.add(name)
            elif pronoun := _said_en.meant(begin) or _said_zh.meant(begin):
                meant.add(pronoun)
    if "I" in meant and len(meant) == 1 and not found:
        return names.narrator, ""
    if len(found) == 1 and "I" not in meant:
        return found.pop(), ""
    return "", meant.pop() if len(meant) == 1 and not found else ""


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
    return words.lstrip("。.") + ("。" if HAN.search(words[-2:]) else ".")
