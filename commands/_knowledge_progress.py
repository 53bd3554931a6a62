"""How far a build has come: a bar on a terminal, elsewhere a line now and then. All of it goes to standard error."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from commands.base import say
from knowledge.indexing.build import Progress

PAUSE = 5.0
"""Seconds between two lines."""

Tell = Callable[[Progress], None]


def progress(title: str) -> AbstractContextManager[Tell]:
    """Shows how far a build has come that goes by this title."""
    return _bars(title) if sys.stderr.isatty() else _lines(title)


@contextmanager
def _bars(title: str) -> Iterator[Tell]:
    """A bar for each stage, gone in the end."""
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.TaskProgressColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True), transient=True, speed_estimate_period=600) as bars:
        tasks: dict[str, progress.TaskID] = {}

        def tell(now: Progress) -> None:
            if now.stage not in tasks:
                tasks[now.stage] = bars.add_task(f"{title}: {now.stage}")
            bars.update(tasks[now.stage], total=now.total, completed=now.done)

        yield tell


@contextmanager
def _lines(title: str) -> Iterator[Tell]:
    told = time.monotonic()

    def tell(now: Progress) -> None:
        nonlocal told
        if time.monotonic() - told >= PAUSE:
            told = time.monotonic()
            say(f"{title}: {now.stage}, {now.done / max(1, now.total):.0%}, {now.passages:,} passages")

    yield tell
