"""The score floor: what a passage must have in common with a line to be worth telling; small talk finds nothing.

A ranking always has a first place; whether that is worth anything is decided here, by evidence that means the same in
every wiki: how near the passage is in meaning, and which telling words of the line it holds. Words of everyday talk do
not tell. How much is asked for depends on whether the line asks. Knows no shelf's inside and no model.
"""

import re
from collections.abc import Callable, Sequence, Set
from math import inf

from knowledge.documents import Passage, sought
from knowledge.language.everyday import is_everyday
from knowledge.language.mood import Mood, mood, names, personal
from knowledge.language.terms import terms

_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")

NEAR: dict[str, tuple[float, float, float]] = {
    "asks": (0.20, 0.22, 0.38),
    "wonders": (0.22, 0.28, 0.40),
    "wonders of you": (0.24, 0.36, 0.42),
    "says": (0.32, 0.42, 0.48),
}
"""The least cosine for each form of a line: where the words are evidence, where they are not though the line has
telling ones, and where it has none. Small talk comes that near to some passage of a wiki, or of a novel even, in 1 or 2
lines of 100; of the right passages of questions 98 of 100 are nearer."""
SHARE = 0.35
"""Where the words are evidence, a passage also stays if it holds that much of what the best one holds of the line."""
EVERYDAY = 0.3
"""What an everyday word weighs in that, against a telling one of the same rarity."""
NAME, CHARACTER = 2.0, 0.4
"""What counts as more than one telling word, and as less: a single Chinese character says little."""


class Floor:
    """What one line asks of passages.

    Args:
        text: What is searched.
        line: The last line of the conversation, whose form tells whether anything is asked.
        rarity: How telling a term is where the passages stand; 0 for one that stands nowhere there.
    """

    def __init__(self, text: str, line: str, rarity: Callable[[str], float]) -> None:
        wants, words = mood(line), set(terms(text))
        self._named = {term for name in names(text) for term in terms(name)}
        self._telling = {term for term in words if term in self._named or not is_everyday(term)}
        self._weights = {term: rarity(term) * (1 if term in self._telling else EVERYDAY) for term in words}
        self._need = _need(line, wants)
        self._near = NEAR["wonders of you" if wants == "wonders" and personal(line) else wants]

    def passing(self, found: Sequence[tuple[Passage, float | None]]) -> list[bool]:
        """Which of the best passages, with their cosines if they have any, are worth telling."""
        held = [self._held(sought(passage)) for passage, _ in found]
        told = any(self._count(each) >= self._need for each in held)
        near = self._near[0 if told else 1 if self._telling else 2]
        shares = [sum(self._weights[term] for term in each) for each in held]
        enough = SHARE * max(shares, default=0) if told else inf
        return [
            share >= enough or (cosine is not None and cosine >= near)
            for share, (_, cosine) in zip(shares, found, strict=True)
        ]

    def _held(self, text: str) -> set[str]:
        """Which terms of the line a text holds; Chinese ones are looked for as they are, for cutting costs more."""
        found = {term for term in self._weights if _HAN.match(term) and term in text}
        spaced = self._weights.keys() - found
        return found | (spaced & set(terms(_HAN.sub(" ", text)))) if spaced else found

    def _count(self, held: Set[str]) -> float:
        """How many telling words these are; jieba's words within words count once."""
        telling = held & self._telling
        return sum(
            self._counted(term) for term in telling if not any(term != other and term in other for other in telling)
        )

    def _counted(self, term: str) -> float:
        if term in self._named:
            return NAME
        return CHARACTER if len(term) == 1 else 1


def _need(line: str, wants: Mood) -> int:
    """How many telling words a passage must hold before words are evidence.

    `Could you pass the salt?` holds one and asks nothing of a wiki; `salt` alone is a topic.
    """
    if wants == "says":
        return min(2, len(set(terms(line)))) if _is_topic(line) else 2
    return 2 if wants == "wonders" and personal(line) else 1


def _is_topic(line: str) -> bool:
    """Whether a line is nothing but telling words, as one types them into a search."""
    words = terms(line)
    if not words or line.startswith("*"):  # what somebody does: `*raises a glass*`
        return False
    spaced = re.findall(r"[^\W_]+", _HAN.sub(" ", line))
    return (
        not any(map(is_everyday, words))
        and len(spaced) <= len(words)
        and set(_HAN.findall(line)) <= set("".join(words))
    )
