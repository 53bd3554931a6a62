"""From files and folders to scenes: each file is read by its format, in an order that is the same on every machine.

Invariant: a file that can't be read costs only itself and is named. It knows no roles and no training.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from finetune.corpora.base import Options
from finetune.reading.account import Account
from finetune.reading.formats import corpus_named
from finetune.reading.report import FileReport, Reading, report_of
from knowledge.reading import Found, find_files
from knowledge.sources.base import SourceFile

_DEFAULT = Options()


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
        corpus_named(format)
    files, scenes, private = [], [], False
    found = _found(paths)
    for file in found.files:
        if progress:
            progress(file.name)
        account = Account(file, format)
        scenes += account.read(options)
        private = private or account.private
        files.append(account.report())
    files += [FileReport(file=skipped.file, error=skipped.problem) for skipped in found.skipped]
    return Reading(scenes=tuple(scenes), report=report_of(files, scenes, private))


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
