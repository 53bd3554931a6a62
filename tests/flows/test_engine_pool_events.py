"""Anything may happen to the pool, in any order: memory is never over the budget and no turn is lost without a reason.

A thousand events from a seed against engines that only count, in virtual time; a few of each kind against real
processes that speak LMDeploy's protocol. Each event may find the ones before it still under way.
"""

import asyncio
import os
import shutil
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from chatroom.engine_plan import Machine
from chatroom.engine_pool import EnginePool, Limits
from chatroom.errors import ChatroomError, EngineError
from chatroom.roles import Role, read_role
from chatroom.settings import Settings
from tests.folders import make_role
from tests.pool_world import GIB, World, turn
from tests.stand_in.lmdeploy_process import ROOT, StandIn, is_alive
from tests.virtual_time import play

EVENTS, BUDGET, TURN_SECONDS = 1000, 5.0, 120
MODELS = ("a", "b", "c")
ROOMS = {"inn": ("mara", "tobin", "ilse"), "cellar": ("ilse", "jory"), "attic": ("tobin", "wren", "mara")}


class Evening:
    """Rooms that play at the same time, one turn at a time in each, and what became of their turns."""

    def __init__(self, world: World, pool: EnginePool, seed: int) -> None:
        self.world, self.pool, self.random = world, pool, Random(seed)
        self.open: set[str] = set()
        self.turns: dict[str, asyncio.Task[None]] = {}
        self.warming: set[asyncio.Task[None]] = set()
        self.began = self.cancelled = 0
        self.ended: Counter[str] = Counter()
        self.reasons: list[tuple[str, str]] = []

    def role(self, id_: str) -> Role:
        return self.world.role(id_)

    async def happen(self) -> None:
        """One event, of those that there are."""
        events: list[tuple[Callable[[], Awaitable[None] | None], int]] = [
            (self.speak, 40),
            (self.wait, 40),
            (self.ahead, 6),
            (self.cancel, 3),
            (self.crash, 3),
            (self.hang, 10),
            (self.stop, 3),
            (self.start_slowly, 2),
            (self.fail_to_start, 2),
            (self.end_slowly, 3),
            (self.fail_to_end, 1),
            (self.edit, 5),
            (self.come, 4),
            (self.leave, 2),
        ]
        what = self.random.choices([event for event, _ in events], [weight for _, weight in events])[0]
        going = what()
        if going is not None:
            await going
        self.check()

    def check(self) -> None:
        budget = int(BUDGET * GIB)
        assert self.world.works.most <= budget
        assert self.pool.taken <= budget
        assert self.world.works.held <= self.pool.taken, "memory is held that nobody counts"
        assert self.world.works.cut == [], "an engine was stopped within a turn"

    # --- turns --------------------------------------------------------------------------------------------------------

    def speak(self) -> None:
        room = self.random.choice(sorted(self.open) or ["inn"])
        if room in self.open and (room not in self.turns or self.turns[room].done()):
            self.began += 1
            self.turns[room] = asyncio.create_task(self._turn(self.random.choice(ROOMS[room])))
            self.turns[room].add_done_callback(self._over)

    async def _turn(self, id_: str) -> None:
        """Ends in words, or in a reason; like a room, it waits only so long."""
        try:
            async with asyncio.timeout(TURN_SECONDS):
                said = await turn(self.pool, self.role(id_))
            assert said == "I heard you."
            self.ended["said"] += 1
        except ChatroomError as problem:
            self.reasons.append((problem.code, str(problem)))
            self.ended["failed"] += 1
        except TimeoutError:
            self.ended["timeout"] += 1

    def _over(self, turn: asyncio.Task[None]) -> None:
        self.ended["cancelled"] += turn.cancelled()

    def cancel(self) -> None:
        running = [task for task in self.turns.values() if not task.done()]
        if running and self.random.choice(running).cancel():
            self.cancelled += 1

    def ahead(self) -> None:
        if self.open:
            roles = ROOMS[self.random.choice(sorted(self.open))]
            task = asyncio.create_task(self._ahead(roles))
            self.warming.add(task)
            task.add_done_callback(self.warming.discard)

    async def _ahead(self, roles: tuple[str, ...]) -> None:
        for id_ in roles:
            with suppress(ChatroomError):
                await self.pool.ahead(self.role(id_))

    async def wait(self) -> None:
        await asyncio.sleep(self.random.choice((0, 0.1, 1, 5, 30, 60)))

    # --- engines ------------------------------------------------------------------------------------------------------

    def crash(self) -> None:
        if up := self.world.works.up:
            self.random.choice(up).crash()

    def hang(self) -> None:
        if up := self.world.works.up:
            self.random.choice(up).piece_seconds = self.random.choice((1, 15, 35, 100))

    def stop(self) -> None:
        """A room ends an engine that does not answer."""
        task = asyncio.create_task(self._stop(self.random.choice(self.random.choice(list(ROOMS.values())))))
        self.warming.add(task)
        task.add_done_callback(self.warming.discard)

    async def _stop(self, id_: str) -> None:
        with suppress(ChatroomError):
            if await self.pool.ahead(self.role(id_)):
                engine, _ = await self.pool.start(self.role(id_))
                engine._held.engine.doomed = True  # type: ignore[attr-defined]
                await engine.close()

    def start_slowly(self) -> None:
        self.world.works.slow[self._name()] = self.random.choice((5, 20, 100, 1e6))

    def fail_to_start(self) -> None:
        self.world.works.fail[self._name()] = 1

    def end_slowly(self) -> None:
        self.world.works.slow_end[self._name()] = self.random.choice((1, 50))

    def fail_to_end(self) -> None:
        self.world.works.fail_end[self._name()] = 1

    def _name(self) -> str:
        return self.random.choice((*MODELS, "a-tobin"))

    # --- folders and rooms --------------------------------------------------------------------------------------------

    def edit(self) -> None:
        id_ = self.random.choice(("mara", "ilse", "wren"))
        if self.random.random() < 0.4:
            (self.world.home / "roles" / id_ / "persona.md").write_text(f"Another one, {self.random.random()}.")
        else:
            self.world.role(id_, self.random.choice(MODELS))

    def come(self) -> None:
        room = self.random.choice(sorted(ROOMS))
        self.open.add(room)
        self.pool.sit(room, [self.role(id_) for id_ in ROOMS[room]])

    def leave(self) -> None:
        if self.open:
            room = self.random.choice(sorted(self.open))
            self.open.discard(room)
            self.pool.leave(room)

    async def end(self) -> None:
        """Lets everything that runs come to its end."""
        tasks = [*self.turns.values(), *self.warming]
        await asyncio.gather(*tasks, return_exceptions=True)


def company(home: Path) -> World:
    """Roles of all kinds over three models, of which two fit at a time."""
    world = World(home, *MODELS)
    world.role("mara", "a")
    world.with_lora("tobin", "a", activated=True, twin=True)
    world.role("ilse", "b")
    world.with_lora("jory", "b", activated=True)
    world.role("wren", "c")
    return world


@pytest.mark.parametrize("seed", [1, 2])
def test_a_thousand_events_lose_nothing(tmp_path: Path, seed: int) -> None:
    world = company(tmp_path)

    async def scenario() -> Evening:
        async with world.pool(BUDGET, limits=Limits(start=300)) as pool:
            evening = Evening(world, pool, seed)
            for _ in range(3):
                evening.come()
            for _ in range(EVENTS):
                await evening.happen()
            await evening.end()
            evening.check()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return evening

    evening = play(scenario())
    assert sum(evening.ended.values()) == evening.began
    assert evening.ended["cancelled"] <= evening.cancelled
    assert evening.ended["said"] > evening.began / 3, evening.ended
    assert all(text for _, text in evening.reasons)
    assert evening.reasons, "nothing ever went wrong"


# --- real processes ---------------------------------------------------------------------------------------------------

SERVERS = 2
"""So many fit at a time: each takes 1 GiB and a little."""
SOME = {"speak": 8, "finish": 5, "cancel": 1, "crash": 2, "edit": 1, "ahead": 1}
"""What happens, in an order that is drawn. Few, for a start of a process takes a second."""


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that says that 24 GiB are free."""
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 24576\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")


class Night:
    """Three roles on three bases, two of which fit, each a server in a process of its own."""

    def __init__(self, home: Path) -> None:
        self.home, self.stand_in, self.random = home, StandIn(home), Random(353)
        places = {"home": home / "var", "roles": home / "roles", "models": home / "models"}
        self.settings = Settings(**places, context=1024, lmdeploy=self.stand_in.command())
        for id_, base in zip(("mara", "tobin", "ilse"), MODELS, strict=True):
            shutil.copytree(ROOT / "models" / "hearth", home / "models" / base)
            toml = f'name = "{id_.title()}"\n[model]\nbase = "models/{base}"\n[sampling]\nmax_tokens = 8\n'
            make_role(home / "roles" / id_, toml)
        self.turns: list[asyncio.Task[str]] = []
        self.left = [what for what, count in SOME.items() for _ in range(count)]
        self.random.shuffle(self.left)
        self.crashed = 0

    @property
    def servers(self) -> list[int]:
        return [pid for pid in self.stand_in.each("started") if is_alive(pid)]

    async def machine(self) -> Machine:
        return Machine(gpu=True, memory=int(2.5 * GIB), free=24 * GIB)

    def role(self, id_: str) -> Role:
        return read_role(self.home / "roles" / id_, self.home / "models")

    async def happen(self, pool: EnginePool) -> None:
        what, id_ = self.left.pop(), self.random.choice(("mara", "tobin", "ilse"))
        if what == "speak":
            self.turns.append(asyncio.create_task(turn(pool, self.role(id_))))
            await asyncio.sleep(0)
        elif what == "finish":
            await asyncio.gather(*self.turns, return_exceptions=True)
        elif what == "cancel" and self.turns:
            self.turns[-1].cancel()
        elif what == "crash" and self.servers:
            os.kill(self.servers[-1], signal.SIGKILL)
            self.crashed += 1
        elif what == "edit":
            (self.home / "roles" / id_ / "persona.md").write_text(f"Another one, {self.random.random()}.")
        elif what == "ahead":
            with suppress(EngineError):
                await pool.ahead(self.role(id_))
        assert pool.taken <= int(2.5 * GIB)
        assert len(self.servers) <= SERVERS


@pytest.mark.usefixtures("driver")
async def test_real_processes_stay_within_memory(tmp_path: Path) -> None:
    night = Night(tmp_path)
    pool = EnginePool(night.settings, survey=night.machine)
    try:
        pool.sit("inn", [night.role(id_) for id_ in ("mara", "tobin", "ilse")])
        while night.left:
            await night.happen(pool)
        ended = await asyncio.gather(*night.turns, return_exceptions=True)
    finally:
        await pool.close()
    said = [each for each in ended if isinstance(each, str)]
    failed = [each for each in ended if not isinstance(each, str | EngineError | asyncio.CancelledError)]
    assert (failed, [str(each) for each in ended if isinstance(each, EngineError) and not str(each)]) == ([], [])
    assert len(said) > len(ended) / 2
    assert len(night.stand_in.each("started")) > SERVERS, "nobody was ever stopped for another"
    assert night.crashed == SOME["crash"]
    assert night.servers == []
