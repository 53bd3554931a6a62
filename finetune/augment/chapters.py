"""Chapters and known lines → jobs: where a scene begins, and what somebody says that the role's line answers.

The role's line stands in the book; the model writes only what leads to it. It knows no engine.
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from finetune.augment.job import Job

AROUND = 1_500
"""Characters of a chapter before the line that are shown."""

_TOLD = {
    "en": "You turn a novel into dialogue for {role}.\n{persona}\n\nYou are given a passage of the book and a line "
    "that {role} says there. Write the premise of the scene in one sentence, without giving the line away, and what "
    "{asker} says just before it, so that the line answers it. Write nothing but two lines in this form:\n"
    "P: the premise\nQ: what {asker} says",
    "zh": "你在把小说改写成角色“{role}”的对话。\n{persona}\n\n下面是书中的一段，以及{role}在其中说的一句话。"
    "请用一句话写出场景的前提，不要透露"
    "这句话；再写出{asker}在这句话之前说的话，使这句话正好是回答。只写两行，格式如下：\nP: 前提\nQ: {asker}说的话",
}
_LINE = {"en": "The line:", "zh": "这句话："}


class Known(NamedTuple):
    """A line of the role, and the text of the book that stands before it."""

    before: str
    line: str


def jobs(
    known: Iterable[Known], *, role: str, persona: str, asker: str, language: Literal["zh", "en"] = "en"
) -> list[Job]:
    """Makes a job of every known line; blank ones are left out."""
    told = _TOLD[language].format(role=role, persona=persona.strip(), asker=asker)
    return [
        Job(
            task="chapters",
            instruction=told,
            material=f"{each.before[-AROUND:].strip()}\n\n{_LINE[language]} {each.line.strip()}",
            fields=("P", "Q"),
            sources=(each.line,),
            asker=asker,
            role=role,
            answer=each.line.strip(),
            language=language,
        )
        for each in known
        if each.line.strip()
    ]
