"""Runs jobs: asks for each that was not asked yet, keeps what is usable and new, and tells how far it is.

At most a few are asked at a time. When the engine or the disk fails, nothing more is asked, what was kept stays, and
the outcome says why; the next run goes on from there. It knows no prompts and no format of files.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence

from msgspec.structs import replace

from chatroom.errors import EngineError
from finetune.augment import replies
from finetune.augment.copies import Said, is_copied
from finetune.augment.job import Job, Outcome
from finetune.augment.journal import Journal
from finetune.augment.writer import Writer
from finetune.dialogue import Record
from finetune.errors import WorkshopError

AT_ONCE = 4

Progress = Callable[[Outcome], None]


async def run(
    jobs: Sequence[Job], writer: Writer, journal: Journal, progress: Progress | None = None, *, at_once: int = AT_ONCE
) -> Outcome:
    """Asks for jobs until all are asked, or the engine or the disk fails.

    Args:
        journal: What it holds is neither asked again nor said again.
        progress: Told after every job.
    """
    work = _Run(jobs, writer, journal, progress)
    async with asyncio.TaskGroup() as group:
        for _ in range(max(1, at_once)):
            group.create_task(work.go_on())
    return work.outcome


class _Run:
    """One run: several workers take jobs from the same row."""

    def __init__(self, jobs: Sequence[Job], writer: Writer, journal: Journal, progress: Progress | None) -> None:
        different = {job.key: job for job in jobs}
        open_ = [(key, job) for key, job in different.items() if key not in journal.asked]
        self.outcome = Outcome(jobs=len(different), before=len(different) - len(open_))
        self._left: Iterator[tuple[str, Job]] = iter(open_)
        self._writer, self._journal, self._progress = writer, journal, progress
        self._said = Said()
        for record in journal.records:
            self._said.add(_told(record))

    async def go_on(self) -> None:
        """Asks for jobs one after another."""
        while not self.outcome.error and (job := next(self._left, None)) is not None:
            try:
                reply = await self._writer.ask(job[1])
            except EngineError as error:
                self._stop(str(error))
                return
            try:
                self._keep(*job, reply)
            except OSError as error:
                problem = f"it can't be written: {error.strerror or error}"
                self._stop(str(WorkshopError(str(self._journal.path), problem, "make room on the disk")))

    def _stop(self, error: str) -> None:
        """Lets nobody ask for more; the first reason is told."""
        self.outcome = replace(self.outcome, error=self.outcome.error or error)

    def _keep(self, key: str, job: Job, reply: str) -> None:
        given = [replies.usable(each, job) for each in replies.read(reply, job)[: job.wanted]]
        made = [job.record(fields, self._writer.made_by) for fields in given if fields]
        new = [record for record in made if self._is_new(record, job)]
        self._journal.add(key, new)
        now = self.outcome
        self.outcome = replace(
            now,
            asked=now.asked + 1,
            kept=now.kept + len(new),
            unusable=now.unusable + (len(given) - len(made) or (0 if given else 1)),
            copies=now.copies + len(made) - len(new),
        )
        if self._progress:
            self._progress(self.outcome)

    def _is_new(self, record: Record, job: Job) -> bool:
        """Whether what the model wrote of a record copies neither its source nor what was said before."""
        written = [line.text for line in record.context] + ([] if job.answer else [record.reply])
        return not any(is_copied(text, job.sources) for text in written[-1:]) and self._said.add(_told(record))


def _told(record: Record) -> str:
    return "\n".join([*(line.text for line in record.context), record.reply])
