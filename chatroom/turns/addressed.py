"""Speaks when spoken to: the roles that a line addresses answer, one after the other.

A line to nobody in particular is answered by a role that it names, else by whoever spoke last, else by a talkative one.
"""

from random import Random

from chatroom.messages import Scores, View
from chatroom.turns.base import by_talkativeness, pending, since_person, spoken_of


class Policy:
    needs_scores = False

    def choose(self, view: View, scores: Scores, rng: Random) -> list[str]:
        if waiting := pending(view):
            return waiting
        if len(since_person(view)) > 1 or not view.messages:
            return []
        able = {role.id for role in view.roles}
        before = [message.author.id for message in reversed(view.messages) if message.author.id in able]
        return [*spoken_of(view), *before, *by_talkativeness(view, rng)][:1]
