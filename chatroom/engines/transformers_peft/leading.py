"""What the examples in a prompt would say next: lets a base that can't yet choose by itself lean on them.

A share of the chance of every next token goes to what the examples say next (as in kNN-LM, Khandelwal et al. 2020). A
reply that begins as an example, or comes to two tokens that follow each other in one, is led on along it; where it
leaves one, it is on its own until the next such place. No place is followed twice, so leaning never runs in circles.
"""

from collections.abc import Mapping, Sequence

LATER = 0.15
"""What each example counts of the one before it, which fits the moment better."""
MEETING = 2
"""Tokens that a reply and an example must have in common for it to be followed from there."""


class Leading:
    """The examples of one turn.

    Args:
        leads: Token ids of their replies, each with the token that ends it; the best first.
    """

    def __init__(self, leads: Sequence[Sequence[int]]) -> None:
        self._leads = [tuple(ids) for ids in leads if ids]
        self._at = dict.fromkeys(range(len(self._leads)), 0)
        self._said: list[int] = []
        self._done: set[tuple[int, int]] = set()

    def next(self) -> Mapping[int, float]:
        """The chances of the ids that come next in an example, 1.0 together; empty where none leads."""
        found: dict[int, float] = {}
        for lead, place in self._at.items():
            token = self._leads[lead][place]
            found[token] = found.get(token, 0.0) + LATER**lead
        return {token: weight / sum(found.values()) for token, weight in found.items()}

    def said(self, token: int) -> None:
        """Takes the token that was drawn."""
        self._said.append(token)
        self._done |= {(lead, place) for lead, place in self._at.items() if self._leads[lead][place] == token}
        followed = {lead: place + 1 for lead, place in self._at.items() if self._leads[lead][place] == token}
        self._at = {lead: place for lead, place in followed.items() if place < len(self._leads[lead])}
        if not self._at:
            self._at = dict(self._meetings())

    def _meetings(self) -> Sequence[tuple[int, int]]:
        """The places after what was said last, one in each example that has one."""
        last = tuple(self._said[-MEETING:])
        if len(last) < MEETING:
            return []
        return [
            (lead, place)
            for lead, ids in enumerate(self._leads)
            for place in range(len(ids) - 1, MEETING - 1, -1)
            if ids[place - MEETING : place] == last and (lead, place) not in self._done
        ]
