"""Packs scenes and roles' lines into token files for the base's second stage.

Rows are filled with whole examples and padded, so that a row begins as a prompt does. Each pass draws everything
anew: other names, other talk before. Held-out records and every 20th scene go to the validation file. It knows no
model.

    nice -n 19 python -m finetune.base.pack_dialogue finetune/recipes/hearth.toml
"""

import argparse
import random
from pathlib import Path

import msgspec

from finetune.base.pack import PAD, save_tokens
from finetune.base.role_data import RoleData, Table, renamed_scene, room_premise
from finetune.dataset.moment import Moment
from finetune.dataset.render import Example, Renderer
from finetune.dialogue import Scene, read_scenes

SCENE_HELD_OUT = 20


class DialogueRecipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `[dialogue]` table of a recipe."""

    base: Path
    roles: Path
    rooms: Path
    names: list[str]
    passes: int
    turns_per_scene: int
    row: int
    seed: int


def read_recipe(path: Path) -> tuple[DialogueRecipe, Path]:
    """Reads the table, and the folder where token files go."""
    data = msgspec.toml.decode(path.read_bytes())
    recipe = msgspec.convert(data["dialogue"], DialogueRecipe, dec_hook=lambda kind, value: kind(value))
    return recipe, Path(data["tokens"])


def scene_examples(renderer: Renderer, scene: Scene, turns: int, rng: random.Random) -> list[Example]:
    """The scene as a transcript, and some of its lines as replies."""
    places = rng.sample(range(1, len(scene.lines)), min(turns, len(scene.lines) - 1))
    return [renderer.transcript(scene), *(renderer.example(scene_moment(scene, at)) for at in places)]


def scene_moment(scene: Scene, at: int) -> Moment:
    """The moment in which line `at` is said."""
    line = scene.lines[at]
    return Moment(
        premise=scene.premise,
        heard=tuple(scene.lines[:at]),
        name=line.name,
        persona=scene.cast.get(line.name, ""),
        reply=line.text,
    )


def one_pass(renderer: Renderer, table: Table, scenes: list[Scene], turns: int, rng: random.Random) -> list[Example]:
    """Everything once, in a new guise."""
    found = [each for scene in scenes for each in scene_examples(renderer, renamed_scene(scene, rng), turns, rng)]
    for role in table.roles:
        found += [renderer.example(table.varied(role, record, rng), learn_lines=True) for record in role.train]
    rng.shuffle(found)
    return found


def packed(examples: list[Example], row: int) -> tuple[list[int], list[bool]]:
    """Fills rows with whole examples; the first id of a row is no target, as nothing stands before it."""
    ids: list[int] = []
    learn: list[bool] = []
    for each in examples:
        if len(each.ids) > row:
            continue
        if (left := row - len(ids) % row) < len(each.ids):
            ids += [PAD] * left
            learn += [False] * left
        learn += [each.learn[0] and len(ids) % row > 0, *each.learn[1:]]
        ids += each.ids
    left = 1 - len(ids) % row  # a row reads one id beyond its end
    return ids + [PAD] * (left % row), learn + [False] * (left % row)


def held_examples(renderer: Renderer, table: Table, scenes: list[Scene]) -> list[Example]:
    """Held-out records as they were written, and held-out scenes."""
    records = [renderer.example(role.moment(record, table.premise)) for role in table.roles for record in role.held_out]
    return records + [renderer.transcript(scene) for scene in scenes]


def main(args: argparse.Namespace) -> None:
    """Writes dialogue-train and dialogue-held."""
    recipe, tokens = read_recipe(args.recipe)
    renderer, rng = Renderer.of(recipe.base), random.Random(recipe.seed)
    table = Table([RoleData.read(recipe.roles / name) for name in recipe.names], room_premise(recipe.rooms))
    scenes = read_scenes(recipe.base / "scenes")
    learning = [scene for index, scene in enumerate(scenes) if index % SCENE_HELD_OUT != SCENE_HELD_OUT - 1]
    examples = [
        each for _ in range(recipe.passes) for each in one_pass(renderer, table, learning, recipe.turns_per_scene, rng)
    ]
    held = held_examples(renderer, table, scenes[SCENE_HELD_OUT - 1 :: SCENE_HELD_OUT])
    for share, found in (("train", examples), ("held", held)):
        ids, learn = packed(found, recipe.row)
        save_tokens(tokens / f"dialogue-{share}.npz", ids, learn)
        print(f"dialogue-{share}: {len(found):,} examples, {len(ids):,} tokens, {sum(learn):,} learnt")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", type=Path)
    main(parser.parse_args())
