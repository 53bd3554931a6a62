"""Logits → one token: repetition penalty, temperature, top-k, nucleus, and a seed of its own for every turn.

Invariant: the same logits, ids and seed give the same token, whatever other turns are running. Knows no model.
"""

from collections.abc import Collection, Sequence

import torch

from chatroom.engines.transformers_peft.leading import Leading
from chatroom.messages import Sampling

CANDIDATES = 1024
"""The nucleus is sought among this many of the likeliest ids; what lies beyond never makes sense in a reply."""

REMEMBERED = 128
"""How many ids of the transcript's end the repetition penalty looks at, besides the whole reply."""


class Sampler:
    """Draws the tokens of one turn.

    Args:
        sampling: How to draw.
        heard: Ids of the transcript before the reply. The tail is no part of them: a role may use the words of its
            persona as often as it likes.
        exempt: Ids that are never penalised: those that end a line, or replies would never end.
        banned: Ids that are never drawn: control tokens that end nothing.
        vocabulary: How many ids the tokenizer knows; a model may have more rows than that.
        leads: Ids of replies that this one may lean on.
    """

    def __init__(
        self,
        sampling: Sampling,
        *,
        heard: Sequence[int],
        exempt: Collection[int],
        banned: Collection[int],
        vocabulary: int,
        leads: Sequence[Sequence[int]] = (),
    ) -> None:
        self._leading = Leading(leads if sampling.lean else ())
        self._sampling, self._exempt, self._vocabulary = sampling, frozenset(exempt), vocabulary
        self._banned = torch.tensor([id_ for id_ in sorted(banned) if id_ < vocabulary], dtype=torch.long)
        self._used = {id_ for id_ in heard[-REMEMBERED:] if id_ not in self._exempt}
        self._random = torch.Generator().manual_seed(sampling.seed % 2**63)

    def pick(self, logits: torch.Tensor) -> int:
        """Draws a token from logits (V,) and remembers it."""
        logits = self._penalised(logits[: self._vocabulary].float().cpu())
        logits[self._banned] = -torch.inf
        logits = self._led(logits)
        token = int(logits.argmax()) if self._sampling.temperature <= 0 else self._draw(logits)
        self._leading.said(token)
        if token not in self._exempt:
            self._used.add(token)
        return token

    def _led(self, logits: torch.Tensor) -> torch.Tensor:
        """Logits whose chances, at the temperature of this turn, are those of the model and of what leads, mixed."""
        leads = {id_: chance for id_, chance in self._leading.next().items() if id_ < self._vocabulary}
        if not leads:
            return logits
        warmth = self._sampling.temperature or 1.0
        chances = (logits / warmth).softmax(-1) * (1 - self._sampling.lean)
        chances[list(leads)] += torch.tensor(list(leads.values())) * self._sampling.lean
        return chances.log() * warmth

    def _penalised(self, logits: torch.Tensor) -> torch.Tensor:
        logits, penalty = logits.clone(), self._sampling.repetition_penalty
        if penalty != 1 and self._used:
            used = torch.tensor(sorted(self._used))
            seen = logits[used]
            logits[used] = torch.where(seen > 0, seen / penalty, seen * penalty)
        return logits

    def _draw(self, logits: torch.Tensor) -> int:
        wanted = self._sampling.top_k or CANDIDATES
        best, ids = (logits / self._sampling.temperature).topk(min(wanted, len(logits)))
        chances = best.softmax(-1)
        # a candidate is out if those before it already reach top_p; the first one is always in
        outside = chances.cumsum(-1) - chances >= self._sampling.top_p
        outside[0] = False
        chances[outside] = 0
        return int(ids[torch.multinomial(chances, 1, generator=self._random)])
