"""Four roles with weights of their own in memory for two: who is started and stopped, and how long does it take?

Through the engine pool, as a room does it: the roles speak in turn, each turn in a task of its own.
"""

import asyncio
import shutil
import time
from pathlib import Path

import msgspec

from benchmarks.gpu import texts
from benchmarks.gpu.bench import Bench
from benchmarks.gpu.rows import Part, Row
from chatroom.engine_plan import Machine, Plan, plan
from chatroom.engine_plan.gathering import wish_of
from chatroom.engine_pool import EnginePool
from chatroom.engines._lmdeploy.gpu_memory import free_gpu_bytes
from chatroom.messages import Sampling, Usage
from chatroom.roles import Role, read_role
from chatroom.settings import Settings

QUESTION = "Four roles with weights of their own in memory for two: what do starts and stops cost?"
ORDER = ("ada", "bo", "ada", "cy", "dee", "ada")
"""Who speaks: two fit, so a third one stops the one that was silent for longest."""
AT_ONCE = 2
SAID = Sampling(temperature=0, repetition_penalty=1.0, max_tokens=24)
STEP = 64 << 20


class Spoke(Row, frozen=True, kw_only=True):
    """One turn.

    Args:
        ready_s: Until its engine was ready, others stopped first if need be; 0 where it ran already.
        first_ms: From then to the first piece.
        counted_mb: Memory that the pool counts for engines that run.
        measured_mb: Memory of the GPU that is taken since the beginning, as the driver says.
        budget_mb: What may be taken.
    """

    role: str
    ready_s: float
    first_ms: float
    prompt: int
    cached: int
    counted_mb: int
    measured_mb: int
    budget_mb: int


class House:
    """Role folders, settings and the pool over them."""

    def __init__(self, bench: Bench) -> None:
        home = bench.folder / "house"
        self.roles = [_role(home / "roles" / id_, bench.base) for id_ in sorted(set(ORDER))]
        settings = Settings(
            home=home / "var",
            roles=home / "roles",
            models=bench.base.parent,
            context=bench.context,
            lmdeploy=bench.command,
            dtype=bench.dtype,
        )
        self.budget = _budget(settings, self.roles)
        self.pool = EnginePool(msgspec.structs.replace(settings, gpu_memory=self.budget))

    async def turn(self, role: Role, lines: int) -> tuple[float, float, Usage | None]:
        """Seconds until the engine is ready, to the first piece, and what the prompt cost."""
        told, began = list[Usage](), time.perf_counter()
        engine, _ = await self.pool.start(role)
        ready, first = time.perf_counter(), 0.0
        asked = texts.prompt("house", texts.transcript(lines), role.name)
        async for _piece in engine.stream(asked, adapter=role.adapter, sampling=SAID, told=told.append):
            first = first or time.perf_counter()
        return ready - began, (first or time.perf_counter()) - ready, next(iter(told), None)


async def run(part: Part, bench: Bench) -> None:
    """Lets the roles speak in turn, then ends all engines."""
    house, free = await asyncio.to_thread(House, bench), await free_gpu_bytes() or 0
    by_id = {role.id: role for role in house.roles}
    try:
        for number, id_ in enumerate(ORDER):
            ready, first, usage = await asyncio.create_task(house.turn(by_id[id_], bench.lines + number))
            part.rows.append(
                Spoke(
                    role=id_,
                    ready_s=round(ready, 2),
                    first_ms=round(first * 1000, 1),
                    prompt=usage.prompt if usage else 0,
                    cached=usage.cached if usage else 0,
                    counted_mb=house.pool.taken >> 20,
                    measured_mb=(free - (await free_gpu_bytes() or free)) >> 20,
                    budget_mb=house.budget >> 20,
                )
            )
    finally:
        began = time.perf_counter()
        await house.pool.close()
        part.notes.append(f"all engines ended in {time.perf_counter() - began:.1f} s")
    after = (free - (await free_gpu_bytes() or free)) >> 20
    part.notes.append(f"{after} MB are still taken after that")
    if over := [row for row in part.rows if isinstance(row, Spoke) and row.measured_mb > row.budget_mb]:
        part.notes.append(f"OVER BUDGET by {max(row.measured_mb - row.budget_mb for row in over)} MB, as measured")


def _role(folder: Path, base: Path) -> Role:
    """A role whose weights are a copy of the base: another file is another engine."""
    shutil.copytree(base, folder / "weights", ignore=lambda at, names: [n for n in names if (Path(at) / n).is_dir()])
    (folder / "role.toml").write_text(f'name = "{folder.name.title()}"\n\n[model]\nweights = "weights"\n', "utf-8")
    (folder / "persona.md").write_text(f"{folder.name.title()} keeps the light.\n", "utf-8")
    return read_role(folder, base.parent)


def _budget(settings: Settings, roles: list[Role]) -> int:
    """The least memory in which two of them run at a time."""
    wishes, memory = [wish_of(settings, role, ("house",)) for role in roles], STEP
    while _running(plan(wishes, Machine(gpu=True, memory=memory, free=memory, dtype=settings.dtype))) < AT_ONCE:
        memory += STEP
    return memory


def _running(made: Plan) -> int:
    return sum(engine.state == "runs" for engine in made.engines)
