"""Asks the model who would speak next: the scores say whose name is likelier as the next line than it usually is.

Those spoken to come first. People are candidates too: if one of them is likeliest, the room waits for that person.
Without scores nobody is named; the conductor uses `lively` where an engine cannot score.
"""

from random import Random

from chatroom.messages import Scores, View
from chatroom.turns.base import last_speaker, pending


class Policy:
    needs_scores = True

    def choose(self, view: View, scores: Scores, rng: Random) -> list[str]:
        if waiting := pending(view):
            return waiting
        candidates = [id_ for id_ in scores if id_ != last_speaker(view)]
        return sorted(candidates, key=lambda id_: -scores[id_])
