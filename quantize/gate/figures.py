"""What is measured of int4 weights beside the 16-bit ones, as numbers; and which numbers a reply is judged by.

Pure: it is handed ids and texts. It knows no model, and limits.py says what is good enough.
"""

from collections import Counter
from collections.abc import Sequence

import msgspec

LONGEST = 96
"""Token ids of a reply; one that has not ended by then counts as endless."""
PIECE = 4
"""Ids of what is looked for twice."""
OFTEN = 3
"""How often a piece stands in a reply that repeats itself."""
RUN = 5
"""How often one id follows itself in a reply that is stuck."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Both precisions on the same held-out talk.

    Args:
        perplexity: Of held-out replies, in 16 bit; `perplexity_int4` the same in int4.
        rise: How much it rises, relatively.
        kl: Kullback-Leibler divergence of the next id, 16 bit to int4, mean in nats.
        agreement: Share of places where both would say the same id next.
        repetition: Share of generated replies that repeat themselves; `_int4` likewise.
        broken: Share of generated replies that are no text: empty, endless, with unknown bytes or control tokens.
        moments: Held-out moments that were measured; `ids` are their reply ids, `replies` were generated.
    """

    perplexity: float
    perplexity_int4: float
    rise: float
    kl: float
    agreement: float
    repetition: float = 0.0
    repetition_int4: float = 0.0
    broken: float = 0.0
    broken_int4: float = 0.0
    moments: int = 0
    ids: int = 0
    replies: int = 0


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """A generated reply: its ids without the one that ends it, and its text."""

    ids: list[int]
    text: str


def repeats(ids: Sequence[int]) -> bool:
    """Whether a reply repeats itself: one piece of it three times, or one id five times on end."""
    pieces = Counter(tuple(ids[at : at + PIECE]) for at in range(len(ids) - PIECE + 1))
    runs = any(len(set(ids[at : at + RUN])) == 1 for at in range(len(ids) - RUN + 1))
    return runs or max(pieces.values(), default=0) >= OFTEN


def is_broken(said: Said, controls: frozenset[int]) -> bool:
    """Whether a reply is no text to show: empty, endless, with bytes of no character, or with a control token."""
    return (
        not said.text.strip() or len(said.ids) >= LONGEST or "\ufffd" in said.text or not controls.isdisjoint(said.ids)
    )


def share(marks: Sequence[bool]) -> float:
    """The share of those that are true."""
    return sum(marks) / len(marks) if marks else 0.0
