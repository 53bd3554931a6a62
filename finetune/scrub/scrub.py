"""Takes what identifies people out of a corpus and puts placeholders there, the same one for the same thing throughout.

Invariant: what was scrubbed stays as it is when it is scrubbed again. What was taken out is kept in memory only, so
that it is known again; nothing here writes it anywhere. It knows no formats and no files.
"""

import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence

from msgspec.structs import replace

from finetune.dialogue import Line, Scene
from finetune.scrub import accounts, addresses, bank, keys, machines, mail, papers, phones
from finetune.scrub.folding import Folded, fold
from finetune.scrub.found import Finder, Found, Kind, Language, placeholder, placeholders
from finetune.scrub.names import Names
from finetune.scrub.report import Removed, Report

_FINDERS: tuple[Finder, ...] = (keys.find, mail.find)
_OF_DIGITS: tuple[Finder, ...] = (papers.find, bank.find, phones.find, machines.find)
_OF_WORDS: tuple[Finder, ...] = (addresses.find, accounts.find)
"""Of two that find the same stretch, the earlier one says what it is; most texts have nothing for those of digits."""
_AROUND = 40
"""Characters on each side that tell the language a placeholder is written in."""
_ROUNDS = 8
_DIGITS = re.compile("[0-9][^0-9]?[0-9]|[0-9]:|[零〇○一二三四五六七八九幺]{11}|:[0-9A-Fa-f]{0,4}:")
_HAN, _LETTER = re.compile("[\u3400-\u9fff]"), re.compile("[A-Za-z]")


class Scrubber:
    """Scrubs the texts of one corpus.

    Args:
        names: Names to take out as well, each as a person of its own.
        keep: What stays though it looks personal, as it is written in the text or as its bare digits.
        language: Of placeholders where the text around has no words.
    """

    def __init__(self, *, names: Sequence[str] = (), keep: Container[str] = (), language: Language = "zh") -> None:
        last = (*_OF_WORDS, Names(names).find)
        self._always, self._finders = (*_FINDERS, *last), (*_FINDERS, *_OF_DIGITS, *last)
        self._keep, self._language = keep, language
        self._given: dict[tuple[Kind, str], str] = {}
        self._numbers: Counter[Kind] = Counter()
        self._distinct: Counter[Kind] = Counter()
        self._counts: Counter[Kind] = Counter()
        self._written: Counter[str] = Counter()

    @property
    def report(self) -> Report:
        """What was taken out so far."""
        kinds: dict[str, Removed] = {
            str(kind): Removed(count=n, distinct=self._distinct[kind]) for kind, n in sorted(self._counts.items())
        }
        return Report(kinds=kinds, placeholders=dict(sorted(self._written.items())))

    def text(self, text: str) -> str:
        """Scrubs one text; what a replacement brings to light is scrubbed as well."""
        for _ in range(_ROUNDS):
            before, text = text, self._once(text)
            if text == before:
                break
        return text

    def scenes(self, scenes: Iterable[Scene]) -> list[Scene]:
        """Scrubs scenes: what is said in them, and every name, note and title."""
        scenes = list(scenes)
        for scene in scenes:
            self._reserve(scene)
        return [self._scene(scene) for scene in scenes]

    def _scene(self, scene: Scene) -> Scene:
        return replace(
            scene,
            premise=self.text(scene.premise),
            lines=[self._line(line) for line in scene.lines],
            cast={self.text(name): self.text(persona) for name, persona in scene.cast.items()},
            title=self.text(scene.title),
            source=self.text(scene.source),
        )

    def _line(self, line: Line) -> Line:
        audience = None if line.audience is None else tuple(map(self.text, line.audience))
        return replace(line, name=self.text(line.name), text=self.text(line.text), audience=audience)

    def _reserve(self, scene: Scene) -> None:
        """Numbers of placeholders that are already there are given to nothing else."""
        for text in (scene.premise, scene.title, *(part for line in scene.lines for part in (line.name, line.text))):
            if "[" in text:
                self._protected(text)

    def _once(self, text: str) -> str:
        folded = fold(text)
        found = self._kept_apart(folded, text)
        if not found:
            return text
        parts, end = [], 0
        for start, stop, what in found:
            parts += [text[end:start], self._placeholder(what, text, start, stop)]
            end = stop
        return "".join([*parts, text[end:]])

    def _kept_apart(self, folded: Folded, text: str) -> list[tuple[int, int, Found]]:
        """What is taken out of a text, in order: of two that overlap the longer one, and no placeholder."""
        finders = self._finders if _DIGITS.search(folded.text) else self._always
        found = [found for finder in finders for found in finder(folded.text) if found.end > found.start]
        if not found:
            return []
        taken = bytearray(len(text))
        for start, end in self._protected(text):
            taken[start:end] = b"\1" * (end - start)
        apart = []
        for what in sorted(found, key=lambda what: what.start - what.end):
            start, end = folded.span(what.start, what.end)
            if 1 not in taken[start:end] and not self._is_kept(text[start:end], what.key):
                taken[start:end] = b"\1" * (end - start)
                apart.append((start, end, what))
        return sorted(apart, key=lambda place: place[0])

    def _is_kept(self, written: str, key: str) -> bool:
        return written in self._keep or key in self._keep

    def _protected(self, text: str) -> Iterator[tuple[int, int]]:
        """Where placeholders stand."""
        places = list(placeholders(text))
        for _, _, kind, number in places:
            self._numbers[kind] = max(self._numbers[kind], number)
        return ((start, end) for start, end, _, _ in places)

    def _placeholder(self, what: Found, text: str, start: int, end: int) -> str:
        """The placeholder of what was found: the one it has, or the next of its kind."""
        key = what.kind, what.key
        if key not in self._given:
            self._numbers[what.kind] += 1
            self._distinct[what.kind] += 1
            around = (
                what.key if what.kind == "name" else text[max(0, start - _AROUND) : start] + text[end : end + _AROUND]
            )
            self._given[key] = placeholder(what.kind, self._numbers[what.kind], self._language_of(around))
        self._counts[what.kind] += 1
        self._written[self._given[key]] += 1
        return self._given[key]

    def _language_of(self, text: str) -> Language:
        """The language of some words: a few Chinese characters weigh as much as a word of letters."""
        han, letters = len(_HAN.findall(text)), len(_LETTER.findall(text))
        return self._language if not han and not letters else "zh" if han * 4 >= letters else "en"
