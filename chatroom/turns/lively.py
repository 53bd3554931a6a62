"""A lively table: those spoken to answer first, then others join in by talkativeness and by how long they were silent.

After the first answer each further one is a throw of the dice against the talkativeness of who would speak.
"""

from random import Random

from chatroom.messages import Scores, View
from chatroom.turns.base import by_talkativeness, pending, since_person, spoken_of


class Policy:
    needs_scores = False

    def choose(self, view: View, scores: Scores, rng: Random) -> list[str]:
        if waiting := pending(view):
            return waiting
        eager = by_talkativeness(view, rng)
        if len(since_person(view)) == 1:
            return list(dict.fromkeys([*spoken_of(view), *eager]))
        talkativeness = {role.id: role.talkativeness for role in view.roles}
        return [id_ for id_ in eager[:1] if rng.random() < talkativeness[id_]]
