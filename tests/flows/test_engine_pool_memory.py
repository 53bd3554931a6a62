"""What the pool starts and stops, and when: for a turn, ahead of one, never for a mere question.

Most machines here hold one model of two (3 GiB), or two of three (5 GiB).
"""

import asyncio
from pathlib import Path

import pytest

from chatroom.engine_pool import EnginePool, Limits
from chatroom.errors import EngineError
from chatroom.roles import Role
from tests.pool_world import PROMPT, SAID, World, failure, played, stage, turn, until

# --- who is stopped for whom ------------------------------------------------------------------------------------------


@played
async def test_a_stopped_role_speaks_when_asked(tmp_path: Path) -> None:
    async with stage(tmp_path, 3, "a", "b") as (world, pool, roles):
        for role in (*roles, *roles):
            assert await turn(pool, role) == SAID
            assert world.names() == [Path(role.base).name]


@played
async def test_the_least_recently_used_goes_first(tmp_path: Path) -> None:
    async with stage(tmp_path, 5, "a", "b", "c") as (world, pool, roles):
        for at in (0, 1, 0, 2):
            await turn(pool, roles[at])
        assert set(world.names()) == {"a", "c"}


@played
async def test_nobody_is_stopped_within_a_turn(tmp_path: Path) -> None:
    async with stage(tmp_path, 3, "a", "b") as (world, pool, [one, other]):
        first, gate = await world.held(pool, one)
        second = asyncio.create_task(turn(pool, other))
        await asyncio.sleep(20)
        assert world.names() == ["a"]
        gate.set()
        assert await asyncio.gather(first, second) == [SAID, SAID]


@played
async def test_nobody_is_stopped_for_a_cancelled_turn(tmp_path: Path) -> None:
    async with stage(tmp_path, 3, "a", "b") as (world, pool, [one, other]):
        first, gate = await world.held(pool, one)
        second = asyncio.create_task(turn(pool, other))
        await asyncio.sleep(1)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        gate.set()
        await first
        await asyncio.sleep(100)
        assert world.names() == ["a"]


@played
async def test_an_engine_given_is_not_stopped_before_its_turn(tmp_path: Path) -> None:
    async with stage(tmp_path, 3, "a", "b") as (_, pool, [one, other]):
        engine, _ = await pool.start(one)
        second = asyncio.create_task(turn(pool, other))
        await asyncio.sleep(10)
        assert await engine.count(["still here"]) == [2]
        assert not second.done()
        assert await second == SAID  # whoever does not come keeps nobody waiting for ever


@played
async def test_two_rooms_never_wait_for_each_other(tmp_path: Path) -> None:
    async def room(pool: EnginePool, roles: list[Role]) -> list[str]:
        return [await turn(pool, role) for role in roles]

    async with stage(tmp_path, 3, "a", "b") as (_, pool, [one, other]):
        pool.sit("inn", [one, other])
        pool.sit("cellar", [other, one])
        said = await asyncio.gather(room(pool, [one, other] * 5), room(pool, [other, one] * 5))
        assert said == [[SAID] * 10] * 2


@played
async def test_an_empty_room_leaves_its_engine_until_needed(tmp_path: Path) -> None:
    async with stage(tmp_path, 5, "a", "b", "c") as (world, pool, roles):
        pool.sit("inn", roles[:1])
        pool.sit("cellar", roles[1:])
        await turn(pool, roles[1])
        await turn(pool, roles[0])
        pool.leave("inn")
        await turn(pool, roles[1])
        assert set(world.names()) == {"a", "b"}
        await turn(pool, roles[2])
        assert set(world.names()) == {"b", "c"}


@played
async def test_memory_counts_until_close_returns(tmp_path: Path) -> None:
    async with stage(tmp_path, 3, "a", "b") as (world, pool, [one, other]):
        await turn(pool, one)
        world.works.slow_end["a"] = 40
        second = asyncio.create_task(turn(pool, other))
        await asyncio.sleep(39)
        assert (pool.taken > 0, world.works.up) == (True, [])
        assert await second == SAID


@played
async def test_waiting_for_memory_ends_with_a_reason(tmp_path: Path) -> None:
    async with stage(tmp_path, 3, "a", "b") as (world, pool, [one, other]):
        first, gate = await world.held(pool, one)
        problem = await failure(turn(pool, other))
        assert problem.code == "overloaded"
        assert "models/b needs 2." in str(problem) or "no memory within 60 s" in str(problem)
        gate.set()
        assert await first == SAID
        assert await turn(pool, other) == SAID


@played
async def test_an_engine_that_wont_end_keeps_its_memory(tmp_path: Path) -> None:
    async with stage(tmp_path, 3, "a", "b", limits=Limits(room=5)) as (world, pool, [one, other]):
        await turn(pool, one)
        world.works.fail_end["a"] = 1
        assert (await failure(turn(pool, other))).code == "overloaded"
        await asyncio.sleep(10)
        assert await turn(pool, other) == SAID


# --- one start after another ------------------------------------------------------------------------------------------


@played
async def test_engines_on_a_gpu_start_one_after_another(tmp_path: Path) -> None:
    async with stage(tmp_path, 8, "a", "b") as (world, pool, roles):
        world.works.slow |= {"a": 30, "b": 30}
        pool.sit("inn", roles)
        starting = [asyncio.create_task(turn(pool, role)) for role in roles]
        await asyncio.sleep(29)
        assert [engine.starts for engine in world.works.made] == [1, 0]
        assert await asyncio.gather(*starting) == [SAID, SAID]


@played
async def test_an_engine_that_runs_waits_for_none(tmp_path: Path) -> None:
    async with stage(tmp_path, 8, "a", "b") as (world, pool, [one, other]):
        pool.sit("inn", [one, other])
        await turn(pool, one)
        second = await world.loading(pool, other, seconds=30)
        assert await turn(pool, one) == SAID
        assert not second.done()
        assert await second == SAID


@played
async def test_nothing_loads_while_a_lora_joins(tmp_path: Path) -> None:
    world = World(tmp_path, "a", "b")
    known = [world.with_lora("mara", "a"), world.with_lora("tobin", "a")]
    new, other = world.with_lora("ilse", "a"), world.role("wren", "b")
    async with world.pool(8) as pool:
        pool.sit("inn", known)
        assert [await turn(pool, role) for role in known] == [SAID] * 2
        (shared,) = world.works.up
        world.works.slow["a"] = 30
        first = asyncio.create_task(turn(pool, new))
        await until(lambda: shared.starts == 2)
        second = asyncio.create_task(turn(pool, other))
        await asyncio.sleep(29)
        assert [engine.starts for engine in world.works.made if engine.name == "b"] == [0]
        assert await asyncio.gather(first, second) == [SAID] * 2
        assert (await turn(pool, new), shared.starts) == (SAID, 2)


# --- ahead of a turn --------------------------------------------------------------------------------------------------


@played
async def test_likely_speakers_start_ahead(tmp_path: Path) -> None:
    async with stage(tmp_path, 8, "a", "b") as (world, pool, roles):
        pool.sit("inn", roles)
        assert [await pool.ahead(role) for role in roles] == [True, True]
        assert set(world.names()) == {"a", "b"}


@played
async def test_starting_ahead_stops_nobody(tmp_path: Path) -> None:
    async with stage(tmp_path, 3, "a", "b") as (world, pool, [one, other]):
        pool.sit("inn", [one, other])
        await turn(pool, other)
        assert [await pool.ahead(role) for role in (one, other)] == [False, True]
        assert world.names() == ["b"]


@played
async def test_starting_ahead_lets_others_start_first(tmp_path: Path) -> None:
    async with stage(tmp_path, 8, "a", "b") as (world, pool, [one, other]):
        pool.sit("inn", [one, other])
        first = await world.loading(pool, one, seconds=30)
        assert await pool.ahead(other)
        assert (await first, world.kinds()) == (SAID, ["turbomind"] * 2)


@played
async def test_warming_keeps_no_memory_from_a_turn(tmp_path: Path) -> None:
    async with stage(tmp_path, 3, "a", "b") as (_, pool, [one, other]):
        engine, _ = await pool.start(one)
        await engine.warm(PROMPT)
        began = asyncio.get_running_loop().time()
        assert await asyncio.create_task(turn(pool, other)) == SAID
        assert asyncio.get_running_loop().time() - began < 1


@played
async def test_who_spoke_before_a_restart_starts_first(tmp_path: Path) -> None:
    async with stage(tmp_path, 3, "a", "b") as (_, pool, roles):
        pool.sit("inn", roles, spoken=["mara", "tobin"])
        assert [await pool.ahead(role) for role in roles] == [False, True]


# --- who asks without a turn ------------------------------------------------------------------------------------------


@played
async def test_a_question_starts_and_stops_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path, 3, "a", "b") as (world, pool, [one, other]):
        pool.sit("inn", [one, other])
        assert await pool.running(one) is None
        await turn(pool, one)
        asked = await pool.running(one)
        assert asked is not None
        assert await asked[0].score(PROMPT, ["Mara:"]) == [0]
        await asked[0].close()
        assert (world.names(), await pool.running(other)) == (["a"], None)
        await turn(pool, other)
        with pytest.raises(EngineError, match="isn't running"):
            await asked[0].score(PROMPT, ["Mara:"])
        assert world.names() == ["b"]


@played
async def test_a_question_waits_for_an_engine_that_loads(tmp_path: Path) -> None:
    async with stage(tmp_path, 8, "a") as (world, pool, [role]):
        first = await world.loading(pool, role, seconds=30)
        asked = await pool.running(role)
        assert asked is not None
        assert await asked[0].count(["a line"]) == [2]
        assert await first == SAID
