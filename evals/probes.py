"""Probes: moments written by hand to see how a role answers, with what a right answer has in it.

A file is named after its role. Probes stand between blank lines; a line is `Name: text`, what was heard last comes
last. `# kind` says what kind the probes below it are. `= one | other`: one of these must occur in the answer;
`- one | other`: none of these may. They serve measuring only, and are never trained on.
"""

import re
from pathlib import Path
from typing import Literal, get_args

import msgspec

from finetune.dialogue import Line
from finetune.errors import WorkshopError
from knowledge.encodings import decode

Kind = Literal["talk", "fact", "unknown", "strange"]
"""Small talk and doings; what the pages say; what no page says; what is not of this world."""
KINDS: tuple[Kind, ...] = get_args(Kind)
LARGEST = 4_000_000
"""Bytes of a file."""
_LINE = re.compile(r"(?P<name>\w[\w'’.· -]{0,39})(?:: |：)\s*(?P<text>\S.*)")


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """A moment, and what is expected.

    Args:
        heard: What was said, oldest first; the last line is to be answered.
        wanted: One of these must be in the answer; nothing is expected where there are none.
        unwanted: None of these may be.
        place: File and line.
    """

    role: str
    kind: Kind
    heard: tuple[Line, ...]
    wanted: tuple[str, ...] = ()
    unwanted: tuple[str, ...] = ()
    place: str = ""


def read_probes(path: Path) -> list[Probe]:
    """Reads a file of probes.

    Raises:
        WorkshopError: A line of it is none of a probe.
    """
    remedy = "write probes in UTF-8 there"
    try:
        if path.stat().st_size > LARGEST:
            raise WorkshopError(str(path), f"it has more than {LARGEST:,} bytes", "divide the probes among fewer")
        text = decode(path.read_bytes())
    except OSError as error:
        raise WorkshopError(str(path), f"it can't be read: {error.strerror or error}", remedy) from None
    except ValueError as error:
        raise WorkshopError(str(path), f"it can't be read: {error}", remedy) from None
    reading = _Reading(path)
    for number, row in enumerate([*text.split("\n"), ""], start=1):
        reading.take(number, row.strip())
    return reading.probes


class _Reading:
    """One pass over a file."""

    def __init__(self, path: Path) -> None:
        self.probes: list[Probe] = []
        self._path = path
        self._kind: Kind = "talk"
        self._heard: list[Line] = []
        self._marks: dict[str, tuple[str, ...]] = {}

    def take(self, number: int, row: str) -> None:
        if not row:
            self._close(number)
        elif row[0] == "#":
            self._close(number)
            self._kind = self._kind_of(number, row[1:].strip())
        elif row[0] in "=-":
            self._mark(number, row)
        elif found := _LINE.fullmatch(row):
            self._heard.append(Line(name=found["name"], text=found["text"]))
        else:
            raise self._error(number, f"{row[:40]!r} is no line of a probe", "write `Name: text`, `= …` or `- …`")

    def _mark(self, number: int, row: str) -> None:
        marks = tuple(each.strip().lower() for each in re.split(r"[|｜]", row[1:]) if each.strip())
        if not marks:
            raise self._error(number, f"{row[:40]!r} names nothing", f"write `{row[0]} one | other`")
        if row[0] in self._marks:
            raise self._error(
                number, f"this probe has a line with `{row[0]}` already", "put all in one, with | between"
            )
        self._marks[row[0]] = marks

    def _close(self, number: int) -> None:
        if self._heard:
            self.probes.append(
                Probe(
                    role=self._path.stem,
                    kind=self._kind,
                    heard=tuple(self._heard),
                    wanted=self._marks.get("=", ()),
                    unwanted=self._marks.get("-", ()),
                    place=f"{self._path.name}, line {number - 1}",
                )
            )
        elif self._marks:
            raise self._error(number, "nobody says anything here", "write `Name: text` above it")
        self._heard, self._marks = [], {}

    def _kind_of(self, number: int, text: str) -> Kind:
        for kind in KINDS:
            if text == kind:
                return kind
        raise self._error(number, f"there is no kind {text[:40]!r}", f"kinds are {', '.join(KINDS)}")

    def _error(self, number: int, problem: str, remedy: str) -> WorkshopError:
        return WorkshopError(f"{self._path.name}, line {number}", problem, remedy)
