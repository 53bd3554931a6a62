"""Dialogue in quotation marks after a name: `角色:「台词」`, scenes parted by `###` lines.

A quotation may run over several lines; it ends with its own closing mark, or where the next name and quotation begin.
What stands after the closing mark stays in the text; stage directions come out of it. `旁白`, `scene`, `narrator`
and no name at all are narration. Any other line is narration too and is noted, unless it is a heading. It knows no
roles.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from finetune.corpora import _speaker_names as speaker_names
from finetune.corpora._directions import say_parted
from finetune.corpora._headings import COLONS, Kind, heading, label, small_direction
from finetune.corpora._rows import read_rows
from finetune.corpora._scene_draft import SceneDraft
from finetune.corpora.base import CorpusFile, Head
from finetune.dialogue import Scene

HELP = "dialogue in quotation marks: 角色:「台词」"
SUFFIXES = (".txt", ".text", ".md")
PRIVATE = False

MOST_ROWS = 200
"""Lines of one quotation; a mark that is open longer was never meant to close."""

_CLOSING = {"「": "」", "『": "』", "“": "”", '"': '"', "＂": "＂", "«": "»"}
_OPEN = "".join(_CLOSING)
_REACH = 200
_CUE = re.compile(
    rf"(?P<name>[^{COLONS}{_OPEN}」』”（）()\[\]【】\n]{{0,60}})(?P<aside>(?:（[^（）]{{0,60}}）|\([^()]{{0,60}}\)){{0,2}})"
    rf"\s*[{COLONS}]\s*(?P<mark>[{_OPEN}])"
)
_BARE = re.compile(rf"(?P<name>[^{COLONS}{_OPEN}」』”（）()\[\]【】\n]{{1,40}})[{COLONS}](?!//)\s*(?=\S)")
_SCENE = "scene"


class _Quotation(NamedTuple):
    """The beginning of a quotation."""

    name: str
    mark: str
    text: str
    """What stands after the opening mark."""


def claims(head: Head) -> float:
    rows = [row.strip() for row in head.text.split("\n")]
    total = sum(map(bool, rows))
    spoken = explained = open_rows = 0
    closing = ""
    for words in filter(None, rows):
        begun = _begun(words)
        spoken += bool(begun)
        inside = bool(closing) and open_rows < MOST_ROWS
        explained += bool(begun or inside or heading(words))
        if begun or inside:
            closing, open_rows = _still_open(begun, words, closing), 0 if begun else open_rows + 1
    return explained / total if spoken >= 2 else 0.0


def _still_open(begun: _Quotation | None, words: str, closing: str) -> str:
    """The mark that a quotation waits for after a line; "" where it is closed."""
    mark, text = (_CLOSING[begun.mark], begun.text) if begun else (closing, words)
    return "" if mark in text else mark


def read(file: CorpusFile) -> Iterator[Scene]:
    """Reads the scenes between `###` lines.

    Raises:
        UnreadableError: It is too large, or no text.
    """
    rows = read_rows(file)
    yield from _Reading(file, _speakers(rows)).scenes(rows)


def _speakers(rows: Sequence[str]) -> frozenset[str]:
    """Names before a quotation anywhere in the file; they may also speak without one."""
    return frozenset(begun.name for row in rows if (begun := _begun(row.strip())) and begun.name)


def _begun(words: str) -> _Quotation | None:
    """The quotation with a name that a stripped line begins with."""
    found = _CUE.match(words[:_REACH])
    if not found:
        return None
    name = found["name"].strip()
    if name.casefold() == _SCENE or speaker_names.is_narrator(name):
        name = ""
    elif name and (not _is_name(name) or speaker_names.saying(name)):
        return None
    return _Quotation(name, found["mark"], words[found.end() :])


def _is_name(name: str) -> bool:
    return bool(speaker_names.grade(name)) or len(speaker_names.joined(name, ())) > 1


class _Reading:
    """Goes through a file line by line; one quotation is open at a time."""

    def __init__(self, file: CorpusFile, known: frozenset[str]) -> None:
        self._file, self._known = file, known
        self._draft = SceneDraft(file)
        self._name, self._place, self._closing = "", "", ""
        self._rows: list[str] = []

    def scenes(self, rows: Sequence[str]) -> Iterator[Scene]:
        for number, row in enumerate(rows, start=1):
            yield from self._take(f"line {number}", row.strip())
        self._break_off()
        yield from self._draft.end()

    def _take(self, place: str, words: str) -> list[Scene]:
        begun = _begun(words)
        found = None if begun else heading(words)
        if begun or found or len(self._rows) > MOST_ROWS:
            self._break_off()
        if begun:
            self._open(place, begun)
        elif found:
            scenes = self._draft.taken()
            if found.level:
                self._draft.head(place, found.level, found.words)
            return scenes
        elif self._closing:
            self._add(place, words)
        elif words:
            return self._other(place, words)
        return []

    def _open(self, place: str, begun: _Quotation | None) -> None:
        """Begins a quotation, and those after it on the same line."""
        while begun:
            self._name, self._place, self._closing = begun.name, place, _CLOSING[begun.mark]
            begun = self._close(begun.text, begun.mark)

    def _add(self, place: str, words: str) -> None:
        opening = next(mark for mark, closing in _CLOSING.items() if closing == self._closing)
        if following := self._close(words, opening):
            self._open(place, following)

    def _close(self, text: str, opening: str) -> _Quotation | None:
        """Adds text up to the closing mark, if it is there; gives the quotation that follows it on the line."""
        end = _end(text, opening, self._closing)
        if end < 0:
            self._rows.append(text)
            return None
        rest = text[end + 1 :].strip()
        following = _begun(rest)
        self._rows.append(text[:end] + ("" if following or not rest else _apart(rest) + rest))
        self._say()
        return following

    def _say(self) -> None:
        text = "\n".join(self._rows).strip()
        self._rows, self._closing = [], ""
        if not text:
            self._file.skip(f'{self._place}: "{self._name[:40]}"', "a name without words")
            return
        names = speaker_names.joined(self._name, self._known) if self._name else ("",)
        if len(names) > 1:
            self._file.note(f'{self._place}: "{self._name[:40]}"', "several speak at once: each was given the words")
        if self._name:
            say_parted(self._draft, self._file, self._place, names, text)
        else:
            self._draft.say(self._place, "", text)

    def _break_off(self) -> None:
        """Ends a quotation whose mark never closed."""
        if self._closing:
            self._file.note(self._place, "a quotation is not closed; it was read up to the next name")
            self._say()

    def _other(self, place: str, words: str) -> list[Scene]:
        """Takes a line without a quotation: somebody who is known, a place or time, or narration."""
        bare = _BARE.match(words[:_REACH])
        if bare and bare["name"].strip() in self._known:
            say_parted(self._draft, self._file, place, (bare["name"].strip(),), words[bare.end() :])
            return []
        told = label(words)
        if told and told.kind in (Kind.PREMISE, Kind.CAST):
            scenes = self._draft.taken()
            self._draft.add_premise(place, words)
            return scenes
        self._file.note(f'{place}: "{words[:40]}"', "a line without a speaker was taken for narration")
        self._draft.say(place, "", small_direction(words) or words)
        return []


def _end(text: str, opening: str, closing: str) -> int:
    """Where the mark that closes a quotation stands; quotations of the same kind may stand within it. -1: nowhere."""
    if opening == closing or opening not in text:
        return text.find(closing)
    depth = 1
    for found in re.finditer(f"[{opening}{closing}]", text):
        depth += 1 if found[0] == opening else -1
        if not depth:
            return found.start()
    return -1


def _apart(rest: str) -> str:
    return " " if rest[0].isascii() and rest[0].isalnum() else ""
