"""Renders records and scenes into examples, by the code that serves: context.py and chat_template.py.

An example is token ids and, for each, whether there is loss on it: on the reply and its end, and for the base also on
the transcript before it, never on the tail. It knows no model and draws nothing at random: see variety.py.

    nice -n 19 python -m finetune.dataset finetune/recipes/hearth.toml      # prints one example of every role
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from transformers import AutoTokenizer

from chatroom import context
from chatroom.chat_template import ChatTemplate
from chatroom.engines.base import Facts
from chatroom.messages import Message, Passage, Prompt, Recalled, Speaker
from chatroom.words import words
from finetune.dialogue import Line, Scene

CONTEXT = 2048


@dataclass(frozen=True, kw_only=True)
class Example:
    """Token ids, and for each whether the model is to learn it; both have one length."""

    ids: list[int]
    learn: list[bool]


@dataclass(frozen=True, kw_only=True)
class Moment:
    """Somebody's turn: what was said before it, what they know, and what they then say."""

    premise: str
    heard: Sequence[Line]
    name: str
    persona: str
    reply: str
    passages: Sequence[str] = ()


def our_template(base: Path) -> ChatTemplate:
    """The rendering of a base that we make: no chat template, lines closed by `<|end|>`."""
    return ChatTemplate(AutoTokenizer.from_pretrained(base, local_files_only=True), ours=True)


def prompt_of(template: ChatTemplate, moment: Moment) -> Prompt:
    """Lays the moment out and fits it into the context, as the room does."""
    heard = [
        Message(seq=at, id=str(at), author=_speaker(line.name), text=line.text) for at, line in enumerate(moment.heard)
    ]
    drafted = context.draft(
        context.Asked(id=moment.name, name=moment.name, persona=moment.persona, words=words("en")),
        context.Scene(room="training", premise=moment.premise, words=words("en")),
        heard,
        recalled=Recalled(passages=tuple(Passage(id=str(at), text=text) for at, text in enumerate(moment.passages))),
    )
    counts = {text: len(template.line_ids(text)) for text in drafted.texts()}
    return context.fit(drafted, counts, Facts(context=CONTEXT, overhead=template.overhead))


def example(template: ChatTemplate, moment: Moment, *, learn_lines: bool = False) -> Example:
    """Renders the prompt as it is served, and the reply after it."""
    prompt = prompt_of(template, moment)
    rendered = template.render(prompt)
    said = template.reply_ids(moment.reply, start=prompt.start)
    tail = len(rendered.ids) - rendered.shared
    return Example(
        ids=[*rendered.ids, *said], learn=[learn_lines] * rendered.shared + [False] * tail + [True] * len(said)
    )


def transcript(template: ChatTemplate, scene: Scene) -> Example:
    """Renders a scene as a room's shared part, all of it learnt."""
    moment = Moment(premise=scene.premise, heard=scene.lines, name="", persona="", reply="")
    rendered = template.render(prompt_of(template, moment))
    return Example(ids=rendered.ids[: rendered.shared], learn=[True] * rendered.shared)


def _speaker(name: str) -> Speaker:
    return Speaker(id=name, name=name, kind="person")
