"""A scene while it is read: its title from headings, its premise, its lines.

Headings stand at levels: an act above a scene above a place, so that `第一幕`, `第二场` become one title. A heading
that is followed by another of its level before anybody speaks is told, and so is what does not fit: nothing goes
unseen. It knows no format; who opens and closes scenes is the reader's business.
"""

from finetune.corpora.base import CorpusFile
from finetune.dialogue import Line, Scene

LONGEST_PREMISE = 4_000
"""Characters; what a scene says of its place and time is short, a whole act that is taken for it is not."""

_EMPTY = "a heading with nothing under it"


class SceneDraft:
    """Gathers one scene after the other."""

    def __init__(self, file: CorpusFile) -> None:
        self._file = file
        self._titles: dict[int, tuple[str, str]] = {}  # level → where it stands, what it says
        self._premise: list[str] = []
        self._lines: list[Line] = []
        self._place = ""
        self.cast: dict[str, str] = {}
        """Personas by name, of the whole file; a scene gets those of its speakers."""

    @property
    def begun(self) -> bool:
        """Whether somebody has spoken, or something has happened, in this scene."""
        return bool(self._lines)

    def head(self, place: str, level: int, words: str) -> None:
        """Adds a heading to the scene that follows; the last scene must have been taken."""
        for other in [other for other in self._titles if other >= level]:
            self._file.skip(_quoting(*self._titles.pop(other)), _EMPTY)
        self._titles[level] = place, words
        self._place = self._place or place

    def add_premise(self, place: str, words: str) -> None:
        if sum(map(len, self._premise)) + len(words) > LONGEST_PREMISE:
            self._file.skip(_quoting(place, words), "too much is said of one scene's place and time")
        else:
            self._premise.append(words)
            self._place = self._place or place

    def say(self, place: str, name: str, text: str) -> None:
        """Adds a line; `name` is "" for narration, and the text is not blank."""
        self._lines.append(Line(name=name, text=text))
        self._place = self._place or place

    def taken(self) -> list[Scene]:
        """The scene so far, if anything happened in it; then the next begins."""
        if not self._lines:
            return []
        title = " ".join(self._titles[level][1] for level in sorted(self._titles))
        speakers = {line.name for line in self._lines}
        scene = Scene(
            premise="\n".join(self._premise),
            lines=self._lines,
            cast={name: persona for name, persona in self.cast.items() if name in speakers},
            title=title,
            source=f"{self._file.name}, {self._place}",
        )
        self._titles, self._premise, self._lines, self._place = {}, [], [], ""
        return [scene]

    def end(self) -> list[Scene]:
        """The last scene; headings and premises that nothing followed are told."""
        scenes = self.taken()
        for place, words in self._titles.values():
            self._file.skip(_quoting(place, words), _EMPTY)
        if self._premise:
            self._file.skip(_quoting(self._place, self._premise[0]), "a place or time with nothing under it")
        return scenes


def _quoting(place: str, words: str) -> str:
    return f'{place}: "{words[:40]}"'
