"""Counts what is told of a file by its reason; bounded, whatever a format tells.

It knows no formats and no files.
"""

from collections import Counter

from finetune.reading.report import Tally
from finetune.reading.text import clean_text

MOST_REASONS, MOST_PLACES, LONGEST_PLACE = 100, 3, 100
"""What a report holds of one file: different reasons, and of each so many places, so long."""


class Tallies:
    """What was told of one file."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._places: dict[str, list[str]] = {}

    def add(self, place: str, reason: str) -> None:
        """Counts a reason, and keeps its place if it is one of the first."""
        reason = clean_text(reason)
        if reason not in self._counts and len(self._counts) >= MOST_REASONS:
            reason = "other reasons"
        self._counts[reason] += 1
        places = self._places.setdefault(reason, [])
        if place and len(places) < MOST_PLACES:
            places.append(" ".join(clean_text(place[: 2 * LONGEST_PLACE]).split())[:LONGEST_PLACE])

    def told(self) -> tuple[Tally, ...]:
        """Most frequent first."""
        return tuple(
            Tally(reason=reason, count=count, places=tuple(self._places[reason]))
            for reason, count in sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))
        )
