"""scenes.jsonl: what was read, one scene a line. It is there as a whole or not at all, and knows no corpus."""

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from finetune.dialogue import Scene
from finetune.errors import WorkshopError


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
