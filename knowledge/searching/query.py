"""What is searched for at a moment of a conversation: pure and deterministic; knows no index and no room.

The last line is searched as it is. Where it leans on what was said before (`What happened to her?`, `后来呢？`), the
words of the lines before it that say what they are about stand in front of it: one text, for the meaning as for the
words. A line that stands by itself drags nothing along, so that a new topic is searched alone.
"""

import re
from collections.abc import Iterable, Sequence

from knowledge.documents import Noun
from knowledge.language.mood import leans
from knowledge.language.terms import STOP_WORDS

REACH = 6
"""Lines before the last one that are looked at: a few questions in a row about one thing that was named once."""
LONGEST = 2000
"""Characters of the last line that are searched: a page that somebody pasted asks for nothing more."""
GIST = 160
"""Characters of an earlier line that are searched with the last one, so that a long reply does not drown it."""


class Line(Noun, frozen=True, kw_only=True):
    """A line of a conversation; the name is "" where nobody is known to have said it."""

    name: str = ""
    text: str


class Query(Noun, frozen=True, kw_only=True):
    """What is searched for.

    Args:
        text: What passages are compared with; "" finds nothing.
        lines: The latest lines, oldest first, of which the last one asks; lorebooks look for their keys in them.
    """

    text: str
    lines: tuple[str, ...] = ()


def query_of(lines: Sequence[Line], called: Sequence[str] = ()) -> Query:
    """Makes a query of the latest lines of a conversation, oldest first; `called` are names of the one who is asked."""
    said = tuple(line.text for line in lines)
    if not lines:
        return Query(text="", lines=said)
    asked = unaddressed(lines[-1].text.strip()[:LONGEST], [*called, *(line.name for line in lines)])
    before = [gist for text in _leant_on(lines) if (gist := _gist(text))] if leans(asked) else []
    return Query(text=". ".join([*before, asked]), lines=said)


def unaddressed(text: str, names: Iterable[str]) -> str:
    """A text without the name of the one it is said to: `Mara, how tall is it?` is not about Mara. A text that is
    nothing but the name stays."""
    for name in dict.fromkeys(filter(None, names)):
        called = re.escape(name)
        text = re.sub(rf"^{called}\s*[,，:：]\s*|\s*[,，]\s*{called}(?=\s*[.!?。！？]*$)", "", text, flags=re.I) or text
    return text


def _leant_on(lines: Sequence[Line]) -> list[str]:
    """The lines that a leaning one leans on, oldest first: back to where its speaker named what it is about."""
    taken = []
    for line in reversed(lines[:-1][-REACH:]):
        taken.append(line.text)
        if line.name == lines[-1].name and not leans(line.text):
            break
    return taken[::-1]


def _gist(text: str) -> str:
    """The beginning of a line, without the words that say nothing."""
    kept = " ".join(word for word in text.split() if word.strip(".,;:!?\"'").casefold() not in STOP_WORDS)
    return (kept if len(kept) <= GIST else kept[:GIST].rsplit(" ", 1)[0]).strip(" .!?。！？")
