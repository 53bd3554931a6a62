"""How far a training has come: a bar on a terminal, elsewhere a line for every measuring. And when to stop early.

All of it goes to standard error. It knows no model and no data.
"""

import sys
import time
from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from transformers import TrainerCallback, TrainerControl, TrainerState

from finetune.training.scores import perplexity

Clock = Callable[[], float]


class Bar(TrainerCallback):  # type: ignore[misc]  # it has no types
    """A bar with loss, held-out perplexity and the time left."""

    def __init__(self, title: str) -> None:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[told]}", markup=False),
            TimeRemainingColumn(),
        )
        self._bar = Progress(*columns, console=Console(stderr=True), speed_estimate_period=600)
        self._title, self._loss, self._held = title, "", ""
        self._task: TaskID | None = None

    def on_train_begin(self, _: object, state: TrainerState, control: TrainerControl, **rest: object) -> None:
        self._bar.start()
        self._task = self._bar.add_task(self._title, total=state.max_steps, completed=state.global_step, told="")

    def on_step_end(self, _: object, state: TrainerState, control: TrainerControl, **rest: object) -> None:
        if self._task is not None:
            self._bar.update(self._task, completed=state.global_step, told=" ".join((self._loss, self._held)).strip())

    def on_log(self, _: object, state: TrainerState, control: TrainerControl, **rest: object) -> None:
        newest = state.log_history[-1] if state.log_history else {}
        if "loss" in newest:
            self._loss = f"loss {newest['loss']:.2f}"
        if "eval_loss" in newest:
            self._held = f"held-out perplexity {perplexity(newest['eval_loss']):.1f}"

    def on_train_end(self, _: object, state: TrainerState, control: TrainerControl, **rest: object) -> None:
        self._bar.stop()


class Lines(TrainerCallback):  # type: ignore[misc]  # it has no types
    """A line for every measuring."""

    def __init__(self, title: str, clock: Clock = time.monotonic) -> None:
        self._title, self._clock, self._began, self._from, self._loss = title, clock, clock(), 0, ""

    def on_train_begin(self, _: object, state: TrainerState, control: TrainerControl, **rest: object) -> None:
        self._began, self._from = self._clock(), state.global_step

    def on_log(self, _: object, state: TrainerState, control: TrainerControl, **rest: object) -> None:
        newest = state.log_history[-1] if state.log_history else {}
        if "loss" in newest:
            self._loss = f"loss {newest['loss']:.2f}, "
        if "eval_loss" not in newest:
            return
        done = max(1, state.global_step - self._from)
        left = (self._clock() - self._began) / done * (state.max_steps - state.global_step)
        held = f"held-out perplexity {perplexity(newest['eval_loss']):.1f}"
        told = f"{self._title}: epoch {state.epoch or 0:.1f}, {self._loss}{held}, {left / 60:.1f} minutes left"
        print(told, file=sys.stderr, flush=True)


class Patience(TrainerCallback):  # type: ignore[misc]  # it has no types
    """Stops where several measurings have brought nothing. It keeps nothing itself, so that a resumed run knows all."""

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self.stopped = ""

    def on_evaluate(self, _: object, state: TrainerState, control: TrainerControl, **rest: object) -> None:
        losses = [row["eval_loss"] for row in state.log_history if "eval_loss" in row]
        since = len(losses) - 1 - losses.index(min(losses)) if losses else 0
        if since >= self._patience:
            control.should_training_stop = True
            self.stopped = f"the last {since} measurings brought nothing"


class Deadline(TrainerCallback):  # type: ignore[misc]  # it has no types
    """Saves every few minutes, and stops when the time is over."""

    def __init__(self, save: float, end: float, clock: Clock = time.monotonic) -> None:
        self._save, self._end, self._clock = save, end, clock
        self._began = self._saved = clock()
        self.stopped = ""

    def on_save(self, _: object, state: TrainerState, control: TrainerControl, **rest: object) -> None:
        self._saved = self._clock()

    def on_step_end(self, _: object, state: TrainerState, control: TrainerControl, **rest: object) -> None:
        now = self._clock()
        if now - self._saved >= self._save * 60:
            control.should_save = True
        if self._end and now - self._began >= self._end * 60:
            control.should_training_stop = True
            self.stopped = f"{self._end:g} minutes were over"


def shown(title: str) -> TrainerCallback:
    """What suits standard error: a bar or lines."""
    return Bar(title) if sys.stderr.isatty() else Lines(title)
