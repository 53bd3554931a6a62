"""Asks the model who would speak next: the scores say whose name is likelier as the next line than it usually is.

Those spoken to come first. People are candidates too: if one of them is likeliest, the room waits for that person. The
longer no person has spoken, the sooner it does. Without scores nobody is named; the conductor uses `lively` where an
engine cannot score.
"""

from random import Random

from chatroom.messages import Scores, View
from chatroom.turns.base import last_speaker, pending, since_person

RELUCTANCE = 1.0
"""What each reply since a person's line takes from the score of every role, in nats: talk among roles dies down."""


class Policy:
    needs_scores = True

    def choose(self, view: View, scores: Scores, rng: Random) -> list[str]:
        if waiting := pending(view):
            return waiting
        roles, tired = {role.id for role in view.roles}, RELUCTANCE * (len(since_person(view)) - 1)
        eager = {id_: score - tired * (id_ in roles) for id_, score in scores.items() if id_ != last_speaker(view)}
        return sorted(eager, key=lambda id_: -eager[id_])
