"""The judge: held-out moments of one set of weights, and what the 16-bit model makes of them; asked of int4 weights.

It takes the folder that an engine would load, and gives figures, replies side by side and a verdict. It keeps and
moves no files.
"""

import math
import time
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import msgspec
from torch import nn
from transformers import PreTrainedModel

from finetune.dataset.moment import Moment
from finetune.dataset.render import Example, Renderer
from finetune.training.kinds import load_tokenizer
from finetune.training.samples import Asked, asked, reply
from quantize.gate.comparing import Compared, compare, divergence
from quantize.gate.figures import LONGEST, Figures, Said, is_broken, repeats, share
from quantize.gate.limits import passes
from quantize.gate.models import load_half, load_int4, with_weights
from quantize.job import Tell, unheard
from quantize.packed.reading import dequantized

GLANCE = 8
"""Moments by which single blocks are compared."""
REPORT_SECONDS = 20.0
"""Between two words about how far it is."""
Noun = TypeVar("Noun", Example, Asked)


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One prompt answered by both."""

    heard: str
    material: str
    half: str
    int4: str


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one judgement; `losses` are both models' mean losses moment by moment."""

    figures: Figures
    samples: list[Sample]
    losses: list[tuple[float, float]]

    @property
    def passed(self) -> bool:
        return passes(self.figures)


class Judge:
    """Judges int4 weights of one source.

    Args:
        source: Folder of the 16-bit weights.
        moments: Held out from calibration and training.
        replies: How many of them are answered freely too.
    """

    def __init__(
        self, source: Path, moments: Sequence[Moment], renderer: Renderer, *, replies: int, tell: Tell = unheard
    ) -> None:
        self._source, self._template, self._tell = source, renderer.template, tell
        self._tokenizer = load_tokenizer(source)
        self._examples = [renderer.example(moment) for moment in moments]
        self._asked = _asked(moments, renderer, replies)
        self._controls = frozenset(self._tokenizer.added_tokens_decoder)

    @cached_property
    def half(self) -> PreTrainedModel:
        """The 16-bit model, loaded once."""
        return load_half(self._source)

    @cached_property
    def _said(self) -> list[Said]:
        return self._replies(self.half)

    def judge(self, folder: Path) -> Verdict:
        """Judges the int4 weights in a folder.

        Raises:
            WorkshopError: They can't be loaded.
        """
        return self.judge_model(load_int4(folder, self._source))

    def judge_model(self, model: nn.Module) -> Verdict:
        """Judges a model that is loaded already."""
        compared = compare(self.half, model, self._timed("held-out moments", self._examples))
        said = self._replies(model)
        both = zip(self._asked, self._said, said, strict=True)
        return Verdict(
            figures=self._figures(compared, said),
            samples=[Sample(heard=a.heard, material=a.said, half=h.text, int4=i.text) for a, h, i in both],
            losses=[(each.loss / each.ids, each.loss_int4 / each.ids) for each in compared],
        )

    def worst(self, folder: Path, blocks: Sequence[str]) -> list[str]:
        """Blocks of a quantized model, the one first that by itself does the most harm."""
        weights = dequantized(folder)
        return sorted(blocks, key=lambda block: self._harm(weights, block), reverse=True)

    def _harm(self, weights: dict[str, object], block: str) -> float:
        changed = {name: tensor for name, tensor in weights.items() if name.startswith(f"{block}.")}
        return divergence(compare(self.half, with_weights(self.half, changed), self._glance))

    @property
    def _glance(self) -> list[Example]:
        return self._examples[:: max(1, len(self._examples) // GLANCE)][:GLANCE]

    def _replies(self, model: nn.Module) -> list[Said]:
        stops = self._template.stop_ids
        asked = self._timed("replies", self._asked)
        replies = (reply(model, each, stops, activated=False, longest=LONGEST) for each in asked)
        return [Said(ids=ids, text=self._tokenizer.decode(ids)) for ids in replies]

    def _timed(self, what: str, items: Sequence[Noun]) -> Iterator[Noun]:
        """The items; where they take long, how far it is is told."""
        told = time.monotonic()
        for number, item in enumerate(items):
            if time.monotonic() - told > REPORT_SECONDS:
                told = time.monotonic()
                self._tell(f"{what}: {number} of {len(items)}")
            yield item

    def _figures(self, compared: Sequence[Compared], said: Sequence[Said]) -> Figures:
        ids = sum(each.ids for each in compared)
        loss, loss_int4 = (sum(part) / max(1, ids) for part in _losses(compared))
        return Figures(
            perplexity=_exp(loss),
            perplexity_int4=_exp(loss_int4),
            rise=_exp(loss_int4 - loss) - 1,
            kl=divergence(compared),
            agreement=sum(each.same for each in compared) / max(1, ids),
            repetition=share([repeats(each.ids) for each in self._said]),
            repetition_int4=share([repeats(each.ids) for each in said]),
            broken=share([is_broken(each, self._controls) for each in self._said]),
            broken_int4=share([is_broken(each, self._controls) for each in said]),
            moments=len(compared),
            ids=ids,
            replies=len(said),
        )


def _asked(moments: Sequence[Moment], renderer: Renderer, count: int) -> list[Asked]:
    """So many of the moments, spread evenly, as prompts that leave room for a reply."""
    step = max(1, len(moments) // max(1, count))
    found = [each for moment in moments[::step][:count] for each in asked([moment], renderer)]
    return [each for each in found if len(each.ids) + LONGEST <= renderer.context]


def _losses(compared: Sequence[Compared]) -> tuple[list[float], list[float]]:
    return [each.loss for each in compared], [each.loss_int4 for each in compared]


def _exp(loss: float) -> float:
    """The exponential; infinite beyond what a number holds, and where the loss is no number."""
    return math.exp(loss) if loss < 700 else math.inf
