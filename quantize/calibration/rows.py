"""Moments and texts → rows of token ids: prompts with their replies as the room serves them, transcripts, plain text.

It renders only; how much of each is taken, drawing.py decides.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from finetune.dataset.moment import Moment
from finetune.dataset.render import Renderer
from finetune.dataset.rows import read_rows
from finetune.dialogue import Line, Scene
from finetune.errors import WorkshopError

EVENING = 28
"""Lines of a transcript."""
LARGEST, PASSAGE = 8_000_000, 4_000
"""Characters of general text that are read, and of a passage that stays together."""


def moment_rows(renderer: Renderer, moments: Iterable[Moment]) -> Iterator[list[int]]:
    """Each moment as it is served, with its reply."""
    return (renderer.example(moment).ids for moment in moments)


def transcript_rows(renderer: Renderer, moments: Sequence[Moment]) -> Iterator[list[int]]:
    """What everybody hears: the moments' lines and replies, some after the other at one table."""
    lines: list[Line] = []
    for moment in moments:
        lines += [line for line in moment.heard if line.audience is None and line.name]
        lines.append(Line(name=moment.name, text=moment.reply))
        if len(lines) >= EVENING:
            yield renderer.transcript(Scene(premise=moment.premise, lines=lines)).ids
            lines = []
    if lines:
        yield renderer.transcript(Scene(premise=moments[-1].premise, lines=lines)).ids


def text_rows(renderer: Renderer, texts: Iterable[str], length: int) -> Iterator[list[int]]:
    """General text as calibration usually has it: running, cut into rows, without any layout."""
    ids: list[int] = []
    for text in texts:
        ids += renderer.template.text_ids(text + "\n")
        while len(ids) >= length:
            yield ids[:length]
            ids = ids[length:]
    if ids:
        yield ids


def read_texts(place: Path) -> list[str]:
    """General text of a file, or of all files of a folder: passages of .txt, scenes of .jsonl as lines.

    Raises:
        WorkshopError: It can't be read, or there is none.
    """
    files = sorted((*place.glob("*.jsonl"), *place.glob("*.txt"))) if place.is_dir() else [place]
    found: list[str] = []
    left = LARGEST
    for path in files:
        for text in _scenes(path) if path.suffix == ".jsonl" else _passages(path, left):
            found.append(text)
            left -= len(text)
            if left <= 0:
                return found
    if not found:
        raise WorkshopError(str(place), "there is no general text", "name a .txt, a scenes.jsonl or a folder of them")
    return found


def _scenes(path: Path) -> Iterator[str]:
    for scene in read_rows(path, Scene):
        rows = (f"{line.name}: {line.text}" if line.name else line.text for line in scene.lines)
        yield "\n".join(filter(None, (scene.premise, *rows)))


def _passages(path: Path, most: int) -> Iterator[str]:
    """Running text in passages that hang together, however they are shuffled."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            text = file.read(most)
    except OSError as error:
        raise WorkshopError(str(path), f"it can't be read: {error.strerror}", "check its name") from None
    passage = ""
    for paragraph in filter(str.strip, text.split("\n")):
        passage += paragraph + "\n"
        if len(passage) >= PASSAGE:
            yield passage
            passage = ""
    if passage:
        yield passage
