"""Everybody once after each line of a person, in the order of the seats; knows nothing of what is said."""

from random import Random

from chatroom.messages import Scores, View
from chatroom.turns.base import since_person


class Policy:
    needs_scores = False

    def choose(self, view: View, scores: Scores, rng: Random) -> list[str]:
        spoken = {message.author.id for message in since_person(view)}
        return [role.id for role in view.roles if role.id not in spoken]
