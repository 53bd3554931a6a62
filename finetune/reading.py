"""From files and folders to scenes: which format reads each file, what it held, and an account of all of it.

Invariant: a file that can't be read costs only itself and is named; what was passed over is counted by its reason.
Names and texts come out clean here, whatever a format makes of them: one line to a name, `\\n` between lines of text,
nothing that can't be written. It knows no roles and no training; the formats are behind `plugins.load`.
"""

import logging
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import cast

import msgspec

from chatroom import plugins
from finetune.corpora.base import HEAD, Corpus, CorpusFile, Head, Options
from finetune.dialogue import Line, Scene
from finetune.errors import WorkshopError
from knowledge.encodings import decode
from knowledge.errors import UnreadableError
from knowledge.reading import Found, find_files
from knowledge.sources.base import SourceFile

KIND = "finetune.corpora"
LONGEST_NAME = 40
"""Characters of a speaker's name, as at the table."""
MOST_REASONS, MOST_PLACES, LONGEST_PLACE = 100, 3, 100
"""What a report holds of one file: different reasons, and of each so many places, so long."""

_DEFAULT = Options()
_BREAKS = re.compile("\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_UNSEEN = re.compile("[\0-\x08\x0e-\x1b\x1f\x7f-\x9f\ufeff]")
"""Control characters but tab and newline, and byte order marks that were left in the middle."""
_UNSEEN_IN_NAMES = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069]")
_SURROGATE = re.compile("[\ud800-\udfff]")

log = logging.getLogger(__name__)


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """How often one thing was told of a file, and the first places where."""

    reason: str
    count: int
    places: tuple[str, ...] = ()


class FileReport(msgspec.Struct, frozen=True, kw_only=True):
    """What one file gave.

    Args:
        format: That read it; "" where none could be found.
        characters: Of text in its lines.
        skipped: What was passed over.
        notes: What was kept, but may not be what the author meant.
        error: Why it could not be read, or not to its end; "" where nothing went wrong.
    """

    file: str
    format: str = ""
    scenes: int = 0
    lines: int = 0
    characters: int = 0
    skipped: tuple[Tally, ...] = ()
    notes: tuple[Tally, ...] = ()
    error: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a corpus gave: file by file, and all together.

    Args:
        speakers: Number of lines by name, most first; without narration.
        private: Whether any of it is people's own talk, from which what identifies them is to be taken out.
    """

    files: tuple[FileReport, ...] = ()
    scenes: int = 0
    lines: int = 0
    characters: int = 0
    speakers: dict[str, int] = {}
    private: bool = False

    @property
    def errors(self) -> tuple[FileReport, ...]:
        """The files that could not be read, or not to their end."""
        return tuple(file for file in self.files if file.error)


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What was read, and the account of it."""

    scenes: tuple[Scene, ...]
    report: Report


def formats() -> list[str]:
    """Names of the formats, without importing any."""
    return plugins.names(KIND)


def format_of(file: SourceFile) -> str:
    """Names the format that reads a file: of those with its suffix the surest; of equally sure ones the first by name.

    Raises:
        UnreadableError: None claims it; the text says which there are and how to choose one.
    """
    with _mapped(file.name):
        name = file.name.lower()
        known = {each: _load(each) for each in formats()}
        head = _head(file)
        sure = {each: known[each].claims(head) for each in known if name.endswith(known[each].SUFFIXES)}
        best = max(sure, key=lambda each: sure[each], default="")  # max keeps the first of equals, and names are sorted
        if best and sure[best] > 0:
            return best
    raise UnreadableError(file.name, _unclaimed(head.suffix, known, sorted(sure)))


def read_corpus(
    paths: Sequence[Path],
    *,
    format: str = "",
    options: Options = _DEFAULT,
    progress: Callable[[str], None] | None = None,
) -> Reading:
    """Reads files and folders, in an order that is the same on every machine.

    Args:
        format: That reads every file; "" to let each file tell.
        progress: Is told each file's name before it is read.

    Raises:
        PluginError: There is no such format.
    """
    if format:
        _load(format)
    files, scenes, private = [], [], False
    found = _found(paths)
    for file in found.files:
        if progress:
            progress(file.name)
        account = _Account(file, format)
        scenes += account.read(options)
        private = private or account.private
        files.append(account.report())
    files += [FileReport(file=skipped.file, error=skipped.problem) for skipped in found.skipped]
    return Reading(scenes=tuple(scenes), report=_report(files, scenes, private))


def write_scenes(path: Path, scenes: Iterable[Scene]) -> None:
    """Writes scenes, one a line; an existing file stays as it is until all are written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".part")
    with draft.open("wb") as stream:
        for scene in scenes:
            stream.write(msgspec.json.encode(scene) + b"\n")
    os.replace(draft, path)


def read_scenes_file(path: Path) -> list[Scene]:
    """Reads what `write_scenes` wrote.

    Raises:
        WorkshopError: It can't be read; the text names the line.
    """
    try:
        rows = path.read_bytes().split(b"\n")
    except OSError as error:
        raise WorkshopError(str(path), f"can't be read: {error.strerror}", "read the corpus first") from None
    return [_scene(path, number, row) for number, row in enumerate(rows, start=1) if row.strip()]


def _scene(path: Path, number: int, row: bytes) -> Scene:
    try:
        return msgspec.json.decode(row, type=Scene)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        problem = f"line {number} is no scene: {error}"
        raise WorkshopError(str(path), problem, "correct that line, or read the corpus again") from None


class _Account:
    """Reads one file and keeps its account."""

    def __init__(self, file: SourceFile, format: str) -> None:
        self._file, self._format = file, format
        self._skipped, self._notes = _Tallies(), _Tallies()
        self._scenes = self._lines = self._characters = 0
        self._error = ""
        self.private = False

    def read(self, options: Options) -> list[Scene]:
        """Its scenes; those before a place where it breaks off are kept."""
        scenes: list[Scene] = []
        try:
            with _mapped(self._file.name):
                scenes.extend(self._stream(options))  # extend keeps what came before an error
        except UnreadableError as error:
            self._error = f"{error.place}: {error.problem}" if error.place else error.problem
        return scenes

    def report(self) -> FileReport:
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
        corpus = _load(self._format)
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


class _Tallies:
    """Counts what is told of a file, by its reason; bounded, whatever a format tells."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._places: dict[str, list[str]] = {}

    def add(self, place: str, reason: str) -> None:
        reason = clean_text(reason)
        if reason not in self._counts and len(self._counts) >= MOST_REASONS:
            reason = "other reasons"
        self._counts[reason] += 1
        places = self._places.setdefault(reason, [])
        if place and len(places) < MOST_PLACES:
            places.append(" ".join(clean_text(place[: 2 * LONGEST_PLACE]).split())[:LONGEST_PLACE])

    def told(self) -> tuple[Tally, ...]:
        """Most frequent first."""
        return tuple(
            Tally(reason=reason, count=count, places=tuple(self._places[reason]))
            for reason, count in sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))
        )


def clean_name(name: str) -> str:
    """A name on one line, with single spaces and without what can't be seen."""
    return " ".join(_UNSEEN_IN_NAMES.sub("", clean_text(name)).split())


def clean_text(text: str) -> str:
    """Text with `\\n` between its lines, stripped, without control characters, and fit for UTF-8."""
    if _SURROGATE.search(text):  # from `\\ud83d` in JSON: pairs are joined, lone halves are lost
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return _UNSEEN.sub("", _BREAKS.sub("\n", text)).strip()


def _found(paths: Sequence[Path]) -> Found:
    """The files below the paths, each once. A link in a folder never leads out of the folder that the user named."""
    real = sorted({Path(os.path.realpath(path)) for path in paths})
    bases = [path if path.is_dir() else path.parent for path in real]
    common = Path(os.path.commonpath(bases)) if bases else Path()
    files: dict[Path, SourceFile] = {}
    skipped = []
    for path, base in zip(real, bases, strict=True):
        below = base.relative_to(common)
        part = find_files([path], base)
        for file in part.files:
            name = (below / file.name).as_posix()
            files.setdefault(file.path, SourceFile(name=name, path=file.path))
        skipped += [msgspec.structs.replace(each, file=(below / each.file).as_posix()) for each in part.skipped]
    ordered = sorted(files.values(), key=lambda file: file.name)
    return Found(files=tuple(ordered), skipped=tuple(dict.fromkeys(skipped)))


def _report(files: Sequence[FileReport], scenes: Sequence[Scene], private: bool) -> Report:
    counts = Counter(line.name for scene in scenes for line in scene.lines if line.name)
    return Report(
        files=tuple(sorted(files, key=lambda file: file.file)),
        scenes=len(scenes),
        lines=sum(file.lines for file in files),
        characters=sum(file.characters for file in files),
        speakers=dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))),
        private=private,
    )


def _load(name: str) -> Corpus:
    return cast(Corpus, plugins.load(KIND, name))


def _head(file: SourceFile) -> Head:
    with file.open() as stream:
        data = stream.read(HEAD)
    try:
        text = decode(data).rstrip("\ufffd").replace("\r\n", "\n").replace("\r", "\n")
    except ValueError:
        text = ""
    return Head(suffix=PurePosixPath(file.name).suffix.lower(), data=data, text=text)


def _unclaimed(suffix: str, known: dict[str, Corpus], tried: Sequence[str]) -> str:
    """Why no format reads a file, and what to do."""
    choose = f"choose how to read it with --format, one of {', '.join(known)}"
    if tried:
        kinds = "; ".join(known[name].HELP for name in tried)
        return f"it does not begin as any {suffix} file that can be read ({kinds}): {choose}"
    suffixes = " ".join(sorted({each for corpus in known.values() for each in corpus.SUFFIXES}))
    return f"{suffix or 'files without a suffix'}: only these are read: {suffixes}; convert it, or {choose}"


@contextmanager
def _mapped(name: str) -> Iterator[None]:
    """Whatever goes wrong with a file is told of that file."""
    try:
        yield
    except UnreadableError:
        raise
    except OSError as error:
        raise UnreadableError(name, f"it can't be read: {error.strerror or error}") from None
    except RecursionError:
        raise UnreadableError(name, "it is nested too deeply") from None
    except MemoryError:
        raise UnreadableError(name, "there is not enough memory to read it: split it into several files") from None
    except Exception as error:
        log.exception("reading %s", name)
        raise UnreadableError(name, f"it can't be read, by a fault of ours: {error!r}") from error


_SAMPLE = 200_000
"""Characters that tell a language."""
_SCRIPTS = {
    "zh": re.compile("[\u3400-\u4dbf\u4e00-\u9fff]"),
    "ja": re.compile("[\u3041-\u30ff\uff66-\uff9d]"),
    "ko": re.compile("[\uac00-\ud7a3]"),
    "ru": re.compile("[\u0400-\u04ff]{2,}"),
    "en": re.compile("[A-Za-z\u00c0-\u024f]{2,}"),
}
"""What is about a word long: a character of Chinese, kana or Hangul, a run of letters elsewhere."""
_NOT_RUSSIAN = re.compile("[ІіЇїЄєҐґЎўЈјЉљЊњЋћЂђЏџ]")
_ENGLISH = re.compile(
    r"\b(?:the|and|you|that|is|to|of|what|with|have|this|are|not|for|my|your|was|he|she|they|it's|don't|i'm)\b"
)


def language_of(scenes: Iterable[Scene]) -> str:
    """The language that most of it is in: `zh`, `en`, `ja`, `ko`, `ru`, or "" for another or for a mixture."""
    text = _sample(scenes)
    counts = {language: len(script.findall(text)) for language, script in _SCRIPTS.items()}
    if counts["ja"] * 8 > counts["zh"]:  # Japanese is half kana; Chinese holds none but in a name or two
        counts["ja"] += counts.pop("zh")
    best = max(counts, key=lambda language: counts[language])
    if counts[best] * 2 <= sum(counts.values()):
        return ""
    if best == "ru" and len(_NOT_RUSSIAN.findall(text)) * 10 > counts["ru"]:
        return ""
    return best if best != "en" or _is_english(text) else ""


def _sample(scenes: Iterable[Scene]) -> str:
    parts: list[str] = []
    left = _SAMPLE
    for scene in scenes:
        for line in scene.lines:
            if left <= 0:
                return "\n".join(parts)
            parts.append(line.text[:left])
            left -= len(line.text)
    return "\n".join(parts)


def _is_english(text: str) -> bool:
    """Whether at least one word in eight is one that English is made of and that its neighbours spell otherwise."""
    plain = text.lower().replace("\u2019", "'")
    return len(_ENGLISH.findall(plain)) * 8 >= len(_SCRIPTS["en"].findall(plain))
