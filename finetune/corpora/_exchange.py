"""Who speaks where no name stands beside a speech: whom a pronoun means, who is spoken to, and whose turn it is.

It works on one exchange, from what is sure to what follows from it: a pronoun means the only one near of that sex; of
two who talk, the one who calls the other by name is not the other; two who talk do so in turns. Where it would be a
choice between several, or where two signs contradict each other, a turn stays open. It knows no text formats.
"""

from collections.abc import Sequence

from finetune.corpora._people import People
from finetune.corpora._turn import How, Turn

MOST_ONE_SIDED = 6
"""Turns in a row that are filled in from one end only."""
MOST_BETWEEN = 40
"""Turns in a row that are filled in from both ends."""
NEAR = 6
"""Turns before and after one among whose speakers its own is looked for."""
_ROUNDS = 3
"""How often what was found may lead to more."""
_BEAT = 400
"""Characters of what is told between turns in which people are looked for."""

Item = Turn | str
"""A turn, or a paragraph that is told."""


def fill(items: Sequence[Item], people: People) -> None:
    """Finds speakers of the turns of one exchange, where it is clear who they are."""
    exchange = _Exchange(items, people)
    for _ in range(_ROUNDS):
        exchange.listen()
        if not (exchange.pronouns() + exchange.addresses() + exchange.gaps()):
            break


class _Exchange:
    """Turns that belong together, with those who are named and spoken to in each."""

    def __init__(self, items: Sequence[Item], people: People) -> None:
        self._people = people
        self._turns: list[Turn] = []
        self._named: list[set[str]] = []
        """Who is named in what is told between a turn and the one before it."""
        self._apart: list[bool] = []
        """Whether anything is told there."""
        told: list[str] = []
        for item in items:
            if isinstance(item, str):
                told.append(item[:_BEAT])
                continue
            self._turns.append(item)
            self._named.append({name for text in told for name in people.mentioned(text)})
            self._apart.append(bool(told))
            told = []
        self._called = [people.called(turn.text) for turn in self._turns]
        self._speaking: set[str] = set()
        self._beside = [people.mentioned(turn.told[:_BEAT]) for turn in self._turns]

    def listen(self) -> None:
        """Takes note of who speaks in the exchange, as far as it is known by now."""
        self._speaking = {name for at in range(len(self._turns)) for name in self._speaker(at)}

    def pronouns(self) -> int:
        """Finds whom `he said` means: the only one of that sex who was named or spoke near."""
        found = 0
        for at, turn in enumerate(self._turns):
            if not turn.speaker and turn.pronoun in ("he", "she") and (name := self._meant(at)):
                turn.find(name, "pronoun")
                found += 1
        return found

    def _meant(self, at: int) -> str:
        turn = self._turns[at]
        near = set(self._named[at])
        for before in range(max(0, at - NEAR), at):
            near |= self._beside[before] | self._named[before] | self._called[before] | self._speaker(before)
        near |= {name for after in range(at + 1, min(at + 3, len(self._turns))) for name in self._speaker(after)}
        fits = [name for name in near - self._called[at] if self._people.sex(name) in ("", turn.pronoun)]
        if at and not self._apart[at] and (last := self._speaker(at - 1)):
            fits = [name for name in fits if name not in last]
        return fits[0] if len(fits) == 1 and self._people.sex(fits[0]) and self._may_be(at, fits[0]) else ""

    def addresses(self) -> int:
        """Of two who talk, one who calls the other by name is the one."""
        found = 0
        for at, turn in enumerate(self._turns):
            if turn.speaker or turn.stranger or len(self._called[at]) != 1:
                continue
            others = self._talking(at, at + 1) - self._called[at]
            if len(others) == 1 and self._talking(at, at + 1) >= self._called[at]:
                found += self._find([at], [others.pop()], "address")
        return found

    def gaps(self) -> int:
        """Two who talk do so in turns: fills in stretches of turns without a speaker."""
        return sum(self._gap(begin, end) for begin, end in _gaps(self._turns))

    def _gap(self, begin: int, end: int) -> int:
        pair = sorted(self._talking(begin, end))
        left = next(iter(self._speaker(begin - 1)), "") if begin else ""
        right = next(iter(self._speaker(end)), "") if end < len(self._turns) else ""
        if len(pair) != 2 or not (left or right):
            return 0
        other = {pair[0]: pair[1], pair[1]: pair[0]}
        size = end - begin
        if left and right:
            if size > MOST_BETWEEN or (left == right) != (size % 2 == 1):
                return 0  # somebody spoke twice, or a third one did
            ordered = list(range(begin, end))
        elif left:
            ordered = self._until_told(list(range(begin, end)), 0)
        else:
            ordered = self._until_told(list(range(end - 1, begin - 1, -1)), 1)
        names = []
        name = left or right
        for _ in ordered:
            name = other[name]
            names.append(name)
        return self._find(ordered, names, "turns")

    def _until_told(self, ordered: Sequence[int], after: int) -> list[int]:
        """The turns up to where something is told: then somebody else may speak, or the same one again."""
        kept: list[int] = []
        for at in ordered[:MOST_ONE_SIDED]:
            if at + after < len(self._apart) and self._apart[at + after]:
                break
            kept.append(at)
        return kept

    def _talking(self, begin: int, end: int) -> set[str]:
        """Those who speak or are called near a stretch of turns; nobody where one is called who never speaks."""
        turns = range(max(0, begin - NEAR), min(len(self._turns), end + NEAR))
        called = {name for at in turns for name in self._called[at]}
        return {name for at in turns for name in self._speaker(at)} | called if called <= self._speaking else set()

    def _speaker(self, at: int) -> set[str]:
        speaker = self._turns[at].speaker
        return {self._people.key(speaker)} if speaker else set()

    def _find(self, places: Sequence[int], names: Sequence[str], how: How) -> int:
        """Takes speakers for a stretch of turns, all or, where a sign speaks against one of them, none."""
        if not all(self._may_be(at, name) for at, name in zip(places, names, strict=True)):
            return 0
        for at, name in zip(places, names, strict=True):
            self._turns[at].find(name, how)
        return len(places)

    def _may_be(self, at: int, name: str) -> bool:
        """Whether nothing speaks against somebody as the speaker of a turn."""
        turn = self._turns[at]
        against = turn.stranger or name in self._called[at] or turn.pronoun in ("I", "other")
        against = against or (at > 0 and not self._apart[at] and name in self._speaker(at - 1))
        against = against or (at + 1 < len(self._turns) and not self._apart[at + 1] and name in self._speaker(at + 1))
        return not against and not (turn.pronoun and self._people.sex(name) not in ("", turn.pronoun))


def _gaps(turns: Sequence[Turn]) -> list[tuple[int, int]]:
    """Stretches without a speaker."""
    gaps: list[tuple[int, int]] = []
    begin = -1
    for at, turn in enumerate(turns):
        if turn.speaker and begin >= 0:
            gaps.append((begin, at))
            begin = -1
        elif not turn.speaker and begin < 0:
            begin = at
    return [*gaps, (begin, len(turns))] if begin >= 0 else gaps
