"""The contract of a task: what it asks of each reply.

A plug-in is a module with `HELP`, one sentence that a good reply fulfils, `EXPECTED`, the share of replies that should,
and `judge`. Where it can be measured how often the judge itself is right, the module has `reliability(known)` too: a
share, or None. It sees replies and what is known of the table; it asks no model.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import msgspec

from evals.asking import Reply

_HAN = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
HAN = re.compile(f"[{_HAN}]")
_WORD = re.compile(rf"[{_HAN}]|[^\W{_HAN}]+(?:'[^\W{_HAN}]+)*")
_ASCII = re.compile(r"[A-Za-z0-9]")


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What a judge may know.

    Args:
        words: All words, in small letters, of what was written for the table, its roles and their base; none where
            nobody knows what the base has read.
        names: All names that stand there, so that somebody else's is noticed.
        lines: Of every role by its name, what it says in its own lines.jsonl.
    """

    words: frozenset[str]
    names: frozenset[str]
    lines: Mapping[str, Sequence[str]]


class Task(Protocol):
    """What a module in this folder defines."""

    HELP: str
    EXPECTED: float

    def judge(self, reply: Reply, known: Known) -> str | None:
        """Why a reply fails; "" where it passes; None where the task does not ask anything of it."""
        ...


def tokens(text: str) -> list[str]:
    """The words of a text as they are written, numbers too; a Chinese character is one, curly quotes are straight."""
    return _WORD.findall(straight(text))


def words_of(text: str) -> Iterator[str]:
    """The words of a text in small letters, without whatever has a digit in it."""
    return (word.lower().strip("_") for word in tokens(text) if not any(map(str.isdigit, word)))


def straight(text: str) -> str:
    """A text with straight quotes, as people type them."""
    return text.replace("\u2019", "'").replace("\u2018", "'").replace("\u201c", '"').replace("\u201d", '"')


def missed(reply: Reply) -> str:
    """What of a probe's marks a reply does not hold to, as a reason; "" where it does."""
    said = straight(reply.text).casefold()
    if slips := [each for each in reply.probe.unwanted if _holds(said, each)]:
        return f"it says {slips[0]!r}"
    wanted = reply.probe.wanted
    return "" if not wanted or any(_holds(said, each) for each in wanted) else f"it lacks {' or '.join(wanted)}"


def names(name: str, text: str) -> bool:
    """Whether a text has a name in it, as a word of its own where its script divides words."""
    if HAN.search(name):
        return name in text
    return re.search(rf"(?<![^\W{_HAN}]){re.escape(name)}(?![^\W{_HAN}])", text, re.IGNORECASE) is not None


def _holds(said: str, mark: str) -> bool:
    """Whether a mark begins where a word does; a number must be all of one. `ten` is not in `often`, 14 not in 142."""
    wanted = straight(mark).casefold()
    start = r"(?<![a-z0-9])" if _ASCII.match(wanted) else ""
    end = r"(?!\d)" if wanted[-1:].isdigit() else ""
    return re.search(start + re.escape(wanted) + end, said) is not None
