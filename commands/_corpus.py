"""Material → scenes: read, names merged as a person decided, scrubbed, kept; and what came of it, as tables.

Shared by `corpus read` and `role make`. Knows no role folder and no model.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from commands.base import say, show, show_table
from finetune.corpora.base import Options
from finetune.dialogue import Scene
from finetune.errors import WorkshopError
from finetune.places import Workbench
from finetune.reading import FileReport, Report, Tally, language_of, read_corpus, write_origin, write_scenes
from finetune.scrub.report import Report as Removals
from finetune.scrub.scrub import Scrubber
from finetune.speakers.aliases import Alias, merged, read_aliases, write_aliases
from finetune.speakers.proposals import propose

if TYPE_CHECKING:
    from finetune.augment.attribute_running import Asked  # asks an engine: nothing that only reads needs asyncio

MOST_SPEAKERS = 20
HOLDS = ("speaker", "text", "scene", "audience")
_NARROW = str.maketrans("，＝", ",=")


class Material(msgspec.Struct, frozen=True, kw_only=True):
    """What was read.

    Args:
        merged: Names that became one speaker.
        removed: What was taken out of what identifies people; None where nothing was looked for.
    """

    scenes: tuple[Scene, ...]
    report: Report
    merged: tuple[Alias, ...] = ()
    removed: Removals | None = None


def read_material(args: argparse.Namespace, files: Sequence[Path], bench: Workbench | None) -> Material:
    """Reads what a command was given.

    Raises:
        WorkshopError: A flag or speakers.toml can't be used.
    """
    reading = read_corpus(files, format=args.format, options=_options(args), progress=say)
    aliases = _aliases(args, bench, reading.report, reading.scenes)
    scenes = merged(reading.scenes, aliases)
    scrub = reading.report.private if args.scrub is None else args.scrub
    if not scrub:
        return Material(scenes=tuple(scenes), report=reading.report, merged=_merging(aliases))
    scrubber = Scrubber(names=args.hide, language="zh" if language_of(scenes) == "zh" else "en")
    clean = tuple(scrubber.scenes(scenes))
    return Material(scenes=clean, report=reading.report, merged=_merging(aliases), removed=scrubber.report)


def keep(material: Material, path: Path) -> Path:
    """Writes the scenes to a file."""
    write_scenes(path, material.scenes)
    return path


def keep_on(bench: Workbench, material: Material) -> Path:
    """Writes the scenes to a workbench, with what is known of them."""
    keep(material, bench.scenes)
    write_origin(bench.scenes, scrubbed=material.removed is not None)
    return bench.scenes


def show_material(material: Material, asked: "Asked | None" = None) -> None:
    """Prints what was read: files, speakers, what was skipped and why; and what a model said of who speaks."""
    report = material.report
    rows = [("FILE", "FORMAT", "SCENES", "LINES", "SKIPPED", "NOTED")]
    for each in report.files:
        numbers = (each.scenes, each.lines, _total(each.skipped), _total(each.notes))
        scenes, lines, skipped, noted = (f"{number:,}" for number in numbers)
        rows.append((each.file, each.format or "-", scenes, lines, skipped, noted))
    show_table(rows)
    for each in report.files:
        _show_told(each)
    _show_speakers(material.scenes)
    if asked is not None:
        _show_asked(asked, material.scenes)
    for alias in material.merged:
        show(f"one speaker: {alias.name} = {', '.join(alias.also)}")
    if material.removed is not None:
        show(f"taken out: {material.removed}")


def _show_told(file: FileReport) -> None:
    if file.error:
        show(f"not read: {file.error}" if file.file in file.error else f"not read: {file.file}: {file.error}")
    for word, tallies in (("skipped", file.skipped), ("noted", file.notes)):
        for tally in tallies:
            show(f"{word}: {file.file}: {tally.count:,} x {tally.reason} ({'; '.join(tally.places)})")


def _show_asked(asked: "Asked", scenes: Sequence[Scene]) -> None:
    """Prints how many lines have their speaker from a model."""
    counts = Counter(line.made_by for scene in scenes for line in scene.lines if line.name and line.made_by)
    for made_by, count in counts.items():
        show(f"speaker told by {made_by}: {count:,} lines")
    now = f"{asked.kept:,} named, {asked.unknown:,} unknown, {asked.unusable:,} answers refused"
    show(f"asked who speaks: {asked.asked:,} of {asked.jobs:,} questions now, {asked.before:,} before: {now}")
    if asked.error:
        say(f"error: {asked.error}")
        say("what was answered is kept; the same command goes on from there")


def _show_speakers(scenes: Sequence[Scene]) -> None:
    """Prints who says most, under the names that the scenes have now."""
    counts = Counter(line.name for scene in scenes for line in scene.lines)
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    if ranked:
        show("")
        show_table([("SPEAKER", "LINES"), *((name or "(narration)", f"{n:,}") for name, n in ranked[:MOST_SPEAKERS])])
    if len(ranked) > MOST_SPEAKERS:
        show(f"and {len(ranked) - MOST_SPEAKERS:,} more speakers")


def _aliases(
    args: argparse.Namespace, bench: Workbench | None, report: Report, scenes: Sequence[Scene]
) -> Sequence[Alias]:
    """What a person decided; new proposals are put on the workbench for them to decide."""
    if args.speakers is not None:
        return read_aliases(args.speakers)
    if bench is None:
        return ()
    proposals = propose(report.speakers, scenes)
    if proposals or bench.speakers.is_file():
        bench.folder.mkdir(parents=True, exist_ok=True)
        write_aliases(bench.speakers, proposals)
        decided = read_aliases(bench.speakers)
        if open_ones := [alias for alias in decided if not alias.merge]:
            say(f"{len(open_ones)} names may belong to another speaker: decide in {bench.speakers}")
        return decided
    return ()


def _merging(aliases: Sequence[Alias]) -> tuple[Alias, ...]:
    return tuple(alias for alias in aliases if alias.merge)


def _options(args: argparse.Namespace) -> Options:
    names = (args.role_name,) if getattr(args, "role_name", "") else ()
    return Options(columns=_columns(args.columns), me=args.me, pause=args.pause, media=args.media, names=names)


def _columns(told: str) -> dict[str, str]:
    """Columns as `speaker=NAME,text=NAME` names them; commas and equals signs may be full-width ones."""
    columns: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in told.translate(_NARROW).split(","))):
        holds, _, name = (part.strip() for part in pair.partition("="))
        if holds.lower() not in HOLDS or not name:
            raise WorkshopError("--columns", f"{pair!r} can't be used", f"write {'=…,'.join(HOLDS)}=…")
        columns[holds.lower()] = name
    return columns


def _total(tallies: Sequence[Tally]) -> int:
    return sum(tally.count for tally in tallies)
