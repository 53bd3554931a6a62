"""Screenplays, stage plays and transcripts as plain text: `名字：台词`, `NAME. Text`, a NAME above its words.

A file is looked through once for its layout and names (_script_layout.py), then read. Headings open scenes; labels as
`时间：夜` are a scene's premise; lines in brackets or after `△`, and what a narrator says, are narration. A line
without a speaker goes on with the speech above it where it is indented, stands in its paragraph, or the sentence had
not ended; else it is narration. Every line is accounted for. It knows no roles and merges no spellings of a name.
"""

import re
from collections.abc import Iterator, Sequence

from finetune.corpora._cues import Cue, speeches
from finetune.corpora._directions import say_parted
from finetune.corpora._headings import (
    Heading,
    Kind,
    Label,
    heading,
    is_cast_title,
    is_transition,
    label,
    small_direction,
)
from finetune.corpora._rows import read_rows
from finetune.corpora._scene_draft import SceneDraft
from finetune.corpora._script_layout import Layout, Script, survey
from finetune.corpora._speaker_names import is_narrator
from finetune.corpora._speech import Speech
from finetune.corpora.base import CorpusFile, Head
from finetune.dialogue import Scene

HELP = "screenplays and transcripts: 名字：台词 or NAME: text"
SUFFIXES = (".txt", ".text", ".md", ".fountain", ".script")
PRIVATE = False

MOST_ROWS = 30
"""Lines of a stage direction in brackets; a bracket that is open longer was never meant to close."""

_CLOSING = {"（": "）", "(": ")", "【": "】", "[": "]", "〔": "〕"}
_MARKS = "△▲▽▼◇◆"
_PERSON = re.compile(r"\s*[-*•]?\s*([^：:∶—–\-，,、（(\t]{1,40})(?:\s*(?:[：:∶，,、\t]|[—–-]+)\s*|(?=[（(]))(.{1,400})")
_WORK = re.compile(r"《[^》]{1,60}》.{0,20}")

_RESTS = "a line without a speaker was taken for the rest of the speech above it"
_NARRATED = "a line without a speaker was taken for narration"
_SLIP = "a semicolon after a name was taken for a colon"
_GLUED = "several names are written as one word: each was given the words"
_PLAYED = "somebody speaks as another: the words are that one's"
_UNSURE = "what stands before its colon was not taken for a speaker; the line was taken for narration"


def claims(head: Head) -> float:
    rows = head.text.split("\n")
    script = survey(rows)
    explained = total = spoken = quoted = 0
    inside = False
    for words in map(str.strip, rows):
        cue = script.cue(words) if words else None
        speaks = bool(cue and script.speakers(cue))
        inside = bool(words) and (speaks or (inside and (script.parted or script.layout is not Layout.COLON)))
        total += bool(words)
        spoken += speaks
        quoted += speaks and bool(cue and cue.quoted)
        explained += bool(words) and (inside or _is_known(words))
    return 0.0 if spoken < 2 else (explained - quoted * 0.4) / total


def _is_known(words: str) -> bool:
    return bool(_direction(words) or heading(words) or label(words) or is_transition(words) or small_direction(words))


def read(file: CorpusFile) -> Iterator[Scene]:
    """Reads the scenes of a script; a file without headings is one scene.

    Raises:
        UnreadableError: It is too large, or no text.
    """
    rows = read_rows(file)
    yield from _Reading(file, survey(rows, file.options.names)).scenes(rows)


class _Reading:
    """Goes through a script line by line; one speech is open at a time."""

    def __init__(self, file: CorpusFile, script: Script) -> None:
        self._file, self._script = file, script
        self._draft = SceneDraft(file)
        self._speech: Speech | None = None
        self._gap = True
        self._cast: dict[str, str] | None = None  # persona by name, while a list of characters is read
        self._people: dict[str, str] = {}  # where each of them stands
        self._spoken: set[str] = set()

    def scenes(self, rows: Sequence[str]) -> Iterator[Scene]:
        for number, row in enumerate(rows, start=1):
            if words := row.strip():
                yield from self._take(f"line {number}", row, words)
            self._gap = not words
        self._close()
        yield from self._draft.end()
        for name in sorted(self._people.keys() - self._spoken):
            self._file.skip(f'{self._people[name]}: "{name[:40]}"', "somebody of the cast who never speaks")

    def _take(self, place: str, row: str, words: str) -> list[Scene]:
        """Reads one line that is not blank."""
        cue = self._script.cue(words)
        names = self._script.speakers(cue) if cue else ()
        known = bool(cue and cue.name in self._file.options.names)
        if not known and (found := heading(words)):
            return self._head(place, found)
        if not known and (told := label(words)):
            return self._label(place, words, told)
        if told_small := small_direction(words):
            return self._happens(place, row, told_small)
        if is_cast_title(words):
            return self._list_cast(place, words)
        if self._cast is not None and self._add_person(place, words):
            return []
        if cue and names:
            self._open(place, row, cue, names)
        else:
            self._go_on(place, row, words, unsure=bool(cue) and self._script.layout is Layout.COLON)
        return []

    def _head(self, place: str, found: Heading) -> list[Scene]:
        self._close()
        self._cast = None
        scenes = self._draft.taken()
        if found.level:
            self._draft.head(place, found.level, found.words)
        return scenes

    def _happens(self, place: str, row: str, words: str) -> list[Scene]:
        """Takes a direction that stands as a small heading; between a name and its words it parts nothing."""
        if self._speech and self._speech.is_empty and not self._speech.narrated:
            self._speech.add(f"[{words}]", direction=True)
        else:
            self._narrate(place, row, words, closed=True)
        return []

    def _label(self, place: str, words: str, told: Label) -> list[Scene]:
        """Takes a line such as `时间：夜`: into the premise, or as something that happens."""
        self._close()
        if told.kind is Kind.DIRECTION:
            self._draft.say(place, "", words)
            return []
        if told.kind is Kind.WORK:
            self._file.skip(f'{place}: "{words[:40]}"', "it tells of the work itself")
            return []
        if told.kind is Kind.CAST and not told.words:
            return self._list_cast(place, words)
        scenes = self._draft.taken()
        self._draft.add_premise(place, words)
        return scenes

    def _list_cast(self, place: str, words: str) -> list[Scene]:
        self._close()
        self._cast = {}
        scenes = self._draft.taken()
        self._file.skip(f'{place}: "{words[:40]}"', "the title of a list of characters")
        return scenes

    def _add_person(self, place: str, words: str) -> bool:
        """Takes a line of the list of characters; its end is a name that stands there already, or no such line."""
        found = _PERSON.fullmatch(words)
        name = found[1].strip() if found else ""
        listed = self._cast or {}
        ends = not name or is_narrator(name) or name in listed or (self._gap and len(listed) > 1)
        if not found or ends or _direction(words):
            self._cast = None
            return False
        persona = found[2].strip(" \t\u3000（）()")
        self._cast = {**listed, name: persona}
        self._draft.cast[name], self._people[name] = persona, place
        return True

    def _open(self, place: str, row: str, cue: Cue, names: tuple[str, ...]) -> None:
        """Begins a speech, or several that stand on one line."""
        self._cast = None
        self._tell(place, cue, names)
        (_, first), *others = speeches(cue.text, self._script.names)
        self._begin(Speech(names, place, _indent(row), first), cue.name)
        for name, text in others:
            self._begin(Speech((name,), place, _indent(row), text), name)

    def _begin(self, speech: Speech, begins: str) -> None:
        self._close()
        speech.begins = begins
        self._speech = speech
        self._spoken.update(speech.names)

    def _tell(self, place: str, cue: Cue, names: tuple[str, ...]) -> None:
        if cue.voice and names == (cue.voice,):
            self._file.note(f'{place}: "{cue.name[:40]} ({cue.aside[:40]})"', _PLAYED)
        if cue.left_out:
            self._file.note(f'{place}: "{cue.aside[:40]}"', "what stands in brackets beside a name was left out")
        if cue.slip:
            self._file.note(_quoting(place, cue.name), _SLIP)
        if len(names) > 1 and "".join(names) == cue.name:
            self._file.note(_quoting(place, cue.name), _GLUED)
        elif len(names) > 1:
            self._file.note(f'{place}: "{cue.name[:40]}"', "several speak at once: each was given the words")
        elif self._script.names.get(names[0]) == 1 and names[0] not in self._file.options.names:
            self._file.note(f'{place}: "{cue.name[:40]}"', "this name speaks only once")

    def _go_on(self, place: str, row: str, words: str, *, unsure: bool) -> None:
        """Takes a line without a speaker: the rest of what is open, or narration."""
        speech = self._speech
        if speech and self._belongs(speech, row, words):
            if not (speech.is_empty or speech.until or self._in_paragraph()):
                self._file.note(_quoting(place, words), _RESTS)
            speech.add(words, direction=bool(_direction(words)))
            if speech.until and (speech.until in words or speech.rows > MOST_ROWS):
                self._close()
            return
        direction = _direction(words)
        if not self._draft.begun and not speech and _WORK.fullmatch(words):
            self._file.skip(_quoting(place, words), "it tells of the work itself")
            return
        if not (direction or words[0] in _CLOSING or is_transition(words) or self._script.layout is Layout.ALONE):
            self._file.note(_quoting(place, words), _UNSURE if unsure else _NARRATED)
        self._narrate(place, row, direction or words, closed=bool(direction))

    def _narrate(self, place: str, row: str, words: str, *, closed: bool) -> None:
        closing = _CLOSING.get(words[0], "")
        until = closing if closing and closing not in words else ""
        self._begin(Speech(("",), place, _indent(row), words, until=until), words)
        if closed or not (until or self._whole_paragraphs()):
            self._close()

    def _belongs(self, speech: Speech, row: str, words: str) -> bool:
        """Whether a line without a speaker goes on with what is open."""
        if speech.until:
            return not self._gap
        if (
            _direction(words)
            and not speech.is_empty
            and not (self._script.layout is not Layout.COLON and self._in_paragraph())
        ):
            return False
        if speech.is_empty or self._in_paragraph():
            return True
        if speech.narrated or self._script.layout is Layout.ALONE:
            return self._script.spaced and not speech.narrated
        if self._gap:
            return self._script.punctuated and speech.going_on
        return _indent(row) > speech.indent or (self._script.punctuated and not speech.ended)

    def _whole_paragraphs(self) -> bool:
        return self._script.parted or self._script.layout is not Layout.COLON

    def _in_paragraph(self) -> bool:
        """Whether this line stands in the paragraph of the one above, in a script where that means one speaker."""
        return not self._gap and self._whole_paragraphs()

    def _close(self) -> None:
        speech, self._speech = self._speech, None
        if speech is None:
            return
        text = speech.text()
        if speech.is_empty:
            self._file.skip(_quoting(speech.place, speech.begins), "a name without words")
        if not speech.narrated and not speech.is_empty:
            say_parted(self._draft, self._file, speech.place, speech.names, text)
        elif text:
            self._draft.say(speech.place, "", text)


def _quoting(place: str, words: str) -> str:
    return f'{place}: "{words[:40]}"'


def _indent(row: str) -> int:
    return len(row) - len(row.lstrip())


def _direction(words: str) -> str:
    """The stage direction that a whole line is, without a triangle before it; "" for any other line."""
    if words[0] in _MARKS:
        return words.lstrip(_MARKS + " \t\u3000") or words
    closing = _CLOSING.get(words.lstrip("*_")[:1])
    whole = closing and words.rstrip("*_.。").endswith(closing) and words.count(closing) == 1
    return words if whole or (words[0] in "_*" and words[-1] == words[0] and len(words) > 2) else ""
