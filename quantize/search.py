"""Tries one way after the other until the gate lets one pass: methods, smaller groups, then the worst blocks in 16 bit.

Every try is kept in a table; of those that failed, the nearest one is put aside with the report. It knows no places.
"""

import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from finetune.errors import WorkshopError
from quantize.gate.judge import Judge, Verdict
from quantize.gate.limits import is_enough
from quantize.job import Job, Recipe, Tell
from quantize.methods.base import method, quantized
from quantize.packed.layers import blocks, groups_that_fit

KEPT = (1, 2, 4, 8)
"""How many of the worst blocks stay in 16 bit, in one try after the other."""


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One try.

    Args:
        folder: Of its int4 weights; None where there are none, or they were thrown away.
        verdict: None where it could not be made; then `problem` says why.
        bytes: Size of its weights.
        seconds: For quantizing alone.
    """

    recipe: Recipe
    folder: Path | None = None
    verdict: Verdict | None = None
    problem: str = ""
    bytes: int = 0
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        return self.verdict is not None and self.verdict.passed


class Search:
    """Searches for int4 weights that pass.

    Args:
        job: What all tries have in common; its `out` is a folder in which each gets one of its own.
        most: Tries at most.
    """

    def __init__(self, job: Job, judge: Judge, *, most: int, tell: Tell) -> None:
        self._job, self._judge, self._most, self._tell = job, judge, most, tell
        self.trials: list[Trial] = []

    def run(self, methods: Sequence[str], groups: Sequence[int], keep: tuple[str, ...] = ()) -> Trial | None:
        """Tries until one passes; gives that one, or the nearest one that failed, or None if nothing could be made."""
        for recipe in self._recipes(methods, groups, keep):
            if len(self.trials) >= self._most:
                break
            trial = self._try(recipe)
            self.trials.append(trial)
            if trial.passed:
                return trial
            if trial.verdict and not is_enough(trial.verdict.figures):
                self._tell("there is too little held-out talk to prove anything: no other way would pass either")
                break
            self._tidy()
        return self._nearest()

    def _recipes(self, methods: Sequence[str], groups: Sequence[int], keep: tuple[str, ...]) -> Iterator[Recipe]:
        """First without keeping anything, method by method; then the worst blocks of each method's last try kept."""
        for name in methods:
            for group in self._groups(name, groups):
                yield Recipe(method=name, group=group, keep=keep)
        for name in methods:
            if method(name).KEEPS and (last := self._last_of(name)) and last.folder:
                worst = self._judge.worst(last.folder, blocks(self._job.source))
                for count in KEPT:
                    if count < len(worst):
                        yield replace(last.recipe, keep=(*keep, *sorted(worst[:count])))

    def _groups(self, name: str, groups: Sequence[int]) -> list[int]:
        known = [group for group in method(name).GROUPS if not groups or group in groups]
        fitting = groups_that_fit(self._job.source, known)
        if not fitting:
            self._tell(f"{name}: no groups of {known or list(groups)} divide the rows of these layers")
        return fitting

    def _last_of(self, name: str) -> Trial | None:
        return next((trial for trial in reversed(self.trials) if trial.recipe.method == name and trial.folder), None)

    def _try(self, recipe: Recipe) -> Trial:
        self._tell(f"try {len(self.trials) + 1}: {recipe}")
        out = self._job.out / f"try-{len(self.trials) + 1}"
        started = time.perf_counter()
        try:
            quantized(replace(self._job, recipe=recipe, out=out), self._tell)
            seconds = time.perf_counter() - started
            self._tell(f"quantized in {seconds:.0f} s; the gate measures it beside the 16-bit weights")
            verdict = self._judge.judge(out)
        except WorkshopError as error:
            self._tell(f"it can't be made: {error}")
            return Trial(recipe=recipe, problem=str(error))
        size = sum(path.stat().st_size for path in out.glob("*.safetensors"))
        self._tell("passed" if verdict.passed else "failed")
        return Trial(recipe=recipe, folder=out, verdict=verdict, bytes=size, seconds=seconds)

    def _tidy(self) -> None:
        """Throws away what is neither the nearest nor any method's last: large models fill disks."""
        wanted = [self._nearest(), *(self._last_of(trial.recipe.method) for trial in self.trials)]
        folders = {trial.folder for trial in wanted if trial}
        for at, trial in enumerate(self.trials):
            if trial.folder and trial.folder not in folders:
                shutil.rmtree(trial.folder, ignore_errors=True)
                self.trials[at] = replace(trial, folder=None)

    def _nearest(self) -> Trial | None:
        made = [trial for trial in self.trials if trial.verdict and trial.folder]
        return min(made, key=lambda trial: trial.verdict.figures.kl if trial.verdict else 0.0, default=None)
