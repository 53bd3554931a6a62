"""Asks an engine for one job: as a request where the base knows requests, as a text to go on with where it does not.

A base without a chat template sees examples as lines of a transcript and writes one field at a time. What is asked is
cut to the base's context, the material first. It knows no files and keeps nothing.
"""

from collections.abc import Mapping
from contextlib import aclosing

from msgspec.structs import replace

from chatroom.engines.base import Engine, Facts
from chatroom.errors import EngineError
from chatroom.messages import Line, Prompt, Sampling
from chatroom.reply import written
from finetune.augment.job import Field, Job

MOST_CHARACTERS = 40_000
"""Of one reply; an engine that does not end is stopped here."""

_USUAL = Sampling(max_tokens=600)


class Writer:
    """Asks an engine that was started.

    Args:
        facts: What the engine said when it was started.
        made_by: Engine and base, as they are to stand in records: `transformers_peft/qwen`.
        sampling: How words are drawn; a reply takes at most a third of the context.
    """

    def __init__(self, engine: Engine, facts: Facts, *, made_by: str, sampling: Sampling = _USUAL) -> None:
        self.made_by = made_by
        self._engine, self._facts = engine, facts
        most = max(1, min(sampling.max_tokens, facts.context // 3))
        self._sampling = replace(sampling, max_tokens=most)

    async def ask(self, job: Job) -> str:
        """The reply to a job, as lines `Q: …` and `A: …` or whatever the model made of that.

        Raises:
            EngineError: The engine can't answer, or the context is too small for the instruction alone.
        """
        material = await self._fitting(job)
        return await (self._request(job, material) if self._facts.has_template else self._go_on(job, material))

    async def _request(self, job: Job, material: str) -> str:
        said = Line(text=material, said=material)
        prompt = Prompt(view=f"augment/{job.key}", premise=job.instruction, lines=(said,), layout="chat")
        return await self._stream(prompt)

    async def _go_on(self, job: Job, material: str) -> str:
        """Lets the model write field after field, each as the next line of a transcript of examples.

        One that fills the context with its first fields is not asked for the others: the reply is no use, and the
        next job may be.
        """
        shown = [_line(name, text) for example in job.examples for name, text in _in_order(example, job)]
        given: list[str] = []
        for _ in range(job.wanted):
            for name in job.fields:
                lines = tuple(Line(text=text) for text in (*shown, *given))
                prompt = Prompt(
                    view=f"augment/{job.key}", premise=f"{job.instruction}\n\n{material}", lines=lines, start=f"{name}:"
                )
                try:
                    given.append(_line(name, _first_line(await self._stream(prompt))))
                except EngineError as error:
                    if error.code != "too_long" or not given:
                        raise
                    return "\n".join(given)
        return "\n".join(given)

    async def _stream(self, prompt: Prompt) -> str:
        pieces, length = [], 0
        async with aclosing(self._engine.stream(prompt, sampling=self._sampling)) as stream:
            async for piece in stream:
                pieces.append(piece)
                length += len(piece)
                if length > MOST_CHARACTERS:
                    break
        return "".join(pieces)

    async def _fitting(self, job: Job) -> str:
        """The material, shortened to what the context leaves for it."""
        examples = "\n".join(text for example in job.examples for text in example.values())
        fixed, size, shown = await self._engine.count([job.instruction, job.material, examples])
        replies = self._sampling.max_tokens * (1 if self._facts.has_template else len(job.fields) * job.wanted)
        room = self._facts.context - self._facts.overhead - fixed - min(replies, self._facts.context // 2)
        room -= 0 if self._facts.has_template else shown
        if room <= 0:
            raise EngineError("the context of this base is too small for the request; use another one", code="too_long")
        return job.material if size <= room else job.material[: int(len(job.material) * room / size * 0.9)]


def _in_order(example: Mapping[Field, str], job: Job) -> list[tuple[Field, str]]:
    return [(name, example[name]) for name in job.fields if example.get(name)]


def _line(name: str, text: str) -> str:
    return written(name, text)


def _first_line(text: str) -> str:
    """What stands before the next field; a base goes on with `A:` where it was asked for a `Q` alone."""
    return text.strip().split("\n")[0].strip()
