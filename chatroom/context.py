"""What a role is asked: its hearing, its persona and a budget → Prompt. Used by serving, training and evaluation.

One room, one memory: the premise and the public lines come first and are the same for every role; all that is this
role's alone (whispers, passages, example lines, persona, cue) stands in the tail. Nothing role-specific, random or
time-dependent enters the shared part. Pure: token counts are handed in, so the budget is exact for any tokenizer.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec
from msgspec.structs import replace

from chatroom.engines.base import Facts
from chatroom.messages import Audience, Line, Message, Passage, Prompt, Recalled
from chatroom.reply import INDENT, normalise, written

KEPT_AFTER_CUT = 0.6
"""A cut leaves this share of the budget, so that the transcript then grows for a while by appending only."""

Words = Mapping[str, str]
"""The words around the content, from chatroom/words/<language>.toml."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The role that a prompt is for, as far as the prompt shows it."""

    id: str
    name: str
    persona: str
    words: Words
    layout: Literal["room", "chat"] = "room"


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """What is the same for every role of a room; `words` are of the room's language."""

    room: str
    premise: str
    words: Words


class Part(NamedTuple):
    """A part of a tail. Parts of a lower rank are given up last; `passage` is what it tells, if it tells one."""

    rank: int
    text: str
    passage: Passage | None = None


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt before it is fitted into a budget; `texts()` must be counted first."""

    prompt: Prompt
    parts: tuple[Part, ...]

    def texts(self) -> list[str]:
        """Everything that takes room in the prompt."""
        prompt = self.prompt
        return [
            prompt.premise,
            *(line.text for line in prompt.lines),
            *(part.text for part in self.parts),
            prompt.start,
        ]


CUE, NOTE, PERSONA, RECALLED = range(4)
NOTHING = Recalled()
EXCERPT, TITLE = 240, 120
"""Characters of a passage that the log keeps, enough to see why something was said; of a title, also in a prompt."""


def draft(
    asked: Asked,
    scene: Scene,
    heard: Sequence[Message],
    *,
    recalled: Recalled = NOTHING,
    view: str = "",
) -> Draft:
    """Lays out everything that could be said to a role now.

    Args:
        asked: The role whose turn it is.
        scene: The room's unchanging part.
        heard: What this role heard, oldest first; whispers among it go to the tail.
        recalled: What it is reminded of.
        view: Set where this role hears less than the whole public transcript: it needs a lane of its own.
    """
    chat = asked.layout == "chat"
    persona = [] if chat or not asked.persona else [Part(PERSONA, asked.words["persona"].format(text=asked.persona))]
    parts = [
        *(Part(NOTE, note) for note in _notes(asked, heard)),
        *_recalled(asked, recalled),
        *persona,
        Part(CUE, asked.words["cue"].format(name=asked.name)),
    ]
    prompt = Prompt(
        view=f"{scene.room}/{view or (asked.id if chat else '')}",
        premise="\n\n".join(filter(None, (asked.persona, scene.premise))) if chat else scene.premise,
        lines=tuple(_line(message, asked.id, scene.words) for message in heard if message.audience is None),
        start="" if chat else f"{asked.name}:",
        leads=_leads(recalled, heard),
        layout=asked.layout,
    )
    return Draft(prompt=prompt, parts=tuple(part._replace(text=_indented(part.text)) for part in parts))


def fit(drafted: Draft, counts: Mapping[str, int], facts: Facts) -> Prompt:
    """Cuts a draft to the context: the transcript from the front, the tail by rank.

    Args:
        drafted: From `draft`.
        counts: Token ids of each of its texts, as lines.
        facts: Of the engine that will get the prompt.
    """
    lines = drafted.prompt.lines[cut(drafted, counts, facts) :]
    return replace(drafted.prompt, lines=lines, tail=_fitting(drafted.parts, counts, tail_budget(facts)))


def cut(drafted: Draft, counts: Mapping[str, int], facts: Facts) -> int:
    """How many of the first lines of a draft its prompt does not hold."""
    prompt, turn = drafted.prompt, facts.turn_overhead if drafted.prompt.layout == "chat" else 0
    fixed = facts.overhead + counts[prompt.premise] + counts[prompt.start]
    lengths = [counts[line.text] + turn for line in prompt.lines]
    return first_kept(lengths, max(1, shared_budget(facts) - fixed))


def given(drafted: Draft, prompt: Prompt) -> tuple[Passage, ...]:
    """The passages of a draft that are in the prompt made of it, shortened for the log."""
    told = (part.passage for part in drafted.parts if part.passage and part.text in prompt.tail)
    return tuple(
        replace(each, text=_beginning(each.text, EXCERPT), source=_beginning(each.source, TITLE)) for each in told
    )


def known_to(heard: Sequence[Message], passages: Sequence[Passage]) -> Audience | None:
    """Who may know all that a prompt may hold, whispers and passages: None is everyone."""
    of_all = (*(message.audience for message in heard), *(passage.audience for passage in passages))
    audiences = [audience for audience in of_all if audience is not None]
    return frozenset.intersection(*audiences) if audiences else None


def shared_budget(facts: Facts) -> int:
    """Positions for the shared part: the same for every role, or each change of speaker would cut anew."""
    return facts.context - tail_budget(facts) - reply_budget(facts)


def tail_budget(facts: Facts) -> int:
    return facts.context // 4


def reply_budget(facts: Facts) -> int:
    return facts.context // 8


def longest_line(facts: Facts) -> int:
    """Positions that one line may take before it is shortened in prompts (never in the log)."""
    return facts.context // 6


def first_kept(lengths: Sequence[int], budget: int) -> int:
    """Where the transcript begins once it is over budget: cut to a share of it, at a line's border, then append again.

    A fold from the front, so the answer depends on nothing but the lengths: not on when it is asked.
    """
    first = total = 0
    for last, length in enumerate(lengths):
        total += length
        if total > budget:
            while first < last and total > budget * KEPT_AFTER_CUT:
                total -= lengths[first]
                first += 1
    return first


def shorten(drafted: Draft, counts: Mapping[str, int], limit: int) -> Draft:
    """Shortens lines and parts that take more than `limit` positions, by the share that they are over."""

    def short(text: str, counted: str = "") -> str:
        over = counts[counted or text] / limit
        return text if over <= 1 else text[: max(1, int(len(text) / over * 0.9) - 4)].rstrip() + " …"

    lines = tuple(
        replace(line, text=short(line.text), said=short(line.said, line.text)) for line in drafted.prompt.lines
    )
    prompt = replace(drafted.prompt, premise=short(drafted.prompt.premise), lines=lines)
    return Draft(prompt=prompt, parts=tuple(_cut_to(part, short(part.text)) for part in drafted.parts))


def _cut_to(part: Part, text: str) -> Part:
    """A part with a shorter text; the log must not say that the role was given what was cut off."""
    if part.passage is None or text == part.text:
        return part._replace(text=text)
    left = max(0, len(part.passage.text) - (len(part.text) - len(text)) - len(" …"))
    return part._replace(text=text, passage=replace(part.passage, text=part.passage.text[:left]))


def _line(message: Message, own: str, words: Words) -> Line:
    if message.notice:
        return Line(text=words[message.notice].format(name=message.author.name))
    text = written(message.author.name, message.text)
    return Line(text=text, said=normalise(message.text), own=message.author.id == own)


def _leads(recalled: Recalled, heard: Sequence[Message]) -> tuple[str, ...]:
    """Replies that a small base may lean on: of the examples, those that nobody has heard already."""
    said = {message.text for message in heard}
    return tuple(example.text for example in recalled.examples if example.text not in said)


def _notes(asked: Asked, heard: Sequence[Message]) -> list[str]:
    """Whispers that the role heard, each marked with the public line it followed."""
    notes, public = [], ""
    for message in heard:
        if message.audience is None:
            public = message.text or public
        else:
            said = written(message.author.name, message.text)
            notes.append(asked.words["note"].format(text=said, after=_beginning(public)))
    return notes


def _recalled(asked: Asked, recalled: Recalled) -> list[Part]:
    """The parts that remind a role. The best of each kind outranks the second best of any, so that in a small context
    neither facts nor voice are crowded out."""
    words, name = asked.words, asked.name
    titled = [replace(passage, title=_beginning(passage.title, TITLE)) for passage in recalled.passages]
    memories = [(words["memory"].format(name=name, text=found.text), found) for found in recalled.memories]
    passages = [
        (words["passages"].format(name=name, text=_numbered(number, found)), found)
        for number, found in enumerate(titled, start=1)
    ]
    examples = [(words["examples"].format(name=name, before=e.before, text=e.text), None) for e in recalled.examples]
    return [
        Part(RECALLED + 3 * place + kind, text, passage)
        for kind, parts in ((1, memories), (0, passages), (2, examples))
        for place, (text, passage) in enumerate(parts)
    ]


def _numbered(number: int, passage: Passage) -> str:
    return f"[{number}] {passage.title}: {passage.text}" if passage.title else passage.text


def _indented(text: str) -> str:
    """Over several lines, indented, so that no part can pass for lines of the transcript."""
    return normalise(text).replace("\n", f"\n{INDENT}")


def _beginning(text: str, length: int = 40) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= length else flat[:length].rstrip() + "…"


def _fitting(parts: Sequence[Part], counts: Mapping[str, int], budget: int) -> tuple[str, ...]:
    """Keeps parts by rank until the budget is used; notes, newest first, take at most a quarter of it."""
    kept: set[int] = set()
    left, notes = budget, budget // 4
    by_rank = sorted(range(len(parts)), key=lambda i: (parts[i].rank, -i if parts[i].rank == NOTE else i))
    for i in by_rank:
        cost = counts[parts[i].text]
        if cost > left or (parts[i].rank == NOTE and cost > notes):
            continue
        kept.add(i)
        left -= cost
        notes -= cost if parts[i].rank == NOTE else 0
    return tuple(part.text for i, part in enumerate(parts) if i in kept)
