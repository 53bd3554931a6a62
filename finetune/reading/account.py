"""The account of one file while it is read: its scenes with clean names and texts, and what was told of it.

Invariant: what came before a place where a file breaks off is kept. It knows no other files.
"""

from collections.abc import Iterator

from finetune.corpora.base import CorpusFile, Options
from finetune.dialogue import Line, Scene
from finetune.reading.formats import corpus_named, format_of, told_of
from finetune.reading.report import FileReport
from finetune.reading.tallies import Tallies
from finetune.reading.text import LONGEST_NAME, clean_name, clean_text
from knowledge.errors import UnreadableError
from knowledge.sources.base import SourceFile


class Account:
    """Reads one file and keeps its account."""

    def __init__(self, file: SourceFile, format: str) -> None:
        self._file, self._format = file, format
        self._skipped, self._notes = Tallies(), Tallies()
        self._scenes = self._lines = self._characters = 0
        self._error = ""
        self.private = False

    def read(self, options: Options) -> list[Scene]:
        """Its scenes; those before a place where it breaks off are kept."""
        scenes: list[Scene] = []
        try:
            with told_of(self._file.name):
                scenes.extend(self._stream(options))  # extend keeps what came before an error
        except UnreadableError as error:
            self._error = f"{error.place}: {error.problem}" if error.place else error.problem
        return scenes

    def report(self) -> FileReport:
        """What came of it."""
        return FileReport(
            file=self._file.name,
            format=self._format,
            scenes=self._scenes,
            lines=self._lines,
            characters=self._characters,
            skipped=self._skipped.told(),
            notes=self._notes.told(),
            error=self._error,
        )

    def _stream(self, options: Options) -> Iterator[Scene]:
        self._format = self._format or format_of(self._file)
        corpus = corpus_named(self._format)
        self.private = corpus.PRIVATE
        file = CorpusFile(
            name=self._file.name,
            path=self._file.path,
            skip=self._skipped.add,
            note=self._notes.add,
            options=options,
        )
        for scene in corpus.read(file):
            if clean := self._clean(scene):
                self._scenes += 1
                self._lines += len(clean.lines)
                self._characters += sum(len(line.text) for line in clean.lines)
                yield clean

    def _clean(self, scene: Scene) -> Scene | None:
        """The scene with clean names and texts, without blank lines; None where nothing is left of it."""
        lines = [line for line in map(self._line, scene.lines) if line.text]
        if not lines:
            return None
        return Scene(
            premise=clean_text(scene.premise),
            lines=lines,
            cast={self._name(name): clean_text(persona) for name, persona in scene.cast.items()},
            title=" ".join(clean_text(scene.title).split()),
            source=" ".join(clean_text(scene.source).split()) or self._file.name,
        )

    def _line(self, line: Line) -> Line:
        audience = None if line.audience is None else tuple(map(self._name, line.audience))
        return Line(name=self._name(line.name), text=clean_text(line.text), audience=audience, made_by=line.made_by)

    def _name(self, name: str) -> str:
        clean = clean_name(name)
        if len(clean) > LONGEST_NAME:
            self._notes.add(f'"{clean[:LONGEST_NAME]}…"', f"a name longer than {LONGEST_NAME} characters was cut")
            clean = clean[: LONGEST_NAME - 1].rstrip() + "…"
        return clean
