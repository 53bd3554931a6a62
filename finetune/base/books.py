"""Turns a folder of books into documents: plain prose, and transcripts that look like a room.

A transcript is a one-line scene followed by lines `Name: text`. Plays have speakers already; in novels, runs of
paragraphs that open with a quotation mark become talk between two invented names, and short narration between them is
the Narrator's. It knows no tokens and no model. A book is a text file with one paragraph a line.

    python -m finetune.base.books BOOKS_FOLDER        # prints how much it finds, and three transcripts
"""

import argparse
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from finetune.dialogue import Line, Scene

_NAMES = (
    "Ada Agnes Amir Anna Arthur Beatrix Ben Carmen Clara Conrad Daniel Dmitri Edith Elena Emil Esther Fatima Felix "
    "Fiona George Grace Hana Harriet Hugo Ines Ivan Jack Jonas Julia Kamal Kate Kenji Lena Leo Lucy Malik Martin Mei "
    "Mina Molly Nadia Ned Nina Noah Olga Omar Oscar Paula Pedro Peter Priya Rosa Ruth Sam Sofia Stefan Tara Theo Tom "
    "Vera Will Yusuf Zoe"
)
NAMES = tuple(_NAMES.split())
SCENES = (
    "{a} and {b} are talking.",
    "A conversation between {a} and {b}.",
    "It is evening. {a} and {b} sit by the fire.",
    "{a} meets {b} on the road.",
    "In the kitchen, {a} and {b} are alone.",
    "{a} and {b} are waiting for the rain to stop.",
    "A quiet room. {a} has something to say to {b}.",
    "{a} and {b} walk along the river.",
    "Late at night, {a} and {b} are still awake.",
    "The table is laid. {a} and {b} have just sat down.",
)
PLAY_LINE = re.compile(r"^([A-Z][A-Z.' ]{1,28}[A-Z.]|[A-Z][a-z]+(?: [A-Z][a-z]+)?)(?:\.| ?(?=[\[(]))\s*(.+)$")
STAGE = re.compile(r"\s*[\[(][^\])]*[\])][.,]?")  # stage directions and translators' brackets
SPEECH = re.compile(r'"([^"]+)"?')
SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


def paragraphs(book: Path) -> list[str]:
    """Returns the book's paragraphs, without empty ones and without tables of contents."""
    lines = [line.strip() for line in book.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line and ". . ." not in line]


def is_play(lines: list[str]) -> bool:
    """Tells whether most paragraphs open with a speaker."""
    return sum(1 for line in lines if speaker_line(line)) > 0.55 * len(lines)


def speaker_line(line: str) -> Line | None:
    """Reads `NAME. [aside] text` of a play, or returns None."""
    found = PLAY_LINE.match(line)
    if not found:
        return None
    name = found[1].strip(" .").title().replace("'S", "'s")
    text = shorten(STAGE.sub(" ", found[2]).strip(" ."), 60)
    return Line(name=name, text=text) if text else None


def shorten(text: str, most: int) -> str:
    """Keeps whole sentences up to `most` words: people in a room speak briefly."""
    kept: list[str] = []
    for sentence in SENTENCE_END.split(" ".join(text.split())):
        if kept and len(" ".join([*kept, sentence]).split()) > most:
            break
        kept.append(sentence)
    return " ".join(kept) if len(" ".join(kept).split()) <= 2 * most else ""


def spoken(paragraph: str) -> str:
    """Returns what is said in a paragraph, without `said he` and its like."""
    pieces = [piece.strip() for piece in SPEECH.findall(paragraph)]
    said = " ".join(piece for piece in pieces if piece)
    if said.endswith(","):
        said = said[:-1] + "."
    return shorten(said, 60)


def play_scenes(lines: list[str], rng: random.Random) -> Iterator[Scene]:
    """Cuts a play into scenes of 8 to 24 lines."""
    said = [line for line in map(speaker_line, lines) if line]
    while said:
        count = rng.randint(8, 24)
        part, said = said[:count], said[count:]
        names = list(dict.fromkeys(line.name for line in part))
        if len(names) > 1:
            yield Scene(premise=rng.choice(SCENES).format(a=" and ".join(names[:-1][:2]), b=names[-1]), lines=part)


def novel_scenes(lines: list[str], rng: random.Random) -> Iterator[Scene]:
    """Finds runs of speech; short narration inside a run is kept as the Narrator's line."""
    run: list[str] = []
    for index, line in enumerate([*lines, ""]):
        following = lines[index + 1] if index + 1 < len(lines) else ""
        bridge = bool(run) and following.startswith('"') and 4 <= len(line.split()) <= 40
        if line.startswith('"') or bridge:
            run.append(line)
            continue
        if sum(1 for each in run if each.startswith('"')) >= 3:
            yield from talk(run, rng)
        run = []


def talk(run: list[str], rng: random.Random) -> Iterator[Scene]:
    """Gives a run of paragraphs two alternating speakers, 30 lines at most in a scene."""
    names = rng.sample(NAMES, 2)
    lines: list[Line] = []
    turn = 0
    for paragraph in run:
        if paragraph.startswith('"'):
            text, name = spoken(paragraph), names[turn % 2]
            turn += 1
        else:
            text, name = shorten(paragraph, 40).replace('"', ""), "Narrator"
        if text:
            lines.append(Line(name=name, text=text))
    premise = rng.choice(SCENES).format(a=names[0], b=names[1])
    for start in range(0, len(lines), 30):
        if len(lines[start : start + 30]) >= 3:
            yield Scene(premise=premise, lines=lines[start : start + 30])


def read_books(folder: Path, wanted: Callable[[Path], bool] = lambda book: True) -> tuple[list[list[str]], list[Scene]]:
    """Reads every wanted book once; plays give scenes only, novels give both.

    Returns the prose, a list of paragraphs per book, and the scenes, in an order that depends on the file names only.
    """
    prose: list[list[str]] = []
    scenes: list[Scene] = []
    for book in filter(wanted, sorted(folder.rglob("*.txt"))):
        lines = paragraphs(book)
        rng = random.Random(book.name)
        if is_play(lines):
            scenes.extend(play_scenes(lines, rng))
        else:
            prose.append(lines)
            scenes.extend(novel_scenes(lines, rng))
    random.Random(1).shuffle(scenes)
    return prose, scenes


def main(args: argparse.Namespace) -> None:
    """Prints what a folder of books holds."""
    prose, scenes = read_books(args.folder)
    prose_size = sum(len(line) for book in prose for line in book)
    scene_size = sum(len(line.name) + len(line.text) + 2 for scene in scenes for line in scene.lines)
    print(f"{len(prose)} novels, {prose_size:,} characters; {len(scenes):,} scenes, {scene_size:,} characters")
    for scene in scenes[args.show : args.show + 3]:
        print(f"\n{scene.premise}")
        for line in scene.lines:
            print(f"{line.name}: {line.text}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--show", type=int, default=0)
    main(parser.parse_args())
