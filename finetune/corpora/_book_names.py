"""What the people of a novel are called, by where a book names them: beside speech, and where a sentence begins.

What stands where a speaker stands, and recurs, is a name; a word that has its capital only because a sentence begins
with it is none. The one who tells the book is called `I`, unless a user says who that is. It knows no turns.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence

from finetune.corpora._said import Said

HAN = re.compile("[\u3400-\u9fff]")
STARTS = re.compile(r"(?:^|(?<=[。！？!?…；.\n”」』]))\s*(?=\S)")
"""Where a sentence begins."""
_WITHIN = re.compile(r"(?<=[a-zа-я,;] )[A-ZÀ-ÖØ-ÞА-ЯЁ][\w'’]{0,30}")
"""A word with a capital, within a sentence."""
_PRONOUNS = ("I", "я", "Я", "我")
_LEAST_TOLD = 3
"""Speeches of the one who tells the book; fewer are slips of the pen."""
_LEAST_COMMON = 2
"""Times that somebody speaks who is called by no name, as the captain."""


class Names:
    """What the people of a book are called.

    Args:
        given: Names that a user knows to be in it.
        me: Who tells the book, where a user says so.
    """

    def __init__(self, given: Collection[str], me: str = "") -> None:
        self._given = {name.strip() for name in given if name.strip()}
        self.counts: Counter[str] = Counter()
        """How often each name stands beside speech."""
        self._told: Counter[str] = Counter()
        self._me = me.strip()
        self.narrator = ""
        """Who tells the book, if somebody in it does."""
        self._known: set[str] = set()
        self._sizes: dict[str, list[int]] = {}

    def collect(self, around: Iterable[tuple[Said | None, Said | None]]) -> None:
        """Counts what stands where a speaker stands in one paragraph."""
        for both in around:
            for said in both:
                if said and said.sure and not said.thought:
                    self.counts[said.subject] += 1
                elif said and said.pronoun == "I" and not said.thought:
                    self._told["我" if HAN.match(said.subject) else "I"] += 1

    def settle(self, texts: Sequence[str]) -> None:
        """Decides what is a name: it recurs, or has a capital; longer forms are led back to shorter ones.

        Args:
            texts: The paragraphs, in which who is named once as a speaker may act elsewhere.
        """
        acts = Counter(name for text in texts for name in self._acting(text))
        self.counts += Counter({name: 1 for name, count in acts.items() if count > 1})
        within = {word for text in texts for word in _WITHIN.findall(text)}
        for name, count in list(self.counts.items()):
            short = next((name[:end] for end in range(2, len(name)) if self.counts[name[:end]] >= count), "")
            if HAN.match(name):
                self._known |= {short or name} if count + self.counts[short] > 1 else set()
            elif name.startswith(("the ", "my ")):
                self._known |= {name} if count >= _LEAST_COMMON else set()
            elif name.split()[-1] in within or "." in name:
                self._known.add(name)
        self._known |= self._given
        self._settle_narrator()
        self._sizes = _sizes(self._known)

    def _settle_narrator(self) -> None:
        pronoun, count = next(iter(self._told.most_common(1)), ("", 0))
        if count >= _LEAST_TOLD or (self._me and count):
            self.narrator = self._me or pronoun
            self._known.add(self.narrator)

    def _acting(self, text: str) -> Iterator[str]:
        """Those who may be names and begin a sentence."""
        for start in STARTS.finditer(text):
            at = start.end()
            yield from (text[at : at + size] for size in (2, 3, 4) if text[at : at + size] in self.counts)

    def __iter__(self) -> Iterator[str]:
        """All names, those that stand most often beside speech first."""
        return iter(sorted(self._known, key=lambda name: (-self.counts[name], name)))

    def of(self, said: Said) -> str:
        """The name in what is said of a speaker; "" where there is none."""
        if said.pronoun:
            return self.narrator if said.pronoun == "I" else ""
        return self.begin(said.subject)

    def begin(self, words: str) -> str:
        """The longest name that words begin with."""
        for size in self._sizes.get(words[:2], ()):
            if words[:size] in self._known and (HAN.match(words) or not words[size : size + 1].isalnum()):
                return "" if words[:size] in _PRONOUNS else words[:size]
        return ""


def _sizes(names: Iterable[str]) -> dict[str, list[int]]:
    """How long names are, the longest first, by the two characters they begin with."""
    found: dict[str, set[int]] = defaultdict(set)
    for name in names:
        found[name[:2]].add(len(name))
    return {first: sorted(sizes, reverse=True) for first, sizes in found.items()}
