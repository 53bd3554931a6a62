"""Packs what was written by hand into token files for the base's later stages.

Three sources: `turns`, moments with loss on what was said and on the reply; `evenings`, scenes as everybody hears them;
`long`, moments late in an evening. Rows are filled with whole examples; a pad between two says that they don't belong
together. Each pass draws everything anew. It knows no model but the one that searches.

    nice -n 19 python -m finetune.base.pack_dialogue finetune/recipes/hearth.toml
"""

import argparse
import random
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from finetune.base.frames import read_frames
from finetune.base.lessons import Lessons
from finetune.base.pack import PAD, save_tokens
from finetune.base.reminders import Reminders
from finetune.base.role_data import Table
from finetune.dataset.moment import Moment
from finetune.dataset.render import Example, Renderer
from finetune.dialogue import Scene, read_scenes

FILLINGS = 4
"""How often a frame is filled for every time that a scene is told."""
OTHER_HELD_OUT = 20
"""Of the scenes that are not about the island, every so many is held out."""


class DialogueRecipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `[dialogue]` table of a recipe."""

    base: Path
    roles: Path
    rooms: Path
    names: list[str]
    passes: int
    row: int
    long_row: int
    long_share: float
    seed: int

    @property
    def role_folders(self) -> list[Path]:
        return [self.roles / name for name in self.names]


def read_recipe(path: Path) -> tuple[DialogueRecipe, Path]:
    """Reads the table, and the folder where token files go."""
    data = msgspec.toml.decode(path.read_bytes())
    recipe = msgspec.convert(data["dialogue"], DialogueRecipe, dec_hook=lambda kind, value: kind(value))
    return recipe, Path(data["tokens"])


def turns(renderer: Renderer, lessons: Lessons, share: float = 1.0, *, late: bool = False) -> Iterator[Example]:
    """Every turn of every scene once, and of every frame some fillings; or a share of them."""
    for scene in lessons.table.scenes:
        if lessons.rng.random() < share:
            yield from (rendered(renderer, lessons, moment) for moment in lessons.of_scene(scene, late=late))
    for frame in lessons.frames * FILLINGS:
        if lessons.rng.random() < share:
            yield from (rendered(renderer, lessons, moment) for moment in lessons.of_frame(frame))


def rendered(renderer: Renderer, lessons: Lessons, moment: Moment) -> Example:
    """A moment as ids, with loss on what was said before too; but premise and greetings open every room: no lesson."""
    greetings = lessons.table.greetings()
    opening = [line for line in moment.heard[: len(greetings)] if line in greetings]
    known = len(renderer.transcript(Scene(premise=moment.premise, lines=opening)).ids)
    made = renderer.example(moment, learn_lines=True)
    return msgspec.structs.replace(made, learn=[False] * known + made.learn[known:])


def evenings(renderer: Renderer, lessons: Lessons, others: list[Scene]) -> Iterator[Example]:
    """Every scene once as a transcript: those of the table in evenings, all others by themselves."""
    yield from map(renderer.transcript, lessons.evenings(lessons.table.scenes))
    yield from map(renderer.transcript, others)


def packed(rows: Iterable[Sequence[Example]], row: int) -> tuple[list[int], list[bool]]:
    """Lays rows of whole examples one after the other, a pad after each example; its first id is no target."""
    ids: list[int] = []
    learn: list[bool] = []
    for examples in rows:
        for each in examples:
            ids += [*each.ids, PAD]
            learn += [False, *each.learn[1:], False]
        left = -len(ids) % row
        ids += [PAD] * left
        learn += [False] * left
    return [*ids, PAD], [*learn, False]  # a row reads one id beyond its end


def rows_of(examples: Iterable[Example], row: int) -> list[list[Example]]:
    """Fills rows with whole examples, the longest first, each where it leaves the least. What is longer than a row is
    left out."""
    rows: list[list[Example]] = []
    room: list[tuple[int, int]] = []  # (ids that are free, row), ascending
    for each in sorted(examples, key=lambda example: len(example.ids), reverse=True):
        need = len(each.ids) + 1
        if need > row:
            continue
        at = bisect_left(room, (need, 0))
        free, place = room.pop(at) if at < len(room) else (row, len(rows))
        if place == len(rows):
            rows.append([])
        rows[place].append(each)
        insort(room, (free - need, place))
    return rows


def write(path: Path, examples: Iterable[Example], row: int, rng: random.Random) -> None:
    """Packs examples into rows in a random order, and says how many."""
    rows = rows_of(examples, row)
    rng.shuffle(rows)
    ids, learn = packed(rows, row)
    save_tokens(path, ids, learn)
    count = sum(map(len, rows))
    print(f"{path.stem}: {count:,} examples, {len(ids):,} tokens, {sum(learn):,} learnt", flush=True)


def main(args: argparse.Namespace) -> None:
    """Writes the three sources, and what of the first two is held out."""
    recipe, folder = read_recipe(args.recipe)
    renderer, rng = Renderer.of(recipe.base), random.Random(recipe.seed)
    table = Table.read(recipe.role_folders, recipe.rooms)
    print(f"{len(table.scenes):,} scenes, {len(table.held_out):,} held out")
    reminders = Reminders(table, folder.parent / "home")
    lessons = Lessons(table, read_frames(recipe.base / "frames"), reminders, rng)
    scenes = read_scenes(recipe.base / "scenes")
    others = [scene for at, scene in enumerate(scenes) if at % OTHER_HELD_OUT]
    passes = range(recipe.passes)
    write(folder / "turns-train.npz", (e for _ in passes for e in turns(renderer, lessons)), recipe.row, rng)
    said = (e for _ in range(2 * recipe.passes) for e in evenings(renderer, lessons, others))
    write(folder / "evenings-train.npz", said, recipe.row, rng)
    late = turns(renderer, lessons, recipe.long_share, late=True)
    write(folder / "long-train.npz", late, recipe.long_row, rng)
    held = Lessons(msgspec.structs.replace(table, scenes=table.held_out), [], reminders, random.Random(0))
    write(folder / "turns-held.npz", turns(renderer, held), recipe.row, rng)
    write(folder / "evenings-held.npz", evenings(renderer, held, []), recipe.row, rng)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", type=Path)
    main(parser.parse_args())
