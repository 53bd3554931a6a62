"""How often a person may send something: a token bucket per person, whatever the number of their connections.

Knows names of persons and a clock that it is handed.
"""

import math


class Rates:
    """Args:
    burst: Frames at once.
    per_second: Frames in the long run.
    """

    def __init__(self, burst: int, per_second: float) -> None:
        self._burst, self._per_second = burst, per_second
        self._buckets: dict[str, tuple[float, float]] = {}
        """Person → tokens left, and when that was."""

    def take(self, person: str, now: float) -> int:
        """Takes one token; gives 0, or the milliseconds to wait until there is one again."""
        tokens = self._tokens(person, now)
        if tokens < 1:
            return math.ceil(1000 * (1 - tokens) / self._per_second)
        self._buckets[person] = (tokens - 1, now)
        return 0

    def forget(self, now: float) -> None:
        """Drops the buckets that are full again: they say nothing."""
        for person in [person for person in self._buckets if self._tokens(person, now) >= self._burst]:
            del self._buckets[person]

    def _tokens(self, person: str, now: float) -> float:
        left, then = self._buckets.get(person, (float(self._burst), now))
        return min(self._burst, left + (now - then) * self._per_second)
