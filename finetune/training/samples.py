"""What a model says to the same prompts before, in the middle of and after training: for people to read.

No score stands in for that. Replies are greedy, so that nothing but training changes them. It knows no role folder.
"""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import torch
from torch import nn
from transformers import TrainerCallback, TrainerControl, TrainerState

from chatroom.chat_template import ChatTemplate
from finetune.dataset.moment import Moment
from finetune.dataset.render import Renderer

COUNT = 5
LONGEST = 48
"""Tokens of a sample."""
Decode = Callable[[list[int]], str]

STAGES = ("before", "in the middle", "after")


class Asked(NamedTuple):
    """A prompt as ids, and what to show of it."""

    ids: list[int]
    shared: int
    heard: str
    said: str


def asked(moments: list[Moment], renderer: Renderer) -> list[Asked]:
    """Five moments, spread evenly over all of them."""
    step = max(1, len(moments) // COUNT)
    return [_asked(moment, renderer) for moment in moments[::step][:COUNT]]


def _asked(moment: Moment, renderer: Renderer) -> Asked:
    rendered = renderer.template.render(renderer.prompt(moment), renderer.invocation)
    last = moment.heard[-1] if moment.heard else None
    heard = f"{last.name}: {last.text}" if last and last.name else last.text if last else "(nothing yet)"
    return Asked(list(rendered.ids), rendered.shared, heard, moment.reply)


def reply(
    model: nn.Module, prompt: Asked, stops: frozenset[int], *, activated: bool, longest: int = LONGEST
) -> list[int]:
    """The greedy reply as ids, without the one that ends it."""
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    told = torch.tensor([prompt.ids], device=device)
    offsets, cache, said = {"alora_offsets": [len(prompt.ids) - prompt.shared]} if activated else {}, None, list[int]()
    with torch.no_grad():
        while len(said) < longest:
            answer = model(input_ids=told, past_key_values=cache, use_cache=True, **offsets)
            newest = int(answer.logits[0, -1].argmax())
            if newest in stops:
                break
            said.append(newest)
            told, cache = torch.tensor([[newest]], device=device), answer.past_key_values
            offsets = {"alora_offsets": [1]} if activated else {}
    model.train(was_training)
    return said


class Samples(TrainerCallback):  # type: ignore[misc]  # it has no types
    """Collects the replies of every stage.

    Args:
        template: Says which ids end a reply.
        decode: Turns ids into words.
        path: Where they are kept, so that a run that goes on has them all.
        activated: Whether the adapter acts from the tail on.
    """

    def __init__(
        self, prompts: list[Asked], template: ChatTemplate, decode: Decode, path: Path, *, activated: bool
    ) -> None:
        self._path = path
        self.prompts, self._template, self._decode, self._activated = prompts, template, decode, activated
        self.said: dict[str, list[str]] = {}
        with contextlib.suppress(OSError, msgspec.DecodeError):
            self.said = msgspec.json.decode(path.read_bytes(), type=dict[str, list[str]])

    def take(self, stage: str, model: nn.Module) -> None:
        """Has every prompt answered."""
        stops = self._template.stop_ids
        replies = [reply(model, prompt, stops, activated=self._activated) for prompt in self.prompts]
        self.said[stage] = [self._decode(ids).strip() for ids in replies]
        self._path.write_bytes(msgspec.json.encode(self.said))

    def on_step_end(
        self,
        _: object,
        state: TrainerState,
        control: TrainerControl,
        model: nn.Module | None = None,
        **rest: object,
    ) -> None:
        if model is not None and state.global_step == (state.max_steps + 1) // 2:
            self.take(STAGES[1], model)

    def text(self) -> str:
        """All of it as Markdown."""
        parts = ["# Samples\n\nThe same prompts, answered greedily before, in the middle of and after training.\n"]
        for at, prompt in enumerate(self.prompts):
            heard, said = _one_line(prompt.heard), _one_line(prompt.said)
            parts.append(f"\n## {at + 1}\n\n> {heard}\n\n- in the material: {said}\n")
            parts += [
                f"- {stage}: {_one_line(replies[at])}\n" for stage, replies in self.said.items() if at < len(replies)
            ]
        return "".join(parts)


def _one_line(text: str) -> str:
    return " ".join(text.split()) or "(nothing)"
