"""What each role of a room has heard, and the prompt made of it for an engine.

Reads the log as that role (`history.view` decides what it may know), counts by the engine's own tokenizer, asks what
the role is reminded of, and leaves the layout to context.py. Keeps one folded transcript per role, so that a turn reads
only what is new. Knows no turns.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Literal, NamedTuple

from chatroom import context
from chatroom.context import Asked, Draft, Scene
from chatroom.engines.base import Facts
from chatroom.history.base import History
from chatroom.messages import Audience, Message, Passage, Prompt, Recalled
from chatroom.roles import Role
from chatroom.transcript import Transcript, anchor

PAGE = 1000
"""Entries read at a time while catching up."""

Count = Callable[[Sequence[str]], Awaitable[Sequence[int]]]
"""Counts token ids of texts, as an engine does."""
Recall = Callable[[Sequence[Message], int, int], Awaitable[Recalled]]
"""Finds what a role is reminded of: given what it heard, and the seqs after which it heard and up to which its prompt
no longer holds what was said."""


class Heard(NamedTuple):
    """A prompt, the passages in it, and who may know all that it was made of (None: everyone)."""

    prompt: Prompt
    passages: tuple[Passage, ...] = ()
    audience: Audience | None = None


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

    async def prompt(
        self, role: Role, count: Count, facts: Facts, *, head: int, since: int = 0, recall: Recall | None = None
    ) -> Heard:
        """Builds what this role is asked now.

        Args:
            role: Whose turn it is.
            count: Of the engine that will get the prompt.
            facts: Of that engine.
            head: The room's last seq.
            since: Seq at which the role sat down; it matters only where the untold stays unheard.
            recall: Reminds the role of what it knows; without it the prompt is good for scoring and warming.
        """
        messages = await self._catch_up(role.id, head)
        late = self._late(messages, since)
        heard = [message for message in messages if message.seq > since] if late else messages
        asks, view = asked(role, facts), role.id if late else ""
        drafted, counts = await _counted(context.draft(asks, self.scene, heard, view=view), count, facts)
        if recall is not None:
            passed = _passed(heard, context.cut(drafted, counts, facts), head)
            recalled = await recall(heard, since if self._untold else 0, passed)
            drafted = context.draft(asks, self.scene, heard, recalled=recalled, view=view)
            drafted, counts = await _counted(drafted, count, facts)
        prompt = context.fit(drafted, counts, facts)
        passages = context.given(drafted, prompt)
        return Heard(prompt, passages, context.known_to(heard, passages))

    def _late(self, messages: Sequence[Message], since: int) -> bool:
        return self._untold and any(message.seq < since and message.author.kind == "person" for message in messages)

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


def _passed(heard: Sequence[Message], cut: int, head: int) -> int:
    """The last seq before the public lines that a prompt without its first `cut` holds; 0 if it holds all."""
    public = [message.seq for message in heard if message.audience is None]
    return public[cut] - 1 if cut < len(public) and (cut or anchor(head)) else 0


async def _counted(drafted: Draft, count: Count, facts: Facts) -> tuple[Draft, Mapping[str, int]]:
    """Counts, and shortens what is too long by itself."""
    limit = context.longest_line(facts)
    counts = await _counts(drafted, count)
    for _ in range(4):
        if all(number <= limit for number in counts.values()):
            break
        drafted = context.shorten(drafted, counts, limit)
        counts = await _counts(drafted, count)
    return drafted, counts


async def _counts(drafted: Draft, count: Count) -> Mapping[str, int]:
    texts = drafted.texts()
    return dict(zip(texts, await count(texts), strict=True))
