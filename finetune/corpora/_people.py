"""Who the people of a novel are, as far as its words tell: whether a man or a woman, who is called how in speech, and
which names are certainly not two people.

It is learnt from the whole book and used to choose between those who are near; nothing of it merges names in what is
read. It knows no turns.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from finetune.corpora._book_names import HAN, STARTS, Names
from finetune.corpora._quotes import Piece

Sex = Literal["", "he", "she"]

_HE = "mr mister sir lord captain capt uncle king prince father brother master monsieur count duke squire emperor don"
_SHE = "mrs ms miss lady aunt queen princess mother sister madame mademoiselle countess duchess dame granny mamma"
_NEUTRAL = "dr doctor prof professor general gen colonel col major lieutenant lt sergeant sgt st judge"
_MEN = (
    "man boy gentleman captain doctor squire sergeant landlord king prince baronet butler coachman cabman waiter duke"
    " father brother uncle son husband emperor knight sailor cook coxswain curate clerk guardian"
)
_WOMEN = "woman girl lady maid queen princess witch mother sister aunt daughter wife widow nurse housekeeper landlady"
_TITLES: dict[str, Sex] = {
    **dict.fromkeys(_HE.split(), "he"),
    **dict.fromkeys(_SHE.split(), "she"),
    **dict.fromkeys(_NEUTRAL.split(), ""),
}
_NOUNS: dict[str, Sex] = {**dict.fromkeys(_MEN.split(), "he"), **dict.fromkeys(_WOMEN.split(), "she")}
_REACH = 120
"""Characters after a name in which a pronoun may mean it."""
_MEANS = re.compile(r"\b(?:(he|his|him|himself)|(she|her|herself|hers))\b|(他)|(她)|[.。!?！？;；]\s")
_LEAST, _TIMES = 3, 3
"""Pronouns that must speak for a sex, and how many times those that speak against it."""
_CAPITAL = re.compile(r"(?<![\w'’])[A-ZÀ-ÖØ-ÞА-ЯЁ][\w'’]{0,30}(?:\.? [A-ZÀ-ÖØ-ÞА-ЯЁ][\w'’]{0,30}){0,2}")
_COMMON = re.compile(r"(?<![\w'’])(?:the|my) (?=[a-z])")
_ENDEARED = re.compile(r"(?:\b(?:my|dear|dearest|good|poor|old|young) ){1,3}$", re.IGNORECASE)
_BEFORE_FIRST = re.compile(r"(?:^|[.!?;:]\s|--|—|\b(?:oh|ah|well|yes|no|why|now|come|but|and),? )$", re.IGNORECASE)
_BEFORE_LAST = re.compile(r",\s$")
_AFTER_FIRST = re.compile(r",")
_AFTER_LAST = re.compile(r"[.?!;]|--|—|$|,$|, (?!and\b|or\b|[A-Z]\w+,)")
_HAN_CALL = re.compile("(?:^|(?<=[，。！？!?…]))(?=[\u3400-\u9fff])")
_LEAST_CALLS = 5
_CRY_WORDS = "O Oh Ah God Lord Heaven Halloa Hallo Hullo Ha Hum Mum Ma Pa Papa Sir Madam Christmas"
_CRIES = frozenset(_CRY_WORDS.split())
_SMALL = re.compile(r"(?<![\w'’])[a-zа-я][\w'’]{0,30}")
_SPOKEN_REACH = 4_000
"""Characters of one speech in which those who are spoken to are looked for."""


class People:
    """Those who have names in a book."""

    def __init__(self, names: Names, book: Iterable[Sequence[Piece]]) -> None:
        self._names = names
        self._key = _keys(names)
        self._by_word: dict[str, set[str]] = defaultdict(set)
        for name in self._key:
            for word in set(_bare(name)):
                self._by_word[word].add(self._key[name])
        self._votes: dict[str, Counter[str]] = defaultdict(Counter)
        self.aliases: tuple[str, ...] = ()
        """What the one who tells the book is called by others."""
        self._learn(book)

    def key(self, name: str) -> str:
        """The most usual of the names that are one person's."""
        return self._key.get(name, name)

    def sex(self, name: str) -> Sex:
        """What the book says of it; "" where it does not."""
        first, *_ = words = [word.rstrip(".").lower() for word in name.split()] or [""]
        told = _NOUNS.get(words[-1], "") if first in ("the", "my") else _TITLES.get(first, "")
        votes = self._votes[self.key(name)]
        for one, other in (("he", "she"), ("she", "he")):
            if not told and votes[one] >= max(_LEAST, _TIMES * votes[other]):
                return "he" if one == "he" else "she"
        return told

    def mentioned(self, text: str) -> set[str]:
        """Those whom a text names."""
        return {self.key(name) for _, name in self._names_in(text)}

    def called(self, speech: str) -> set[str]:
        """Those who are spoken to by name in a speech."""
        speech = speech[:_SPOKEN_REACH]
        if HAN.search(speech):
            return {self.key(name) for name in self._called_han(speech)}
        return {key for words in _calls(speech) if (key := self._resolved(words))}

    def _called_han(self, speech: str) -> Iterator[str]:
        for start in _HAN_CALL.finditer(speech):
            name = self._names.begin(speech[start.end() : start.end() + 20])
            after = speech[start.end() + len(name) :][:1]
            if name and (after in "，！" if start.end() == 0 else after in "！？。!?" or not after):
                yield name

    def _resolved(self, words: str) -> str:
        """Who is meant by a name or a part of one; "" where it may be several or nobody."""
        if words in self._key:
            return self._key[words]
        bare = _bare(words)
        if any(word in self.aliases for word in bare):
            return self._names.narrator
        found = set.intersection(*(self._by_word.get(word, set()) for word in bare)) if bare else set()
        sex = _TITLES.get(words.split()[0].rstrip(".").lower(), "")
        fits = {key for key in found if not sex or self.sex(key) in ("", sex)}
        return fits.pop() if len(fits) == 1 else ""

    def _names_in(self, text: str) -> Iterator[tuple[int, str]]:
        """The names in a text, with where they end."""
        finders = (STARTS,) if HAN.search(text) else (_CAPITAL, _COMMON)
        for finder in finders:
            for found in finder.finditer(text):
                at = found.end() if finder is STARTS else found.start()
                for begin in [at, *(at + gap.end() for gap in re.finditer(r" ", found[0]) if finder is _CAPITAL)]:
                    if name := self._names.begin(text[begin : begin + 100]):
                        yield begin + len(name), name
                        break

    def _learn(self, book: Iterable[Sequence[Piece]]) -> None:
        told: Counter[str] = Counter()
        calls: Counter[str] = Counter()
        for pieces in book:
            words = " ".join(piece.text for piece in pieces if not piece.spoken)
            told.update(word for found in _CAPITAL.findall(words) for word in found.split())
            self._vote(words)
            for piece in pieces:
                told.update(_SMALL.findall(piece.text))
                if piece.spoken:
                    calls.update(word for call in _calls(piece.text[:_SPOKEN_REACH]) for word in _bare(call))
        if self._names.narrator:
            often = (word for word, count in calls.most_common(50) if count >= _LEAST_CALLS)
            known = [word for word in often if word not in self._by_word and word not in _CRIES]
            known = [word for word in known if calls[word] >= 2 * told[word] and not told[word.lower()]]
            self.aliases = tuple(word for word in known if 4 * calls[word] >= calls[known[0]])

    def _vote(self, text: str) -> None:
        for end, name in self._names_in(text):
            found = _MEANS.search(text, end, end + _REACH)
            if found and found.lastindex:
                self._votes[self.key(name)]["he" if found.lastindex in (1, 3) else "she"] += 1


def _calls(speech: str) -> Iterator[str]:
    """What stands where somebody is called, in a language with capitals."""
    for found in _CAPITAL.finditer(speech):
        begin = found.start()
        before = speech[max(0, begin - 30) : begin]
        if endeared := _ENDEARED.search(before):
            before = before[: endeared.start()]
        first = (_BEFORE_FIRST.search(before) or not before) and _AFTER_FIRST.match(speech, found.end())
        if first or (_BEFORE_LAST.search(before) and _AFTER_LAST.match(speech, found.end())):
            yield found[0]


def _bare(name: str) -> list[str]:
    """The words of a name without titles and articles."""
    words = name.split()
    return [word for word in words if word.rstrip(".").lower() not in _TITLES and word not in ("the", "my", "I")]


def _keys(names: Names) -> dict[str, str]:
    """To each name the most usual one of the same person, where that is beyond doubt."""
    keys: dict[str, str] = {}
    shared = _shared(names)
    by_word: dict[str, list[str]] = defaultdict(list)
    for name in names:
        words = _bare(name)
        near = {other for word in words for other in by_word[word][:20]}
        same = {other for other in near if _is_same(name, other) and words[-1] not in shared}
        keys[name] = same.pop() if len(same) == 1 else name
        if keys[name] == name:
            for word in words:
                by_word[word].append(name)
    return keys


def _shared(names: Iterable[str]) -> set[str]:
    """Family names of several people: `Mr. Knightley` and `Mr. John Knightley` are two."""
    forms = {name for name in names if name.split()[0].rstrip(".") in ("Mr", "Mrs", "Miss")}
    longer = (name.split() for name in forms)
    return {words[-1] for words in longer if len(words) > 2 and f"{words[0]} {words[-1]}" in forms}


def _is_same(one: str, other: str) -> bool:
    """Whether a name is a part of another, and their titles do not contradict."""
    if one.startswith(("the ", "my ")) or other.startswith(("the ", "my ")) or HAN.match(one):
        return False
    first, second = set(_bare(one)), set(_bare(other))
    sexes = {_TITLES.get(name.split()[0].rstrip(".").lower(), "") for name in (one, other)} - {""}
    return bool(first and second) and len(sexes) < 2 and (first <= second or second <= first)
