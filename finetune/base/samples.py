"""Lets every role answer the same prompts, for people to read: no score stands in for that.

The room's own engine answers, with the role's own sampling and one seed a prompt, to the first words after the roles'
greetings. It knows no server.

    nice -n 19 python -m finetune.base.samples finetune/recipes/hearth.toml
"""

import argparse
import asyncio
from pathlib import Path

import msgspec

from chatroom import plugins
from chatroom.engines.base import Engine, EngineOptions
from chatroom.roles import Role, read_role
from finetune.base.adapters import AdapterRecipe, read_recipe
from finetune.base.role_data import RoleData, Table, room_premise
from finetune.dataset.moment import Moment
from finetune.dataset.render import Renderer
from finetune.dialogue import Line

PROMPTS = (
    "Hello everyone, I am Lea.",
    "Is the lamp lit tonight?",
    "What is that sound out at sea?",
    "Can I cross the Wade now?",
    "What happened to the Constance?",
    "Are you afraid of the storm?",
    "Tell me about Tobin.",
    "Who drew this map?",
    "I open the door and look outside.",
    "Thank you. Good night.",
)


def moment_of(table: Table, role: Role, heard: list[Line]) -> Moment:
    """The role's turn after what was heard."""
    return Moment(premise=table.premise, heard=tuple(heard), name=role.name, persona=role.persona, reply="")


async def answer(engine: Engine, base: Path, table: Table, role: Role, text: str, seed: int, *, bare: bool) -> str:
    """What a role says to the first words of a room."""
    heard = [*table.greetings(), Line(name="Lea", text=text)]
    prompt = Renderer.of(base).prompt(moment_of(table, role, heard))
    sampling = msgspec.structs.replace(role.sampling, seed=seed)
    pieces = engine.stream(prompt, adapter=None if bare else role.adapter, sampling=sampling)
    return "".join([piece async for piece in pieces]).strip()


async def print_all(recipe: AdapterRecipe, *, bare: bool) -> None:
    """Prints ten answers of every role."""
    table = Table([RoleData.read(recipe.roles / name) for name in recipe.names], room_premise(recipe.rooms))
    engine: Engine = plugins.load("chatroom.engines", "transformers_peft").Engine(EngineOptions(base=str(recipe.base)))
    await engine.start()
    try:
        for name in recipe.names:
            role = read_role(recipe.roles / name, recipe.base.parent)
            print(f"\n**{role.name}**\n")
            for seed, text in enumerate(PROMPTS):
                print(
                    f"- {text}\n  *{await answer(engine, recipe.base, table, role, text, seed, bare=bare)}*", flush=True
                )
    finally:
        await engine.close()


def main(args: argparse.Namespace) -> None:
    """Prints every role's replies."""
    asyncio.run(print_all(read_recipe(args.recipe), bare=args.bare))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--bare", action="store_true", help="without adapters")
    main(parser.parse_args())
