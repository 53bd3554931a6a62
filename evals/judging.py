"""Scores: what share of the replies passes each task, and which ones fail, and why."""

from collections.abc import Sequence
from itertools import pairwise
from statistics import median, quantiles

import msgspec

from chatroom import plugins
from evals.asking import Reply
from evals.tasks.base import Known, Task, tokens

TASKS = "evals.tasks"


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A reply that fails, and why."""

    reply: Reply
    why: str


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one task.

    Args:
        help: What a good reply does.
        expected: Share of the replies that should.
        asked: How many replies it is asked of.
        reliability: How often the judge itself is right, where that is known.
    """

    task: str
    help: str
    expected: float
    asked: int
    failures: tuple[Failure, ...]
    reliability: float | None = None

    @property
    def share(self) -> float:
        """Share of the replies that pass; 1.0 where none was asked."""
        return 1 - len(self.failures) / self.asked if self.asked else 1.0


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What is measured and not judged.

    Args:
        words: Median words of a reply.
        distinct: Share of all pairs of words that are said once only: low where everybody says the same.
        first: Median and slowest twentieth, in seconds, until the first piece.
        speed: Median token ids a second after the first piece.
    """

    words: float
    distinct: float
    first: tuple[float, float]
    speed: float


def judged(replies: Sequence[Reply], known: Known) -> list[Score]:
    """The score of every task."""
    return [_score(name, replies, known) for name in plugins.names(TASKS)]


def figures(replies: Sequence[Reply]) -> Figures:
    """Figures over all replies; 0.0 where there are none."""
    texts = [[word.lower() for word in tokens(reply.text)] for reply in replies]
    pairs = [pair for words in texts for pair in pairwise(words)]
    speeds = [(reply.used - 1) / (reply.seconds - reply.first) for reply in replies if reply.seconds > reply.first]
    return Figures(
        words=_middle([len(words) for words in texts]),
        distinct=len(set(pairs)) / max(1, len(pairs)),
        first=_first([reply.first for reply in replies]),
        speed=_middle(speeds),
    )


def _middle(values: Sequence[float]) -> float:
    return float(median(values)) if values else 0.0


def _first(waits: Sequence[float]) -> tuple[float, float]:
    """Median and slowest twentieth; never more than the slowest, however few there are."""
    slow = quantiles(waits, n=20, method="inclusive")[-1] if len(waits) > 1 else _middle(waits)
    return _middle(waits), slow


def _score(name: str, replies: Sequence[Reply], known: Known) -> Score:
    task: Task = plugins.load(TASKS, name)  # a module with these names
    verdicts = [(reply, task.judge(reply, known)) for reply in replies]
    measure = getattr(task, "reliability", None)
    return Score(
        task=name,
        help=task.HELP,
        expected=task.EXPECTED,
        asked=sum(1 for _, why in verdicts if why is not None),
        failures=tuple(Failure(reply=reply, why=why) for reply, why in verdicts if why),
        reliability=measure(known) if measure else None,
    )
