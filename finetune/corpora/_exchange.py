"""Whose turn it is where the words do not say, for two people who talk in turns and some of whose turns are known.

Only what is clear is filled in: exactly two names in the exchange, and every known turn where its place says. A longer
stretch that is known at one end only stays open beyond its first few turns. It knows no text.
"""

from collections.abc import Sequence

from finetune.corpora._attribution import Turn

MOST_ONE_SIDED = 6
"""Turns in a row that are filled in from one end only."""


def fill(turns: Sequence[Turn]) -> set[int]:
    """Fills in the speakers of one exchange; returns which turns, by their index."""
    names = {turn.speaker for turn in turns if turn.speaker}
    if len(names) != 2 or any(turn.stranger and not turn.speaker for turn in turns):
        return set()
    filled: set[int] = set()
    first, second = sorted(names)
    other = {first: second, second: first}
    for begin, end in _gaps(turns):
        filled |= _fill_gap(turns, begin, end, other)
    return filled


def _gaps(turns: Sequence[Turn]) -> list[tuple[int, int]]:
    """Stretches without a speaker."""
    gaps: list[tuple[int, int]] = []
    begin = -1
    for at, turn in enumerate(turns):
        if turn.speaker and begin >= 0:
            gaps.append((begin, at))
            begin = -1
        elif not turn.speaker and begin < 0:
            begin = at
    return [*gaps, (begin, len(turns))] if begin >= 0 else gaps


def _fill_gap(turns: Sequence[Turn], begin: int, end: int, other: dict[str, str]) -> set[int]:
    left = turns[begin - 1].speaker if begin else ""
    right = turns[end].speaker if end < len(turns) else ""
    size = end - begin
    if left and right:
        if (left == right) != (size % 2 == 1):
            return set()  # somebody spoke twice, or a third one did
    elif size > MOST_ONE_SIDED:
        begin, end = (begin, begin + MOST_ONE_SIDED) if left else (end - MOST_ONE_SIDED, end)
    places = range(begin, end) if left else range(end - 1, begin - 1, -1)
    name = left or right
    for at in places:
        name = other[name]
        turns[at].speaker = name
    return set(places)
