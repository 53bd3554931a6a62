"""How a script is laid out, learnt from the whole of it: where its names stand, and which names they are.

Three layouts: `名字：台词`, `NAME. Text`, and a NAME alone above its words. A file has the one that most of its
speeches have. A name counts if it looks like one, or recurs where names stand, or if the user says so. It reads no
file and builds no scenes.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from finetune.corpora import _glued_names as glued_names
from finetune.corpora import _speaker_names as speaker_names
from finetune.corpora._cues import Cue, alone_cue, colon_cue, slip_cue, stop_cue
from finetune.corpora._headings import Kind, heading, label
from finetune.corpora._speaker_names import Grade, joined
from finetune.corpora._speech import ends_sentence

MOST_NAMES = 100_000
"""Different words before a colon that are counted; a play has hundreds, a table of numbers has no end of them."""
RECURS = 3
"""Times that a doubtful name must stand before a colon."""

_BESIDE = re.compile(r"[（(\[【][^）)\]】]{0,60}[）)\]】]")
_BETWEEN = re.compile(r"[、，,;；/／\s]+")


class Layout(Enum):
    """Where the names stand."""

    COLON = "name: text"
    STOP = "NAME. Text"
    ALONE = "NAME above its words"


class Script(NamedTuple):
    """What is known of a script before it is read."""

    layout: Layout
    names: Mapping[str, int]
    """Speakers, and how often each opens a line."""
    parted: bool
    """Whether empty lines part its speeches: then all of a paragraph is one speech."""
    punctuated: bool
    """Whether its speeches end as sentences do, so that one that doesn't goes on."""
    spaced: bool
    """Whether empty lines part its names from the words below them, and the paragraphs of one speech."""
    named: frozenset[str]
    """Speakers that the user names: they are taken as they are written."""

    def cue(self, line: str) -> Cue | None:
        """The cue that a stripped line opens with in this layout, whether or not its name is known."""
        cue = _CUES[self.layout](line)
        if self.layout is not Layout.COLON or (cue and self.speakers(cue)):
            return cue
        slip = slip_cue(line)
        return slip if slip and self._speaks_often(slip.name) else cue

    def _speaks_often(self, name: str) -> bool:
        return name in self.named or self.names.get(name, 0) > 1

    def speakers(self, cue: Cue) -> tuple[str, ...]:
        """Who speaks: none where the words are no names of this script; "" for the narrator."""
        if cue.name in self.named:
            return (cue.name,)
        if speaker_names.is_narrator(cue.name):
            return ("",)
        found = glued_names.parted(cue.name, self.names) if cue.name not in self.names else ()
        found = found or joined(cue.name, self.names, together=cue.together)
        known = all(name in self.names for name in found)
        if known and cue.voice:
            return ("" if speaker_names.is_narrator(cue.voice) else cue.voice,)
        return found if known else ()


_CUES = {Layout.COLON: colon_cue, Layout.STOP: stop_cue, Layout.ALONE: alone_cue}


class _Line(NamedTuple):
    words: str
    apart: bool
    """Whether nothing stands right above it."""
    above: bool
    """Whether it stands right above another."""
    headed: bool
    """Whether it is a heading."""


class _Found(NamedTuple):
    cue: Cue
    apart: bool
    """Whether nothing stands right above it."""
    above: bool
    """Whether it stands right above another line."""


def survey(rows: Sequence[str], named: Sequence[str] = ()) -> Script:
    """Learns the layout of a script and the names in it from all of its lines.

    Args:
        named: Speakers that are known from elsewhere.
    """
    listed = frozenset(named) | frozenset(_listed(rows))
    lines = _lines(rows)
    layout, names, cues = max(
        (_candidate(layout, lines, listed, frozenset(named)) for layout in Layout), key=lambda found: len(found[2])
    )
    apart = sum(found.apart for found in cues)
    ended = sum(ends_sentence(found.cue.text) for found in cues)
    return Script(
        layout,
        names,
        parted=apart * 5 >= len(cues) * 4 and len(cues) > 1,
        punctuated=ended * 2 >= len(cues),
        spaced=layout is Layout.ALONE and 2 * sum(found.above for found in cues) < len(cues),
        named=frozenset(named),
    )


def _listed(rows: Sequence[str]) -> Iterator[str]:
    """Names in lines such as `人物：甲、乙（将军）`."""
    for row in rows:
        found = label(row.strip()[:2000])
        if found and found.kind is Kind.CAST:
            names = _BETWEEN.split(_BESIDE.sub("", found.words))
            yield from (name for name in names if speaker_names.grade(name) == Grade.PLAIN)


def _candidate(
    layout: Layout, lines: Sequence[_Line], listed: frozenset[str], named: frozenset[str]
) -> tuple[Layout, dict[str, int], list[_Found]]:
    """The names and cues that a script would have in a layout."""
    cues = list(_cues(layout, lines, named))
    counts = _counted(found.cue for found in cues)
    names = {name: count for name, count in counts.items() if name in listed or _is_name(layout, name, counts)}
    names |= {name: counts[name] for name in listed}
    names = {name: count for name, count in names.items() if name in named or len(joined(name, names)) == 1}
    single = glued_names.atoms(names)
    names = {name: count for name, count in names.items() if name in listed or name in single}
    known = [found for found in cues if names.get(found.cue.name) or speaker_names.is_narrator(found.cue.name)]
    names |= _joint(cues, names)
    return layout, names, known


def _cues(layout: Layout, lines: Sequence[_Line], named: frozenset[str]) -> Iterator[_Found]:
    look = _CUES[layout]
    for line in lines:
        may_be = layout is not Layout.ALONE or line.apart
        cue = look(line.words) if may_be else None
        if cue and layout is Layout.ALONE and not (line.above or cue.bold):
            continue
        if cue and (cue.name in named or not (line.headed or label(line.words))):
            yield _Found(cue, line.apart, line.above)


def _lines(rows: Sequence[str]) -> list[_Line]:
    """The lines that are not blank."""
    lines: list[_Line] = []
    apart = True
    for at, row in enumerate(rows):
        headed = False
        if words := row.strip():
            headed = bool(heading(words))
            lines.append(_Line(words, apart, at + 1 < len(rows) and bool(rows[at + 1].strip()), headed))
        apart = headed or not words
    return lines


def _counted(cues: Iterator[Cue]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for cue in cues:
        told = cue.quoted and speaker_names.saying(cue.name)
        if not told and (cue.name in counts or len(counts) < MOST_NAMES):
            counts[cue.name] += 1
    return counts


def _is_name(layout: Layout, name: str, counts: Mapping[str, int]) -> bool:
    grade = speaker_names.grade(name)
    if grade is Grade.NONE or speaker_names.is_narrator(name) or speaker_names.saying(name) in counts:
        return False
    if counts.get(speaker_names.owner(name), 0) > 1:
        return True
    sure = grade is Grade.PLAIN and (layout is Layout.COLON or name.isupper())
    return sure or counts[name] >= (2 if len(name) <= 4 and not name.isascii() else RECURS)


def _joint(cues: Sequence[_Found], names: Mapping[str, int]) -> dict[str, int]:
    """Names that stand only beside others, as 乙 in `甲、乙：好`, if one is known or they recur."""
    joint: Counter[tuple[str, ...]] = Counter()
    for found in cues:
        parts = joined(found.cue.name, names, together=found.cue.together)
        if len(parts) > 1 and len(joint) < MOST_NAMES:
            joint[parts] += 1
    sure = [
        parts for parts, count in joint.items() if count > 1 or any(part in names or part.isupper() for part in parts)
    ]
    return {part: 0 for parts in sure for part in parts if part not in names}
