"""Copies documents into a role folder, so that the role knows what stands in them.

Only what can be read is taken, and what was not is named. Nothing is overwritten, no link leads out of what was given,
and each file is there whole or not at all. It builds no index.
"""

import filecmp
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import NamedTuple

from chatroom.errors import FolderError
from chatroom.role_files import MOST_DEPTH, MOST_ENTRIES
from chatroom.roles import Role
from commands._role_sources import add_source
from knowledge.errors import UnreadableError
from knowledge.reading import Skipped, find_files, format_of
from knowledge.sources.base import SourceFile

FOLDER = "wiki"
"""Where documents go in a role folder whose role.toml names no folder for them."""


class Taken(NamedTuple):
    """What became of what was given: new files and files that were there, by their paths, and the rest."""

    copied: tuple[Path, ...]
    known: tuple[Path, ...]
    skipped: tuple[Skipped, ...]


def take(role: Role, given: Sequence[Path]) -> Taken:
    """Copies files, and what folders hold, to where the role's documents lie.

    Raises:
        FolderError: They can't be put there; whatever was copied by then is whole.
    """
    with _told(role):
        files, skipped = _readable(given)
        if not files:
            return Taken((), (), tuple(skipped))
        sources, deep = _near(role, _targets(_documents(role).resolve(), files))
        new = {target: source for target, source in sources.items() if not target.exists()}
        _check_room(role, new)
        for target, source in new.items():
            _copy(source, target)
        return Taken(tuple(new), tuple(target for target in sources if target not in new), (*skipped, *deep))


def _documents(role: Role) -> Path:
    """The first folder among the role's sources; where there is none, one is added to its role.toml."""
    for source in role.sources:
        if source.is_dir():
            return source
    folder = role.folder / FOLDER
    folder.mkdir(exist_ok=True)
    add_source(role.folder / "role.toml", FOLDER)
    return folder


def _readable(given: Sequence[Path]) -> tuple[dict[Path, Path], list[Skipped]]:
    """The files that some format reads, each with its place below the documents, and what is not taken."""
    files: dict[Path, Path] = {}
    skipped: list[Skipped] = []
    for path in given:
        if problem := _problem(path):
            skipped.append(Skipped(file=str(path), problem=problem))
            continue
        base = path if os.path.isdir(path) else path.parent
        found = find_files([path], base)
        skipped += (_named(skip.file, skip.problem, base) for skip in found.skipped)
        for file in found.files:
            try:
                format_of(file)
                files[file.path] = _place(path, file)
            except UnreadableError as error:
                skipped.append(_named(error.file, error.problem, base))
    return files, skipped


def _problem(path: Path) -> str:
    """Why something that was named on the command line is not even looked at."""
    if path.is_symlink():
        return "it is a link: name the file itself"
    return "hidden files are not read: rename it" if path.name.startswith((".", "~")) else ""


def _place(path: Path, file: SourceFile) -> Path:
    """Where a file goes: what lay in a folder goes to a folder of that name."""
    real = path.resolve()
    return file.path.relative_to(real.parent) if real.is_dir() else Path(file.path.name)


def _named(file: str, problem: str, base: Path) -> Skipped:
    return Skipped(file=str(base / file), problem=problem)


def _targets(folder: Path, files: Mapping[Path, Path]) -> dict[Path, Path]:
    """Target → source; of several that are the same, the first."""
    sources: dict[Path, Path] = {}
    for source, place in files.items():
        sources.setdefault(_target(folder / place, source, sources), source)
    return sources


def _target(wanted: Path, source: Path, sources: Mapping[Path, Path]) -> Path:
    """A free name, or that of a file which is the same: `page.md`, else `page-2.md`, and so on."""
    for number in count(1):
        target = wanted if number == 1 else wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}")
        there = sources.get(target, target)
        if not os.path.lexists(there) or (there.is_file() and filecmp.cmp(there, source, shallow=False)):
            return target
    raise AssertionError


def _near(role: Role, sources: Mapping[Path, Path]) -> tuple[dict[Path, Path], list[Skipped]]:
    """Leaves out what would lie deeper than a role folder may reach."""
    root, problem = role.folder.resolve(), f"it would be nested deeper than {MOST_DEPTH} folders in the role folder"
    near = {target: source for target, source in sources.items() if len(target.relative_to(root).parts) <= MOST_DEPTH}
    return near, [
        Skipped(file=str(source), problem=problem) for target, source in sources.items() if target not in near
    ]


def _check_room(role: Role, new: Mapping[Path, Path]) -> None:
    """Refuses more files than a role folder may hold, for it would count as broken then."""
    added = {path for target in new for path in (target, *target.parents) if not path.exists()}
    held = sum(len(folders) + len(files) for _, folders, files in os.walk(role.folder))
    if held + len(added) > MOST_ENTRIES:
        problem = (
            f"it holds {held:,} files and folders, and {len(added):,} more are over the {MOST_ENTRIES:,} it may hold"
        )
        raise FolderError(
            f"roles/{role.id}", problem, "put many small pages into few large files, as records of a .jsonl"
        )


def _copy(source: Path, target: Path) -> None:
    """Copies beside the target and renames, so that nobody ever reads half of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(".importing")
    try:
        shutil.copyfile(source, beside)
        os.rename(beside, target)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def _told(role: Role) -> Iterator[None]:
    """What the system refuses is told of the role's folder."""
    try:
        yield
    except OSError as error:
        problem = f"documents can't be put there: {error.strerror}: {error.filename2 or error.filename}"
        raise FolderError(f"roles/{role.id}", problem, "check the disk and permissions") from None
