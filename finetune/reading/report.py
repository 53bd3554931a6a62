"""What reading gave: file by file and all together, and how often what was told of a file.

Invariant: what was passed over is counted by its reason, and the account stays small whatever a format tells. It reads
nothing itself.
"""

from collections import Counter
from collections.abc import Sequence

import msgspec

from finetune.dialogue import Scene


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


def report_of(files: Sequence[FileReport], scenes: Sequence[Scene], private: bool) -> Report:
    """The report of all files and their scenes."""
    counts = Counter(line.name for scene in scenes for line in scene.lines if line.name)
    return Report(
        files=tuple(sorted(files, key=lambda file: file.file)),
        scenes=len(scenes),
        lines=sum(file.lines for file in files),
        characters=sum(file.characters for file in files),
        speakers=dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))),
        private=private,
    )
