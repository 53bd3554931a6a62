"""A machine for tests of the pool: models of real sizes with a hole for data, role folders, stand-in engines.

What happens on it happens in virtual time: hours of loading and waiting pass at once. It knows no test: what is to be
true of the pool stands where it is tested.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import pytest

from chatroom.engine_plan import Machine
from chatroom.engine_pool import EnginePool, Limits
from chatroom.errors import EngineError
from chatroom.messages import Prompt, Sampling
from chatroom.roles import Role, read_role
from chatroom.settings import Settings
from tests.flows.test_engines_command import make_model
from tests.folders import make_adapter, make_role
from tests.stand_in.engines import Works
from tests.virtual_time import play

P = ParamSpec("P")

GIB = 1 << 30
NAMES = ("mara", "tobin", "ilse")
SAID = "I heard you."
PROMPT = Prompt(view="all", premise="A bar by the sea.", lines=(), tail=("Go on.",), start="Mara:")


class World:
    """Folders, settings and stand-ins; a model takes about 1.2 GiB, with all that its engine needs 2.3 GiB on a GPU."""

    def __init__(self, home: Path, *models: str, **settings: Any) -> None:
        self.home, self.models, self.works = home, models, Works()
        for name in models:
            make_model(home / "models" / name, "small")
        places = {"home": home / "var", "roles": home / "roles", "models": home / "models"}
        self.settings = Settings(**{**places, "lmdeploy": (sys.executable,), **settings})

    def role(self, id_: str, model: str = "", *, top: str = "", **keys: str) -> Role:
        """Writes a role over a model, or reads it as it is."""
        if model:
            lines = [f'name = "{id_.title()}"', top, "[model]", f'base = "models/{model}"']
            lines += [f'{key} = "{value}"' for key, value in keys.items()]
            make_role(self.home / "roles" / id_, "\n".join(lines) + "\n")
        return read_role(self.home / "roles" / id_, self.home / "models")

    def cast(self) -> list[Role]:
        """Writes a plain role over each model: mara, tobin, ilse."""
        return [self.role(id_, model) for id_, model in zip(NAMES, self.models, strict=False)]

    def with_lora(self, id_: str, model: str, *, activated: bool = False, twin: bool = False, **keys: str) -> Role:
        more: dict[str, Any] = {"alora_invocation_tokens": [7]} if activated else {}
        make_adapter(self.home / "roles" / id_ / "adapter", target_modules=["q_proj"], **more)
        keys["adapter"] = "adapter"
        if twin:
            make_adapter(self.home / "roles" / id_ / "lora", target_modules=["q_proj"])
            keys["lora"] = "lora"
        return self.role(id_, model, **keys)

    @asynccontextmanager
    async def pool(self, memory: float, *, gpu: bool = True, limits: Limits | None = None) -> AsyncIterator[EnginePool]:
        """A pool on a machine with so many GiB."""
        size = int(memory * GIB)

        async def survey() -> Machine:
            return Machine(gpu=gpu, memory=size, free=size)

        pool = EnginePool(
            self.settings, survey=survey, make=self.works.make, merge=self.works.merge, limits=limits or Limits()
        )
        try:
            yield pool
        finally:
            await pool.close()
            assert self.works.most <= size, "more memory was held than there is"
            assert self.works.held == 0, "an engine was left behind"

    def kinds(self) -> list[str]:
        return [engine.kind for engine in self.works.up]

    def names(self) -> list[str]:
        """Whose weights are up, in the order in which their engines were made."""
        return [engine.name for engine in self.works.up]

    async def held(self, pool: EnginePool, role: Role) -> tuple[asyncio.Task[str], asyncio.Event]:
        """A turn that is inside its engine, and the gate that it doesn't pass before it is set."""
        self.works.gate = gate = asyncio.Event()
        speaking = asyncio.create_task(turn(pool, role))
        await until(lambda: any(engine.inside for engine in self.works.up))
        return speaking, gate

    async def loading(self, pool: EnginePool, role: Role, seconds: float) -> asyncio.Task[str]:
        """A turn whose engine has begun to load, which takes so long."""
        name = Path(role.base).name
        self.works.slow[name] = seconds
        speaking = asyncio.create_task(turn(pool, role))
        await until(lambda: any(engine.starts for engine in self.works.made if engine.name == name))
        return speaking


@asynccontextmanager
async def stage(
    home: Path, memory: float, *models: str, limits: Limits | None = None, **settings: Any
) -> AsyncIterator[tuple[World, EnginePool, list[Role]]]:
    """A pool on a GPU with so many GiB, and a plain role over each model."""
    world = World(home, *models, **settings)
    roles = world.cast()
    async with world.pool(memory, limits=limits) as pool:
        yield world, pool, roles


async def turn(pool: EnginePool, role: Role) -> str:
    """A whole turn, as a room takes it."""
    engine, _ = await pool.start(role)
    await engine.count(["a line"])
    async with aclosing(engine.stream(PROMPT, adapter=role.adapter, sampling=Sampling())) as pieces:
        return "".join([piece async for piece in pieces])


async def failure(speaking: Awaitable[str]) -> EngineError:
    """Why a turn fails, as it must."""
    with pytest.raises(EngineError) as raised:
        await speaking
    return raised.value


async def until(holds: Callable[[], bool]) -> None:
    """Waits, in virtual time, for something that will happen."""
    async with asyncio.timeout(3600):
        while not holds():
            await asyncio.sleep(0.01)


def played(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Makes a test of a scenario: it is played in virtual time."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        play(test(*args, **kwargs))

    return run
