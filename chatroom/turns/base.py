"""The contract of a turn policy: who speaks next, decided from the view alone.

A plug-in is a module with a class `Policy`. It is asked again before every turn; the first name is taken, the rest is
the order it would go on in, and no name means that the room falls silent. It holds no state, so that a restart decides
alike. What every policy owes the table (a cap, an answer to a person) is kept by chatroom/room.py, not here.
The functions below say what a view holds; policies share them.
"""

from collections.abc import Sequence
from random import Random
from typing import ClassVar, Protocol

from chatroom.addressing import addressed, mentioned
from chatroom.messages import Message, Scores, View


class Policy(Protocol):
    needs_scores: ClassVar[bool]
    """Whether `scores` should be filled by asking the engine; they are empty where that is impossible."""

    def choose(self, view: View, scores: Scores, rng: Random) -> list[str]:
        """Names speakers by id, the next one first. A person's id means: wait for that person."""
        ...


def since_person(view: View) -> Sequence[Message]:
    """The last line of a person and all that was said by those who had heard it."""
    asked = [at for at, message in enumerate(view.messages) if message.author.kind == "person"]
    if not asked:
        return view.messages
    line = view.messages[asked[-1]]
    return [line, *(reply for reply in view.messages[asked[-1] + 1 :] if reply.heard >= line.seq)]


def since_silence(view: View) -> Sequence[Message]:
    """The lines since the room was last silent: those that people said before or during one turn belong together."""
    asked = [at for at, message in enumerate(view.messages) if message.author.kind == "person"]
    begin = asked[-1] if asked else 0
    for at in reversed(asked[:-1]):
        line, between, after = view.messages[begin], view.messages[at + 1 : begin], view.messages[begin + 1 :]
        meanwhile = any(reply.author.kind == "role" and reply.heard < line.seq for reply in after)
        if any(message.author.kind == "role" for message in between) and not meanwhile:
            break
        begin = at
    return view.messages[begin:]


def pending(view: View) -> list[str]:
    """Ids of the roles that were spoken to since the last silence and have not answered yet, in that order."""
    waiting: dict[str, int] = {}
    for message in since_silence(view):
        if message.heard >= waiting.get(message.author.id, 0):
            waiting.pop(message.author.id, None)
        for id_ in [*addressed(message.text, (*view.roles, *view.persons)), *filter(None, [message.hands_to])]:
            if id_ != message.author.id:
                waiting.setdefault(id_, message.seq)
    able = {role.id for role in view.roles}
    return [id_ for id_ in waiting if id_ in able]


def only_people_addressed(view: View) -> bool:
    """Whether the last person's line was said to other people and to no role."""
    lines = since_person(view)
    if not lines or lines[0].author.kind != "person":
        return False
    ids = addressed(lines[0].text, (*view.roles, *view.persons))
    return bool(ids) and not {role.id for role in view.roles}.intersection(ids)


def spoken_of(view: View) -> list[str]:
    """Ids of the roles that the last line names."""
    last = view.messages[-1] if view.messages else None
    return [] if last is None else [id_ for id_ in mentioned(last.text, view.roles) if id_ != last.author.id]


def last_speaker(view: View) -> str:
    """Id of who spoke last, "" in an empty room."""
    return view.messages[-1].author.id if view.messages else ""


def by_talkativeness(view: View, rng: Random) -> list[str]:
    """Roles other than the last speaker in a random order: the talkative and those who have been silent come first."""
    recent = [message.author.id for message in view.messages[-6:]]

    def weight(id_: str, talkativeness: float) -> float:
        return max(0.01, talkativeness) / (1 + recent.count(id_))

    keys = {r.id: rng.random() ** (1 / weight(r.id, r.talkativeness)) for r in view.roles if r.id != last_speaker(view)}
    return sorted(keys, key=lambda id_: -keys[id_])
