"""Asks a model who speaks, question by question, and keeps every answer: what was answered is not asked again.

An answer is on the disk before the next is counted. When the engine or the disk fails, nothing more is asked, what was
answered counts, and the outcome says why. It knows no prompts and nothing of scenes.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence

import msgspec
from msgspec.structs import replace

from chatroom.errors import EngineError
from finetune.augment.attribute import Answer, Question, read
from finetune.augment.job import Outcome
from finetune.augment.journal import Journal
from finetune.augment.writer import Writer
from finetune.dialogue import Line, Record
from finetune.errors import WorkshopError

AT_ONCE = 4


class Asked(Outcome, frozen=True, kw_only=True):
    """How far a run is; `kept` are speeches with a name, `unusable` answers that were refused.

    Args:
        unknown: Speeches of which the model said that it can't tell.
    """

    unknown: int = 0


Progress = Callable[[Outcome], None]


async def run(
    questions: Sequence[Question], writer: Writer, journal: Journal, progress: Progress | None = None
) -> Asked:
    """Asks what the journal doesn't hold; the outcome counts what this run was told."""
    work = _Run(questions, writer, journal, progress)
    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(work.go_on())
    return work.outcome


def answers(questions: Sequence[Question], journal: Journal) -> list[tuple[Question, Answer]]:
    """What the journal holds of these questions; a reply is checked as strictly as when it came."""
    held = {record.context[0].text: record.reply for record in journal.records if record.context}
    return [(each, read(held[each.job.key], each)) for each in questions if each.job.key in held]


class _Run:
    """One run: several workers take questions from the same row."""

    def __init__(
        self, questions: Sequence[Question], writer: Writer, journal: Journal, progress: Progress | None
    ) -> None:
        different = {question.job.key: question for question in questions}
        left = [(key, question) for key, question in different.items() if key not in journal.asked]
        self.outcome = Asked(jobs=len(different), before=len(different) - len(left))
        self._left: Iterator[tuple[str, Question]] = iter(left)
        self._writer, self._journal, self._progress = writer, journal, progress

    async def go_on(self) -> None:
        """Asks one question after another."""
        while not self.outcome.error and (each := next(self._left, None)) is not None:
            try:
                reply = await self._writer.ask(each[1].job)
            except EngineError as error:
                self._stop(str(error))
                return
            try:
                self._keep(*each, reply)
            except OSError as error:
                problem = f"it can't be written: {error.strerror or error}"
                self._stop(str(WorkshopError(str(self._journal.path), problem, "make room on the disk")))

    def _stop(self, error: str) -> None:
        """Lets nobody ask for more; the first reason is told."""
        self.outcome = replace(self.outcome, error=self.outcome.error or error)

    def _keep(self, key: str, question: Question, reply: str) -> None:
        """Keeps the names that were told, under the key of their question; a refused reply is kept as an empty one."""
        answer = read(reply, question)
        numbers = range(1, len(question.places) + 1)
        told = {str(number): answer.names[str(number)] for number in numbers if str(number) in answer.names}
        row = Record(
            context=[Line(name="question", text=key)],
            reply=msgspec.json.encode(told).decode(),
            made_by=self._writer.made_by,
        )
        self._journal.add(key, [row])
        now = self.outcome
        self.outcome = replace(
            now,
            asked=now.asked + 1,
            kept=now.kept + len(answer.names),
            unknown=now.unknown + answer.unknown,
            unusable=now.unusable + answer.refused,
        )
        if self._progress:
            self._progress(self.outcome)
