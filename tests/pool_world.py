"""A machine for tests of the pool: models of real sizes with a hole for data, role folders, stand-in engines."""

import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

from chatroom.engine_plan import Machine
from chatroom.engine_pool import EnginePool, Limits
from chatroom.messages import Prompt, Sampling
from chatroom.roles import Role, read_role
from chatroom.settings import Settings
from tests.flows.test_engines_command import make_model
from tests.folders import make_adapter, make_role
from tests.stand_in.engines import Works

GIB = 1 << 30
PROMPT = Prompt(view="all", premise="A bar by the sea.", lines=(), tail=("Go on.",), start="Mara:")


class World:
    """Folders, settings and stand-ins; a model takes about 1.2 GiB, with all that its engine needs 2.3 GiB on a GPU."""

    def __init__(self, home: Path, *models: str, **settings: Any) -> None:
        self.home, self.works = home, Works()
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

    def with_lora(self, id_: str, model: str, *, activated: bool = False, twin: bool = False, **keys: str) -> Role:
        more = {"alora_invocation_tokens": [7]} if activated else {}
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


async def turn(pool: EnginePool, role: Role) -> str:
    """A whole turn, as a room takes it."""
    engine, _ = await pool.start(role)
    await engine.count(["a line"])
    async with aclosing(engine.stream(PROMPT, adapter=role.adapter, sampling=Sampling())) as pieces:
        return "".join([piece async for piece in pieces])
