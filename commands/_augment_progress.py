"""How far a model has come with writing: a bar on a terminal, elsewhere a line now and then, to standard error.

It knows the outcome so far, and nothing of what is written.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from commands.base import say
from finetune.augment.job import Outcome
from finetune.augment.running import Progress

PAUSE = 5.0
"""Seconds between two lines."""


def progress(title: str) -> AbstractContextManager[Progress]:
    """Shows how far a run has come that goes by this title."""
    return _bar(title) if sys.stderr.isatty() else _lines(title)


@contextmanager
def _bar(title: str) -> Iterator[Progress]:
    """A bar that is gone in the end."""
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True), transient=True, speed_estimate_period=600) as bars:
        bar = bars.add_task(title, total=None)

        def tell(now: Outcome) -> None:
            left = now.jobs - now.before
            bars.update(bar, total=left, completed=now.asked, description=f"{title}: {now.kept:,} kept")

        yield tell


@contextmanager
def _lines(title: str) -> Iterator[Progress]:
    told = time.monotonic()

    def tell(now: Outcome) -> None:
        nonlocal told
        if time.monotonic() - told >= PAUSE:
            told = time.monotonic()
            say(f"{title}: asked {now.before + now.asked:,} of {now.jobs:,}, {now.kept:,} kept")

    yield tell
