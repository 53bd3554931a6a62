"""Records of a role → jobs: more lines in its voice, each after a few that it really said.

Which records are shown is drawn by a seed, so that a run that is resumed asks the same. It knows no engine.
"""

from collections.abc import Sequence
from random import Random
from typing import Literal

from finetune.augment.job import Field, Job
from finetune.dialogue import Record
from finetune.errors import WorkshopError

SHOWN = 5
_LONGEST = 400
"""Characters of an example that are shown."""

_TOLD = {
    "en": "You write training dialogue for {role}.\n{persona}\n\nYou are given exchanges in which {role} speaks. Write "
    "{wanted} new ones: {asker} says something else, on another subject, and {role} replies in the same voice, with "
    "the same habits and at the same length. Repeat none of the examples. Write nothing but pairs of "
    "lines in this form:\n"
    "Q: what {asker} says\nA: what {role} replies",
    "zh": "你在为角色“{role}”写训练对话。\n{persona}\n\n下面是{role}说过的几段对话。"
    "请写出{wanted}段新的：{asker}说另一个话题，{role}用同样的"
    "口吻、习惯和长度回答。不要重复例子。只写成对的两行，格式如下：\nQ: {asker}说的话\nA: {role}的回答",
}


def jobs(
    records: Sequence[Record],
    *,
    role: str,
    persona: str,
    asker: str,
    count: int,
    wanted: int = 1,
    seed: int = 0,
    language: Literal["zh", "en"] = "en",
) -> list[Job]:
    """Makes jobs that ask for more lines.

    Args:
        records: What the role said; those that a model wrote are not shown.
        count: Jobs.
        wanted: Records for each.

    Raises:
        WorkshopError: There is nothing to show.
    """
    own = [record for record in records if not record.made_by and record.context and record.reply.strip()]
    if not own:
        raise WorkshopError(role, "it has no lines of its own to show", "make lines.jsonl from a corpus first")
    told = _TOLD[language].format(role=role, persona=persona.strip(), asker=asker, wanted=wanted)
    rng = Random(seed)
    drawn = (rng.sample(own, min(SHOWN, len(own))) for _ in range(count))
    return [_job(shown, told, number, wanted, asker, role, language) for number, shown in enumerate(drawn, start=1)]


def _job(
    shown: Sequence[Record],
    told: str,
    number: int,
    wanted: int,
    asker: str,
    role: str,
    language: Literal["zh", "en"],
) -> Job:
    examples = [_example(record) for record in shown]
    material = "\n\n".join(f"Q: {example['Q']}\nA: {example['A']}" for example in examples)
    return Job(
        task="lines",
        instruction=told,
        material=f"{material}\n\n({number})",
        wanted=wanted,
        sources=tuple(text for example in examples for text in example.values()),
        examples=tuple(examples),
        asker=asker,
        role=role,
        language=language,
    )


def _example(record: Record) -> dict[Field, str]:
    return {"Q": record.context[-1].text[:_LONGEST], "A": record.reply[:_LONGEST]}
