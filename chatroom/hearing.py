"""What each role of a room has heard, and the prompt made of it for an engine.

Reads the log as that role (`history.view` decides what it may know), counts by the engine's own tokenizer, and leaves
the layout to context.py. Keeps one folded transcript per role, so that a turn reads only what is new. Knows no turns.
"""

from collections.abc import Mapping
from typing import Literal

from chatroom import context
from chatroom.context import Asked, Draft, Scene
from chatroom.engines.base import Engine, Facts
from chatroom.history.base import History
from chatroom.messages import Message, Prompt
from chatroom.roles import Role
from chatroom.transcript import Transcript, anchor

PAGE = 1000
"""Entries read at a time while catching up."""


class Hearing:
    """The ears of all roles of one room.

    Args:
        scene: The room's unchanging part.
        history: Where the log lives.
        untold: Whether a role that comes late does not know what was said before (`absence = "unheard"`).
    """

    def __init__(self, scene: Scene, history: History, *, untold: bool = False) -> None:
        self.scene = scene
        self._history = history
        self._untold = untold
        self._heard: dict[str, Transcript] = {}

    async def prompt(self, role: Role, engine: Engine, facts: Facts, *, head: int, since: int = 0) -> Prompt:
        """Builds what this role is asked now.

        Args:
            role: Whose turn it is.
            engine: That will get the prompt; it counts.
            facts: Of that engine.
            head: The room's last seq.
            since: Seq at which the role sat down; it matters only where the untold stays unheard.
        """
        messages = await self._catch_up(role.id, head)
        late = self._untold and any(message.seq < since and message.author.kind == "person" for message in messages)
        heard = [message for message in messages if message.seq > since] if late else messages
        drafted = context.draft(asked(role, facts), self.scene, heard, view=role.id if late else "")
        return await _fitted(drafted, engine, facts)

    async def _catch_up(self, reader: str, head: int) -> list[Message]:
        """Reads what was said since, up to `head`: what comes later is for the next turn."""
        heard = self._heard.setdefault(reader, Transcript())
        heard.seq = max(heard.seq, anchor(head))
        while heard.seq < head:
            entries = await self._history.view(self.scene.room, reader, after=heard.seq, limit=PAGE)
            heard.extend(entries, head)
            if len(entries) < PAGE:
                break
        return heard.messages


def asked(role: Role, facts: Facts) -> Asked:
    """The role as a prompt shows it. What we did not train ourselves is asked through the base's own template."""
    foreign = (role.adapter is not None or role.weights) and not role.ours
    layout: Literal["room", "chat"] = role.layout or ("chat" if foreign and facts.has_template else "room")
    return Asked(id=role.id, name=role.name, persona=role.persona, words=role.words, layout=layout)


async def _fitted(drafted: Draft, engine: Engine, facts: Facts) -> Prompt:
    """Counts, shortens what is too long by itself, and fits the rest."""
    limit = context.longest_line(facts)
    counts = await _counts(drafted, engine)
    for _ in range(4):
        if all(count <= limit for count in counts.values()):
            break
        drafted = context.shorten(drafted, counts, limit)
        counts = await _counts(drafted, engine)
    return context.fit(drafted, counts, facts)


async def _counts(drafted: Draft, engine: Engine) -> Mapping[str, int]:
    texts = drafted.texts()
    return dict(zip(texts, await engine.count(texts), strict=True))
