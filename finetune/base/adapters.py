"""Trains the adapters of the bundled roles: every record once, in a new guise, then as any other role is trained.

The `[adapters]` table names the roles; what it says beside them is a recipe. It knows no loop of its own.

    nice -n 19 python -m finetune.base.adapters finetune/recipes/hearth.toml mara tobin narrator ilse
"""

import argparse
import random
from pathlib import Path

import msgspec

from finetune.base.role_data import RoleData, Table, room_premise
from finetune.dataset.files import About, write_dataset
from finetune.training.plan import Plan, write_plan
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
    lora: list[str] = []
    """Roles that get an ordinary LoRA; all others get an activated one."""

    @property
    def numbers(self) -> Recipe:
        """The recipe alone."""
        return Recipe(**{key: getattr(self, key) for key in Recipe.__struct_fields__})


def read_recipe(path: Path) -> AdapterRecipe:
    """Reads the adapters' part of a recipe file."""
    table = msgspec.toml.decode(path.read_bytes())["adapters"]
    return msgspec.convert(table, AdapterRecipe, dec_hook=lambda kind, value: kind(value))


def write_lessons(folder: Path, table: Table, role: RoleData, recipe: AdapterRecipe) -> None:
    """Writes a role's dataset: each pass over its records differs, and the held-out tenth is as it was written."""
    train = []
    for epoch in range(max(1, round(recipe.epochs))):
        rng = random.Random(recipe.seed * 1000 + epoch)
        train += [table.varied(role, record, rng) for record in role.train]
    held_out = [role.moment(record, table.premise) for record in role.held_out]
    write_dataset(folder, About(role=role.id, name=role.name, digest=""), train, held_out)


def prepared(table: Table, role: RoleData, recipe: AdapterRecipe, file: Path) -> Path:
    """Writes dataset and run.json of a role; gives the run's folder."""
    work = recipe.work / role.id
    write_lessons(work / "dataset", table, role, recipe)
    plan = Plan(
        role=role.id,
        folder=str(recipe.roles / role.id),
        base=str(recipe.base),
        base_name=recipe.base.as_posix(),
        dataset=str(work / "dataset"),
        kind="lora" if role.id in recipe.lora else "alora",
        recipe=msgspec.structs.replace(recipe.numbers, epochs=1.0),
        recipe_file=file.as_posix(),
    )
    write_plan(work / "run", plan.stamped())
    return work / "run"


def main(args: argparse.Namespace) -> None:
    """Trains the named roles, one after the other."""
    recipe = read_recipe(args.recipe)
    table = Table([RoleData.read(recipe.roles / name) for name in recipe.names], room_premise(recipe.rooms))
    for role in [role for role in table.roles if role.id in args.roles]:
        run = prepared(table, role, recipe, args.recipe)
        print(f"{role.id}: {gained(train(run))}", flush=True)
        install([run])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("roles", nargs="+")
    main(parser.parse_args())
