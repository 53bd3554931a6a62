"""The figures as a table, as a page of Markdown and as JSON; written anew after every part, so that none is lost."""

import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from benchmarks.gpu.rows import Part, Row

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("lmdeploy", "torch", "transformers", "peft")


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One run.

    Args:
        machine: GPU and driver.
        stand_in: Whether the figures are of a stand-in and mean nothing.
    """

    date: str
    commit: str
    machine: str
    versions: dict[str, str]
    base: str
    stand_in: bool
    parts: list[Part]


def begun(base: Path, *, stand_in: bool, commit: str = "") -> Report:
    """A report without parts."""
    return Report(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=commit or _said("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD") or "unknown",
        machine=_said("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader") or platform.machine(),
        versions={"python": platform.python_version()} | {name: _version(name) for name in PACKAGES},
        base=base.name,
        stand_in=stand_in,
        parts=[],
    )


def write(report: Report, out: Path) -> None:
    """Writes OUT.json and OUT.md."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.with_suffix(".json").write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    out.with_suffix(".md").write_text(page(report), "utf-8")


def page(report: Report) -> str:
    """A section for docs/experiments.md."""
    versions = ", ".join(f"{name} {number}" for name, number in report.versions.items())
    head = [
        f"## LMDeploy on {report.machine}",
        f"{report.date[:10]}, commit {report.commit}, {versions}; base {report.base}."
        + (" **Against a stand-in: the figures mean nothing.**" if report.stand_in else ""),
    ]
    return "\n\n".join([*head, *map(section, report.parts)]) + "\n"


def section(part: Part) -> str:
    """One part: its question, a table of each kind of row, what to know beside it."""
    said = [f"### {part.name}: {part.question}", *map(_table, _kinds(part.rows))]
    notes = [f"- {note}" for note in [*part.notes, f"took {part.seconds:.0f} s"]]
    broken = [f"- **not finished: {part.error}**"] if part.error else []
    return "\n\n".join([*said, "\n".join(broken + notes)])


def _kinds(rows: Sequence[Row]) -> list[list[Row]]:
    kinds: dict[type[Row], list[Row]] = {}
    for row in rows:
        kinds.setdefault(type(row), []).append(row)
    return list(kinds.values())


def _table(rows: Sequence[Row]) -> str:
    """Columns as wide as they must be, so that it can be read without a browser too."""
    head = [name.replace("_", " ") for name in rows[0].__struct_fields__]
    cells = [head, *([str(cell) for cell in msgspec.structs.astuple(row)] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(head))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in cells
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "in an environment of its own"


def _said(*command: str) -> str:
    """The first line that a program says; nothing where it can't."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return next(iter(done.stdout.strip().splitlines()), "") if done.returncode == 0 else ""
