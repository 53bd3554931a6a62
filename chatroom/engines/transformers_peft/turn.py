"""What a worker does for one request, as generators that give way after every token or chunk.

A prompt is [shared part | tail, reply start]. The shared part stays in the lane; tail and reply are computed behind it
and cut off again, however the turn ends. An activated adapter is on from the border on, never before; an ordinary LoRA
is on everywhere, in a lane of its own. Knows no pipe and no other turn.
"""

from collections.abc import Generator, Sequence

import msgspec
import torch

from chatroom.engines._detokenizer import Detokenizer
from chatroom.engines.base import ToldUsage, unheard
from chatroom.engines.transformers_peft.lanes import Key, Lane, Lanes
from chatroom.engines.transformers_peft.model import Model
from chatroom.engines.transformers_peft.sampling import Sampler
from chatroom.errors import EngineError
from chatroom.messages import Adapter, Prompt, Sampling, Usage

CHUNK = 256
"""Most positions computed in one step, so that other turns need not wait long."""

Steps = Generator[str, None, list[float] | None]
"""Yields a piece of text, or "" where a step gave none; returns log-probabilities where those were asked for."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The ids of a request and the weights they are for.

    Args:
        weights: Fingerprint of the adapter; "" is the bare base.
        activated: Whether the adapter acts behind the border only.
        leads: Ids of replies that this one may lean on, each with its end.
    """

    view: str
    ids: list[int]
    shared: int
    weights: str = ""
    activated: bool = False
    leads: tuple[tuple[int, ...], ...] = ()

    @property
    def key(self) -> Key:
        return ("" if self.activated else self.weights, self.view)

    @property
    def shared_ids(self) -> list[int]:
        return self.ids[: self.shared]

    def on(self, begin: int, end: int) -> int:
        """On how many of the last positions of ids[begin:end] the adapter acts."""
        if not self.weights:
            return 0
        return max(0, end - max(begin, self.shared)) if self.activated else end - begin


class Turns:
    """Makes the steps of requests for one model and its lanes."""

    def __init__(self, model: Model, lanes: Lanes) -> None:
        self._model, self._lanes = model, lanes

    def reply(self, prompt: Prompt, adapter: Adapter | None, sampling: Sampling, told: ToldUsage = unheard) -> Steps:
        """Continues the prompt until a stop id, `max_tokens` or the end of the context."""
        plan = self.plan(prompt, adapter, spare=1)
        most = min(sampling.max_tokens, self._model.context - len(plan.ids))
        sampler, text = self._sampler(plan, sampling), Detokenizer(self._model.tokenizer, plan.ids)
        with self._lanes.lane(plan.key, plan.shared_ids) as lane:
            told(Usage(prompt=len(plan.ids), cached=min(len(lane.ids), len(plan.ids) - 1)))
            logits = yield from self.encode(lane, plan, len(plan.ids))
            for left in reversed(range(most)):
                token = sampler.pick(logits[-1])
                if token in self._model.stop_ids:
                    break
                yield text.add(token)
                if left and left == most - 1:
                    yield from self._model.prepare(plan.weights)  # behind the first piece, which need not wait for it
                if left:
                    logits = self.forward(lane, plan, [token])
        yield text.rest()
        return None

    def score(self, prompt: Prompt, continuations: Sequence[str]) -> Steps:
        """Log-probability of each continuation behind the shared part, in base weights."""
        spoken = [list(self._model.template.start_ids(text)) for text in continuations]
        plan = self.plan(prompt, None, spare=max(map(len, spoken), default=0), shared_only=True)
        # a cache that can't be cut back takes one continuation at a time, each after the whole transcript
        batches = [spoken] if self._model.can_crop else [[ids] for ids in spoken]
        values: list[float] = []
        with self._lanes.lane(plan.key, plan.ids, spare=True) as lane:
            for batch in batches:
                first = (yield from self.encode(lane, plan, plan.shared))[-1].float().log_softmax(-1)  # (V,)
                values += self._log_probabilities(lane, first, batch)
                lane.cut(plan.shared)
        return values

    def warm(self, prompt: Prompt, adapter: Adapter | None) -> Steps:
        """Encodes the shared part ahead of a turn. Between steps the lane is free; once another turn used it, the
        transcript has moved on and this ends."""
        plan = self.plan(prompt, adapter, shared_only=True)
        left: list[int] | None = None
        while left is None or (len(left) < plan.shared and self._lanes.held(plan.key) == left):
            with self._lanes.lane(plan.key, plan.shared_ids, spare=True) as lane:
                if len(lane.ids) < plan.shared:
                    self._next_chunk(lane, plan, plan.shared, len(lane.ids))
                left = list(lane.ids)
            yield ""
        yield from self._model.prepare(plan.weights)
        return None

    def plan(self, prompt: Prompt, adapter: Adapter | None, *, spare: int = 0, shared_only: bool = False) -> Plan:
        """Renders a prompt, and loads its adapter.

        Raises:
            EngineError: `no_adapter`, or `too_long`: the prompt and `spare` more positions don't fit.
        """
        if adapter:
            for replaced in self._model.adapters.load(adapter):
                self._lanes.forget(replaced)
                self._model.forget(replaced)
        rendered = self._model.template.render(prompt, adapter.invocation if adapter else ())
        ids = rendered.ids[: rendered.shared] if shared_only else rendered.ids
        if not ids:
            raise EngineError("the prompt is empty", code="bad_prompt")
        if len(ids) + spare > self._model.context:
            raise EngineError(
                f"the prompt takes {len(ids)} positions and the reply up to {spare}, the context has "
                f"{self._model.context}",
                code="too_long",
            )
        weights, activated = (adapter.fingerprint, bool(adapter.invocation)) if adapter else ("", False)
        leads = tuple(self._model.template.reply_ids(text, start=prompt.start) for text in prompt.leads)
        return Plan(
            view=prompt.view, ids=ids, shared=rendered.shared, weights=weights, activated=activated, leads=leads
        )

    def encode(self, lane: Lane, plan: Plan, end: int) -> Generator[str, None, torch.Tensor]:
        """Computes what the lane lacks of ids[:end], chunk by chunk, and returns the last position's logits (1, V)."""
        lane.cut(min(len(lane.ids), end - 1))  # logits of a position come only by computing it
        begin = len(lane.ids)
        while True:
            logits = self._next_chunk(lane, plan, end, begin)
            begin = min(begin + CHUNK, end)
            if begin == end:
                return logits
            yield ""

    def forward(self, lane: Lane, plan: Plan, ids: list[int]) -> torch.Tensor:
        """Computes an id of the reply; it goes with the turn."""
        (token,) = ids
        return self._model.decode(token, lane.cache, plan.weights)

    def _next_chunk(self, lane: Lane, plan: Plan, end: int, begin: int) -> torch.Tensor:
        end = min(begin + CHUNK, end)
        logits = self._model.forward(plan.ids[begin:end], lane.cache, plan.weights, plan.on(begin, end))
        lane.ids += plan.ids[len(lane.ids) : min(end, plan.shared)]
        return logits

    def _log_probabilities(self, lane: Lane, first: torch.Tensor, batch: list[list[int]]) -> list[float]:
        """Sums up each continuation's log-probabilities; `first` are those of whatever comes next."""
        values = [float(first[ids[0]]) if ids else 0.0 for ids in batch]
        groups = [ids[:-1] for ids in batch]
        if any(groups):
            rest = self._model.forward_apart(groups, lane.cache).float().log_softmax(-1)  # (all of groups, V)
            wanted = [id_ for ids in batch for id_ in ids[1:]]
            parts = rest[range(len(wanted)), wanted].split([len(group) for group in groups])
            values = [value + float(part.sum()) for value, part in zip(values, parts, strict=True)]
        return values

    def _sampler(self, plan: Plan, sampling: Sampling) -> Sampler:
        model = self._model
        return Sampler(
            sampling,
            heard=plan.shared_ids,
            exempt=model.line_ends,
            banned=model.banned,
            vocabulary=model.vocabulary,
            leads=plan.leads,
        )
