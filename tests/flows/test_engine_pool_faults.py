"""What the pool does when something fails: it starts anew, falls back, gives up, and says why.

Starts that are broken off and engines that are lost belong here; memory that is short does not.
"""

import asyncio
from pathlib import Path

import pytest

from tests.pool_world import SAID, World, failure, played, stage, turn

# --- a turn or an engine is lost --------------------------------------------------------------------------------------


@played
async def test_loading_goes_on_without_who_asked(tmp_path: Path) -> None:
    async with stage(tmp_path, 8, "a") as (world, pool, [role]):
        asked = await world.loading(pool, role, seconds=100)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        assert await turn(pool, role) == SAID
        assert world.works.made[0].starts == 1


@played
async def test_a_crashed_engine_starts_anew(tmp_path: Path) -> None:
    async with stage(tmp_path, 8, "a") as (world, pool, [role]):
        await turn(pool, role)
        world.works.up[0].crash()
        assert await turn(pool, role) == SAID
        assert world.works.up[0].starts == 2


@played
async def test_a_lost_engine_waits_for_one_that_loads(tmp_path: Path) -> None:
    async with stage(tmp_path, 8, "a", "b") as (world, pool, [one, other]):
        pool.sit("inn", [one, other])
        await turn(pool, one)
        (lost,) = world.works.up
        lost.crash()
        second = await world.loading(pool, other, seconds=30)
        first = asyncio.create_task(turn(pool, one))
        await asyncio.sleep(29)
        assert lost.starts == 1
        assert (await asyncio.gather(first, second), lost.starts) == ([SAID] * 2, 2)


@played
async def test_a_lost_engine_needs_no_memory_anew(tmp_path: Path) -> None:
    async with stage(tmp_path, 3, "a", "b") as (world, pool, [one, other]):
        await pool.start(one)
        waiting = asyncio.create_task(turn(pool, other))
        await asyncio.sleep(1)
        world.works.up[0].crash()
        assert await turn(pool, one) == SAID
        assert not waiting.done()
        assert await waiting == SAID


# --- a start fails ----------------------------------------------------------------------------------------------------


@played
async def test_a_failed_start_is_not_tried_at_once(tmp_path: Path) -> None:
    world = World(tmp_path, "a")
    roles = [world.role("mara", "a"), world.role("tobin", "a")]
    world.works.fail["a"] = 1
    async with world.pool(8) as pool:
        assert [str(await failure(turn(pool, role))) for role in roles] == ["its start was told to fail"] * 2
        assert [engine.starts for engine in world.works.made] == [1]
        await asyncio.sleep(10)
        assert await turn(pool, roles[0]) == SAID


@played
async def test_a_start_that_never_ends_is_given_up(tmp_path: Path) -> None:
    async with stage(tmp_path, 8, "a", "b") as (world, pool, [one, other]):
        pool.sit("inn", [one, other])
        first = await world.loading(pool, one, seconds=1e9)
        assert (await failure(turn(pool, other))).code == "overloaded"
        assert (await failure(first)).code == "timeout"
        assert await turn(pool, other) == SAID


@played
async def test_a_failed_engine_falls_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    world = World(tmp_path, "a", "b", fallback="models/b")
    role = world.with_lora("mara", "a")
    world.works.fail["a-mara"] = 1
    async with world.pool(8) as pool:
        assert await turn(pool, role) == SAID
        (engine,) = world.works.up
        assert (engine.name, engine.spoken) == ("b", [None])
        await asyncio.sleep(400)
        await turn(pool, role)
        assert "a-mara" in world.names()
    assert "mara speaks with the fallback models/b: its start was told to fail" in caplog.text


@played
async def test_a_failed_fallback_fails_the_turn(tmp_path: Path) -> None:
    async with stage(tmp_path, 8, "a", "b", fallback="models/b") as (world, pool, [role, _]):
        world.works.fail.update(a=1, b=1)
        assert str(await failure(turn(pool, role))) == "its start was told to fail"


# --- nothing can be started -------------------------------------------------------------------------------------------


@played
async def test_a_role_too_large_says_so(tmp_path: Path) -> None:
    async with stage(tmp_path, 1, "a") as (_, pool, [role]):
        problem = await failure(turn(pool, role))
        assert problem.code == "bad_base"
        assert str(problem).startswith("Mara can't speak: too large: 2.")


@played
async def test_a_closed_pool_starts_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path, 8, "a") as (_, pool, [role]):
        await pool.close()
        assert (await failure(turn(pool, role))).code == "engine_lost"
