"""Trains the adapters of the bundled roles: every turn of theirs in a new guise, then as any other role is trained.

The `[adapters]` table names the roles; what it says beside them is a recipe. It knows no loop of its own.

    nice -n 19 python -m finetune.base.adapters finetune/recipes/hearth.toml mara tobin narrator ilse
"""

import argparse
import random
import shutil
from itertools import islice
from pathlib import Path

import msgspec

from finetune.base.frames import Frame, read_frames
from finetune.base.lessons import Lessons
from finetune.base.reminders import Reminders
from finetune.base.role_data import RoleData, Table
from finetune.dataset.files import About, write_dataset
from finetune.dataset.moment import Moment
from finetune.dialogue import Scene
from finetune.training.kinds import Kind
from finetune.training.plan import Plan, is_same, read_plan, write_plan
from finetune.training.recipe import Recipe
from finetune.training.report import gained
from finetune.training.run import train
from finetune.training.save import install


class AdapterRecipe(Recipe, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `[adapters]` table of a recipe."""

    base: Path
    roles: Path
    rooms: Path
    names: list[str]
    work: Path = Path("var/hearth/roles")
    """Where datasets and runs lie."""
    most: int = 800
    """Moments that a role learns from; drawn from all of its turns and of what it may be asked about passages."""
    most_held_out: int = 60
    minutes: float = 0.0
    """Longest training of an adapter; 0 for no limit."""

    @property
    def numbers(self) -> Recipe:
        """The recipe alone."""
        return Recipe(**{key: getattr(self, key) for key in Recipe.__struct_fields__})


def read_recipe(path: Path) -> AdapterRecipe:
    """Reads the adapters' part of a recipe file."""
    table = msgspec.toml.decode(path.read_bytes())["adapters"]
    return msgspec.convert(table, AdapterRecipe, dec_hook=lambda kind, value: kind(value))


def moments(lessons: Lessons, role: RoleData, most: int) -> list[Moment]:
    """Turns of a role and its answers about passages, in a random order: as many as are wanted, if there are."""
    sources: list[Scene | Frame] = [*lessons.table.scenes, *lessons.frames]
    lessons.rng.shuffle(sources)
    drawn = (
        moment
        for source in sources
        for moment in (
            lessons.of_scene(source, role=role) if isinstance(source, Scene) else lessons.of_frame(source, role=role)
        )
    )
    return list(islice(drawn, most))


def write_lessons(folder: Path, recipe: AdapterRecipe, table: Table, frames: list[Frame], role: RoleData) -> None:
    """Writes a role's dataset; what is held out is what the base has not learnt either."""
    reminders = Reminders(table, recipe.work.parent / "home")
    lessons = Lessons(table, frames, reminders, random.Random(recipe.seed))
    held = Lessons(msgspec.structs.replace(table, scenes=table.held_out), [], reminders, random.Random(0))
    train = [moment for _ in range(max(1, round(recipe.epochs))) for moment in moments(lessons, role, recipe.most)]
    measured = moments(held, role, recipe.most_held_out)
    write_dataset(folder, About(role=role.id, name=role.name, digest=""), train, measured)


def prepared(role: RoleData, recipe: AdapterRecipe, file: Path, kind: Kind) -> Path:
    """Writes run.json of a role; gives the run's folder. What another plan, or another base, left there goes."""
    work = recipe.work / role.id
    plan = Plan(
        role=role.id,
        folder=str(recipe.roles / role.id),
        base=str(recipe.base),
        base_name=recipe.base.as_posix(),
        dataset=str(work / "dataset"),
        kind=kind,
        recipe=msgspec.structs.replace(recipe.numbers, epochs=1.0),
        recipe_file=file.as_posix(),
        minutes=recipe.minutes,
    )
    stamped = plan.stamped()
    if (work / kind).is_dir() and not is_same(read_plan(work / kind), stamped):
        shutil.rmtree(work / kind)
    write_plan(work / kind, stamped)
    return work / kind


def main(args: argparse.Namespace) -> None:
    """Trains the named roles, one after the other."""
    recipe = read_recipe(args.recipe)
    table = Table.read([recipe.roles / name for name in recipe.names], recipe.rooms)
    frames = read_frames(recipe.base / "frames")
    kinds: tuple[Kind, ...] = ("alora", "lora") if args.twins else ("alora",)
    for role in [role for role in table.roles if role.id in args.roles]:
        write_lessons(recipe.work / role.id / "dataset", recipe, table, frames, role)
        runs = [prepared(role, recipe, args.recipe, kind) for kind in kinds]
        for run in runs:
            print(f"{role.id}: {gained(train(run))}", flush=True)
        install(runs)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("roles", nargs="+")
    parser.add_argument("--twins", action="store_true", help="an ordinary LoRA beside each")
    main(parser.parse_args())
