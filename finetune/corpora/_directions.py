"""Takes stage directions out of a speech: `[Airily.]`, `【起身】`, and round brackets that are no part of a sentence.

What is in square brackets is never said, wherever it stands. Round brackets may hold words that are said, as `he came
(as always) late`: they are a direction only before, after or between sentences. Numbers, faces as `(´・ω・`)` and
brackets that do not close stay. It knows no formats; where tags in brackets are words, as in chats, nobody asks it.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from finetune.corpora._scene_draft import SceneDraft
from finetune.corpora.base import CorpusFile

OPENS, CLOSES = "\x02", "\x03"
"""Stand around what a file's own markup calls a direction, whatever its words are; no page holds them."""
TAKEN = "a stage direction within a speech was taken out of it and made narration"

_LONGEST = 600
"""Characters of a direction."""
_SIDE = 6
"""Characters beside a bracket that are looked at."""
_BOX = re.compile(
    rf"{OPENS}[^{OPENS}{CLOSES}]*{CLOSES}|[\[【〔［][^\[\]【】〔〕［］]{{1,{_LONGEST}}}[\]】〕］]"
    rf"|[(（](?P<round>[^()（）\[\]【】〔〕［］]{{1,{_LONGEST}}})[)）]"
)
_LETTER = re.compile(r"[^\W\d_]")
_HAN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_WORDS = re.compile(r"[*_]{0,3}(?:[^\W_]|[\s,.，。、;；:：!！?？'’\"“”…—–/&-])+[*_]{0,3}")
_STOPS, _CLOSING = ".。!！?？…~～—–", '"”」』’*_])】）'
_PAUSES = ",，、;；:："
_LEFT_OVER = re.compile(r"[\s.。,，、;；:：—–*_-]*")


class Parted(NamedTuple):
    """A speech and the directions that stood in it, in their order and with their brackets."""

    before: tuple[str, ...]
    """Those that nothing is said before."""
    text: str
    """What is said, stripped; "" where there are only directions."""
    after: tuple[str, ...]


def parted(text: str) -> Parted:
    """Parts a speech from its stage directions."""
    said: list[str] = []
    before: list[str] = []
    after: list[str] = []
    end, spoken = 0, False
    for found in _found(text):
        said.append(text[end : found.start()])
        spoken = spoken or bool(said[-1].strip())
        (after if spoken else before).append(" ".join(found[0].strip(OPENS + CLOSES).split()))
        end = found.end()
    if not end:
        return Parted((), text.strip(), ())
    left = _sewn([*said, text[end:]])
    return Parted(tuple(before), "" if _LEFT_OVER.fullmatch(left) else left, tuple(after))


def say_parted(draft: SceneDraft, file: CorpusFile, place: str, names: tuple[str, ...], text: str) -> None:
    """Adds a speech to a scene: its words for each who speaks, what happens meanwhile as narration beside them."""
    speech = parted(text)
    for words in speech.before:
        draft.say(place, "", words)
    for name in names if speech.text else ():
        draft.say(place, name, speech.text)
    for words in speech.after:
        draft.say(place, "", words)
    for words in (*speech.before, *speech.after):
        file.note(f'{place}: "{words[:40]}"', TAKEN)


def _found(text: str) -> Iterator["re.Match[str]"]:
    last = 0
    for found in _BOX.finditer(text):
        words = found["round"]
        marked = found[0][0] == OPENS
        if marked or (_LETTER.search(found[0]) and (words is None or _stands_apart(text, found, words, last))):
            last = found.end()
            yield found


def _stands_apart(text: str, found: "re.Match[str]", words: str, last: int) -> bool:
    """Whether round brackets hold no part of a sentence; `last` is where the direction before them ends."""
    if not _WORDS.fullmatch(words) or (len(words) == 1 and not _HAN.match(words)):
        return False
    start, end = found.span()
    beside, after = text[max(last, start - _SIDE) : start], text[end : end + _SIDE]
    left, right = beside.rstrip(), after.lstrip(" \t\u3000")
    whole_row = "\n" in beside[len(left) :] and right[:1] in ("", "\n")
    ends = not right and end + _SIDE >= len(text)
    if not left or whole_row or ends or left.endswith("--") or left.rstrip(_CLOSING)[-1:] in _STOPS:
        return True
    return bool(_HAN.search(words)) and (left[-1] in _PAUSES or right[:1] in _PAUSES + _STOPS)


def _sewn(pieces: list[str]) -> str:
    """Puts together what stood around directions, with one space or break where there was some."""
    words: list[str] = []
    gap = ""
    for piece in pieces:
        if not piece.strip():
            gap += piece
            continue
        gap += piece[: len(piece) - len(piece.lstrip())]
        if words:
            words.append("\n" if "\n" in gap else " " if gap else "")
        words.append(piece.strip())
        gap = piece[len(piece.rstrip()) :]
    return "".join(words)
