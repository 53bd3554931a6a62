"""The nouns that travel between the parts: speakers, events, messages, prompts.

All are frozen and say nothing about sockets, files or models. An `Event` is a committed fact of one room; a `Message`
is what a reader sees after the events are folded (retried replies gone, running turns not yet there).
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

LAYOUT_VERSION = 1
"""Version of the prompt layout that context.py and chat_template.py render; stamped into bases and adapters we make."""

Audience = frozenset[str]
"""Ids of those who may see it; an absent audience (None) means everyone."""

Status = Literal["complete", "stopped", "interrupted", "failed"]
"""How a turn ended: by itself, by a person, by a crash, by an error."""


class Noun(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of all value objects here."""


class Speaker(Noun, frozen=True, kw_only=True):
    """Somebody at the table. Ids of persons and roles never clash: a person's begins with `~`."""

    id: str
    name: str
    kind: Literal["role", "person"]


# --- events: what is committed to a room's log, in the past tense -----------------------------------------------------


class Event(Noun, tag_field="event", frozen=True, kw_only=True):
    """A committed fact. `at` is seconds since the epoch, for people only: order is the order of `seq`."""

    at: float
    audience: Audience | None = None


class Posted(Event, tag="posted", frozen=True, kw_only=True):
    """A person said something. `cid` is the client's id for it: the same one twice is the same message."""

    id: str
    author: Speaker
    text: str
    cid: str


class Passage(Noun, frozen=True, kw_only=True):
    """A piece of what a role knows, with where it knows it from.

    Args:
        source: File and place in it, as `wiki/edrin.md, line 3`, or the lines of the room that it remembers.
        score: Higher is better; comparable within one turn only.
        audience: Ids or names of those who may know of it.
    """

    id: str
    text: str
    title: str = ""
    source: str = ""
    score: float = 0.0
    audience: Audience | None = None


class Usage(Noun, frozen=True, kw_only=True):
    """What a turn's prompt cost its engine, in token ids.

    Args:
        prompt: Of the prompt.
        cached: Of it, those that the engine still held from before and did not compute again.
        audience: Ids of those who may know of it: a prompt's length tells something of the whispers in it.
    """

    prompt: int
    cached: int
    audience: Audience | None = None


class Ended(Event, tag="ended", frozen=True, kw_only=True):
    """A role's turn ended; `text` is all that was said, `error` is there when it failed.

    `heard` is the last seq that the speaker had heard: lines that came later are not answered by it. `hands_to` is the
    id of the speaker in whose name the model went on, before it was cut off. `passages` are what its prompt reminded
    it of, their text shortened. `usage` is None where the engine did not say it before the end.
    """

    id: str
    author: Speaker
    text: str
    status: Status
    seed: int = 0
    heard: int = 0
    hands_to: str = ""
    code: str = ""
    error: str = ""
    passages: tuple[Passage, ...] = ()
    usage: Usage | None = None


class Retried(Event, tag="retried", frozen=True, kw_only=True):
    """A person asked for another reply; the message `supersedes` is no longer part of the transcript."""

    supersedes: str
    by: str
    cid: str


class Joined(Event, tag="joined", frozen=True, kw_only=True):
    """A role took a seat or a person came for the first time. `cid` is set where a person asked for it."""

    who: Speaker
    cid: str = ""


class Left(Event, tag="left", frozen=True, kw_only=True):
    who: Speaker
    cid: str = ""


AnyEvent = Posted | Ended | Retried | Joined | Left


class Entry(Noun, frozen=True, kw_only=True):
    """An event with its place in the log. `prev` is the seq of the event before it that *this reader* may see."""

    seq: int
    prev: int
    event: AnyEvent


class Running(Noun, frozen=True, kw_only=True):
    """A turn that has begun and not ended: kept aside so that a crash can end it with its words."""

    id: str
    author: Speaker
    text: str = ""
    audience: Audience | None = None
    seed: int = 0
    heard: int = 0
    passages: tuple[Passage, ...] = ()
    usage: Usage | None = None


class Message(Noun, frozen=True, kw_only=True):
    """One line of the transcript as a reader sees it."""

    seq: int
    id: str
    author: Speaker
    text: str
    audience: Audience | None = None
    heard: int = 0
    hands_to: str = ""
    notice: Literal["", "joined", "left"] = ""


# --- prompts ----------------------------------------------------------------------------------------------------------


class Line(Noun, frozen=True, kw_only=True):
    """A line of a prompt's shared part; `own` marks the role's own words, which only the chat layout needs.

    `text` is complete: `Name: text`, continuation lines indented; `said` is the bare text for a layout that marks
    speakers by turns.
    """

    text: str
    said: str = ""
    own: bool = False


class Prompt(Noun, frozen=True, kw_only=True):
    """What a role is asked, in segments; chat_template turns them into token ids.

    Args:
        view: Key of the lane: prompts of the same view grow by appending.
        premise: Opens the shared part and never changes; in the chat layout, persona and premise.
        lines: The transcript, the same for every role of a view.
        tail: Parts that only this role gets, thrown away after the turn.
        start: How the reply begins, as `Mara Vell:`.
        leads: Replies among the examples in the tail, which a small base may lean on; the best first.
    """

    view: str
    premise: str
    lines: tuple[Line, ...]
    tail: tuple[str, ...] = ()
    start: str = ""
    leads: tuple[str, ...] = ()
    layout: Literal["room", "chat"] = "room"


class Sampling(Noun, frozen=True, kw_only=True):
    """How tokens are drawn. Temperature 0 means the most likely token; `lean` is the share of the prompt's leads."""

    temperature: float = 0.8
    top_p: float = 0.95
    top_k: int = 0
    repetition_penalty: float = 1.1
    max_tokens: int = 160
    lean: float = 0.0
    seed: int = 0


class Adapter(Noun, frozen=True, kw_only=True):
    """A PEFT folder. `invocation` holds the ids that switch an activated LoRA on; it is empty for an ordinary LoRA."""

    path: str
    fingerprint: str
    invocation: tuple[int, ...] = ()


class Example(Noun, frozen=True, kw_only=True):
    """Something that the role once said, and the line that it answered."""

    before: str
    text: str


class Recalled(Noun, frozen=True, kw_only=True):
    """What a role is reminded of before it speaks; of each kind the best first.

    Args:
        passages: What it knows about the moment.
        memories: What was said long ago, which the transcript no longer holds.
        examples: Exchanges that show its voice.
    """

    passages: tuple[Passage, ...] = ()
    memories: tuple[Passage, ...] = ()
    examples: tuple[Example, ...] = ()


class SeatedRole(Noun, frozen=True, kw_only=True):
    """What a turn policy knows of a role."""

    id: str
    name: str
    aliases: tuple[str, ...] = ()
    talkativeness: float = 0.5


class View(Noun, frozen=True, kw_only=True):
    """What a turn policy decides on: who sits here and what was said lately, oldest first."""

    roles: tuple[SeatedRole, ...]
    persons: tuple[Speaker, ...]
    messages: tuple[Message, ...]


Scores = Mapping[str, float]
"""Speaker id → how much likelier than usual it is that this speaker talks next (log-probability)."""
