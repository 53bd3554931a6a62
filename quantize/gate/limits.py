"""What int4 weights must reach: every limit with its reason, and the verdict over figures.

All limits are against the same weights in 16 bit, so that a weak base is not blamed on int4. Pure.
"""

import math

import msgspec

from quantize.gate.figures import Figures

RISE = 0.05
"""Perplexity may rise by 5 %: good int4 of models with half a billion weights costs 2 to 4 %, of larger ones less;
readers begin to notice near 10 %."""
KL = 0.05
"""Nats for each id: about what a rise of 5 % is, and it also sees changes that happen to leave perplexity alone."""
AGREEMENT = 0.85
"""Share of next ids that stay the same. Where a model is in two minds a change harms nobody; a model that says another
word at more than every seventh place has become another one."""
REPETITION = 0.08
"""Further replies that repeat themselves: about two of some thirty, which chance brings; more is heard."""
BROKEN = 0.05
"""Further replies that are no text: one of twenty is already noticed."""
CHANCE_REPETITION, CHANCE_BROKEN = 2, 1
"""Replies that chance may add, however few are generated."""
FEWEST_IDS, FEWEST_REPLIES = 200, 16
"""Below these, figures are chance and prove nothing."""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One limit and what was found."""

    name: str
    found: float
    limit: float
    at_least: bool = False

    @property
    def passed(self) -> bool:
        """What is no number never passes."""
        if not math.isfinite(self.found):
            return False
        return self.found >= self.limit if self.at_least else self.found <= self.limit


def checks(figures: Figures) -> list[Check]:
    """Every limit, in the order in which a report shows them."""
    replies = max(1, figures.replies)
    repetition, broken = max(REPETITION, CHANCE_REPETITION / replies), max(BROKEN, CHANCE_BROKEN / replies)
    return [
        Check(name="rise in perplexity", found=figures.rise, limit=RISE),
        Check(name="KL divergence, nats", found=figures.kl, limit=KL),
        Check(name="same next id", found=figures.agreement, limit=AGREEMENT, at_least=True),
        Check(name="more repetition", found=figures.repetition_int4 - figures.repetition, limit=repetition),
        Check(name="more broken replies", found=figures.broken_int4 - figures.broken, limit=broken),
        Check(name="reply ids measured", found=figures.ids, limit=FEWEST_IDS, at_least=True),
        Check(name="replies generated", found=figures.replies, limit=FEWEST_REPLIES, at_least=True),
    ]


def passes(figures: Figures) -> bool:
    """Whether int4 weights may be used."""
    return all(check.passed for check in checks(figures))


def is_enough(figures: Figures) -> bool:
    """Whether so much was measured that anything could pass."""
    return figures.ids >= FEWEST_IDS and figures.replies >= FEWEST_REPLIES
