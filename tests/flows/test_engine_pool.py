"""The pool carries the plan out: who speaks with which engine, who is stopped for whom, what is said when it fails."""

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from chatroom.engine_pool import EnginePool, Limits, base_options, engine_options
from chatroom.errors import EngineError
from chatroom.int4_proof import place, source_digest
from chatroom.roles import Role
from tests.flows.test_engines_command import make_tiny
from tests.pool_world import PROMPT, World, turn
from tests.virtual_time import play

SAID = "I heard you."


async def until(holds: Callable[[], bool]) -> None:
    """Waits, in virtual time, for something that will happen."""
    async with asyncio.timeout(3600):
        while not holds():
            await asyncio.sleep(0.01)


async def failure(pool: EnginePool, role: Role) -> EngineError:
    with pytest.raises(EngineError) as raised:
        await turn(pool, role)
    return raised.value


# --- which engine -----------------------------------------------------------------------------------------------------


def test_roles_without_gpu_share_todays_engine(tmp_path: Path) -> None:
    world = World(tmp_path, "a")
    roles = [world.role("mara", "a"), world.with_lora("ilse", "a", activated=True)]

    async def scenario() -> None:
        async with world.pool(20, gpu=False) as pool:
            lent = [(await pool.start(role))[0] for role in roles]
            assert lent[0] is lent[1]
            assert [await turn(pool, role) for role in roles] == [SAID, SAID]
            (engine,) = world.works.made
            assert (engine.kind, engine.options) == ("transformers_peft", engine_options(world.settings, roles[0]))
            assert engine.spoken == [None, roles[1].adapter]

    play(scenario())


def test_roles_on_a_gpu_share_turbomind(tmp_path: Path) -> None:
    world = World(tmp_path, "a")
    roles = [world.role("mara", "a"), world.role("tobin", "a")]

    async def scenario() -> None:
        async with world.pool(8) as pool:
            assert [await turn(pool, role) for role in roles] == [SAID, SAID]
            (engine,) = world.works.up
            assert (engine.kind, engine.starts, engine.options.base) == ("turbomind", 1, roles[0].base)
            assert engine.options.cache_bytes > 0

    play(scenario())


def test_a_named_engine_stays(tmp_path: Path) -> None:
    world = World(tmp_path, "a", "b")
    by_role, by_settings = world.role("mara", "a", engine="transformers_peft"), world.role("tobin", "b")

    async def scenario() -> None:
        async with world.pool(8) as pool:
            await turn(pool, by_role)
            await turn(pool, by_settings)
            assert world.kinds() == ["transformers_peft", "turbomind"]

    play(scenario())


def test_without_lmdeploy_the_embedded_engine_speaks(tmp_path: Path) -> None:
    world = World(tmp_path, "a", lmdeploy=("no-such-lmdeploy",))
    role = world.role("mara", "a")

    async def scenario() -> None:
        async with world.pool(8) as pool:
            await turn(pool, role)
            assert world.kinds() == ["transformers_peft"]

    play(scenario())


def test_an_activated_lora_stays_embedded(tmp_path: Path) -> None:
    world = World(tmp_path, "a")
    plain, activated = world.role("mara", "a"), world.with_lora("ilse", "a", activated=True)

    async def scenario() -> None:
        async with world.pool(8) as pool:
            await turn(pool, plain)
            await turn(pool, activated)
            assert world.kinds() == ["turbomind", "transformers_peft"]
            assert world.works.up[1].spoken == [activated.adapter]

    play(scenario())


def test_a_lone_lora_is_merged_first(tmp_path: Path) -> None:
    world = World(tmp_path, "a")
    role = world.with_lora("mara", "a", activated=True, twin=True)

    async def scenario() -> None:
        async with world.pool(8) as pool:
            assert await turn(pool, role) == SAID
            (engine,) = world.works.up
            assert (engine.kind, engine.name, engine.spoken) == ("turbomind", "a-mara", [None])

    play(scenario())


def test_many_loras_are_known_ahead(tmp_path: Path) -> None:
    world = World(tmp_path, "a")
    roles = [world.with_lora(id_, "a") for id_ in ("mara", "tobin")]

    async def scenario() -> None:
        async with world.pool(8) as pool:
            pool.sit("inn", roles)
            assert [await turn(pool, role) for role in roles] == [SAID, SAID]
            (engine,) = world.works.up
            assert (engine.kind, engine.options.base) == ("lmdeploy_lora", roles[0].base)
            assert list(engine.options.adapters) == engine.spoken == [role.adapter for role in roles]

    play(scenario())


def test_a_role_stays_where_its_transcript_is(tmp_path: Path) -> None:
    world = World(tmp_path, "a")
    first, second = world.with_lora("mara", "a"), world.with_lora("tobin", "a")

    async def scenario() -> None:
        async with world.pool(8) as pool:
            await turn(pool, first)
            (merged,) = world.works.up
            await turn(pool, second)
            assert world.kinds() == ["turbomind", "lmdeploy_lora"]
            await turn(pool, first)
            assert len(merged.spoken) == 2

    play(scenario())


def test_no_memory_is_wasted_on_staying(tmp_path: Path) -> None:
    world = World(tmp_path, "a")
    first, second = world.with_lora("mara", "a"), world.with_lora("tobin", "a")

    async def scenario() -> None:
        async with world.pool(3.5) as pool:
            await turn(pool, first)
            await turn(pool, second)
            assert await turn(pool, first) == SAID
            assert world.kinds() == ["lmdeploy_lora"]

    play(scenario())


@pytest.mark.parametrize("changed", [False, True])
def test_int4_needs_a_proof_of_these_weights(tmp_path: Path, changed: bool) -> None:
    world = World(tmp_path)
    make_tiny(tmp_path / "models" / "a")
    role, folder = world.role("mara", "a", quantization="int4"), place(tmp_path / "var", "models/a")
    folder.mkdir(parents=True)
    proof = {"passed": True, "method": "compressed-tensors", "source": source_digest(Path(role.base))}
    (folder / "gate.json").write_text(json.dumps(proof))
    if changed:
        (Path(role.base) / "config.json").write_text((Path(role.base) / "config.json").read_text() + "\n")

    async def scenario() -> None:
        async with world.pool(8) as pool:
            await turn(pool, role)
            (engine,) = world.works.up
            used = (engine.options.base, engine.options.quantization)
            assert used == ((role.base, "none") if changed else (str(folder), "int4"))

    play(scenario())


@pytest.mark.parametrize("proven", [False, True])
def test_embedded_int4_needs_its_own_proof(tmp_path: Path, proven: bool) -> None:
    world = World(tmp_path)
    make_tiny(tmp_path / "models" / "a")
    role = world.role("mara", "a", quantization="int4")
    folder = place(tmp_path / "var", "models/a", embedded=True)
    folder.mkdir(parents=True)
    proof = {"passed": proven, "method": "embedded", "source": source_digest(Path(role.base))}
    (folder / "gate.json").write_text(json.dumps(proof))

    async def scenario() -> None:
        async with world.pool(20, gpu=False) as pool:
            await turn(pool, role)
            (engine,) = world.works.up
            assert (engine.options.base, engine.options.quantization) == (role.base, "int4" if proven else "none")

    play(scenario())


def test_options_name_the_server_of_the_settings(tmp_path: Path) -> None:
    world = World(tmp_path, remote="http://127.0.0.1:1/v1", remote_key="TAVERN_KEY")
    asked = base_options(world.settings, "x", engine="openai_api")
    assert (asked.address, asked.key) == ("http://127.0.0.1:1/v1", "TAVERN_KEY")
    other = base_options(world.settings, "x", engine="openai_api", address="http://127.0.0.1:2/v1")
    assert (other.address, other.key) == ("http://127.0.0.1:2/v1", "")
    assert base_options(world.settings, "x").address == ""


# --- memory -----------------------------------------------------------------------------------------------------------


def test_a_stopped_role_speaks_when_asked(tmp_path: Path) -> None:
    world = World(tmp_path, "a", "b")
    roles = [world.role("mara", "a"), world.role("tobin", "b")]

    async def scenario() -> None:
        async with world.pool(3) as pool:
            for role in (*roles, *roles):
                assert await turn(pool, role) == SAID
                assert [engine.name for engine in world.works.up] == [Path(role.base).name]

    play(scenario())


def test_the_least_recently_used_goes_first(tmp_path: Path) -> None:
    world = World(tmp_path, "a", "b", "c")
    roles = [world.role(id_, model) for id_, model in (("mara", "a"), ("tobin", "b"), ("ilse", "c"))]

    async def scenario() -> None:
        async with world.pool(5) as pool:
            for at in (0, 1, 0, 2):
                await turn(pool, roles[at])
            assert {engine.name for engine in world.works.up} == {"a", "c"}

    play(scenario())


def test_nobody_is_stopped_within_a_turn(tmp_path: Path) -> None:
    world = World(tmp_path, "a", "b")
    one, other = world.role("mara", "a"), world.role("tobin", "b")

    async def scenario() -> None:
        async with world.pool(3) as pool:
            world.works.gate = asyncio.Event()
            first = asyncio.create_task(turn(pool, one))
            await until(lambda: any(engine.inside for engine in world.works.up))
            second = asyncio.create_task(turn(pool, other))
            await asyncio.sleep(20)
            assert [engine.name for engine in world.works.up] == ["a"]
            world.works.gate.set()
            assert await asyncio.gather(first, second) == [SAID, SAID]

    play(scenario())


def test_an_engine_given_is_not_stopped_before_its_turn(tmp_path: Path) -> None:
    world = World(tmp_path, "a", "b")
    one, other = world.role("mara", "a"), world.role("tobin", "b")

    async def scenario() -> None:
        async with world.pool(3) as pool:
            engine, _ = await pool.start(one)
            second = asyncio.create_task(turn(pool, other))
            await asyncio.sleep(10)
            assert await engine.count(["still here"]) == [2]
            assert not second.done()
            assert await second == SAID  # whoever does not come keeps nobody waiting for ever

    play(scenario())


def test_waiting_for_memory_ends_with_a_reason(tmp_path: Path) -> None:
    world = World(tmp_path, "a", "b")
    one, other = world.role("mara", "a"), world.role("tobin", "b")

    async def scenario() -> None:
        async with world.pool(3) as pool:
            world.works.gate = asyncio.Event()
            first = asyncio.create_task(turn(pool, one))
            await until(lambda: any(engine.inside for engine in world.works.up))
            problem = await failure(pool, other)
            assert problem.code == "overloaded"
            assert "models/b needs 2." in str(problem) or "no memory within 60 s" in str(problem)
            world.works.gate.set()
            assert await first == SAID
            assert await turn(pool, other) == SAID

    play(scenario())


def test_two_rooms_never_wait_for_each_other(tmp_path: Path) -> None:
    world = World(tmp_path, "a", "b")
    one, other = world.role("mara", "a"), world.role("tobin", "b")

    async def room(pool: EnginePool, roles: list[Role]) -> list[str]:
        return [await turn(pool, role) for role in roles]

    async def scenario() -> None:
        async with world.pool(3) as pool:
            pool.sit("inn", [one, other])
            pool.sit("cellar", [other, one])
            said = await asyncio.gather(room(pool, [one, other] * 5), room(pool, [other, one] * 5))
            assert said == [[SAID] * 10] * 2

    play(scenario())


def test_memory_counts_until_close_returns(tmp_path: Path) -> None:
    world = World(tmp_path, "a", "b")
    one, other = world.role("mara", "a"), world.role("tobin", "b")

    async def scenario() -> None:
        async with world.pool(3) as pool:
            await turn(pool, one)
            world.works.slow_end["a"] = 40
            second = asyncio.create_task(turn(pool, other))
            await asyncio.sleep(39)
            assert (pool.taken > 0, world.works.up) == (True, [])
            assert await second == SAID

    play(scenario())


def test_an_engine_that_wont_end_keeps_its_memory(tmp_path: Path) -> None:
    world = World(tmp_path, "a", "b")
    one, other = world.role("mara", "a"), world.role("tobin", "b")

    async def scenario() -> None:
        async with world.pool(3, limits=Limits(room=5)) as pool:
            await turn(pool, one)
            world.works.fail_end["a"] = 1
            assert (await failure(pool, other)).code == "overloaded"
            await asyncio.sleep(10)
            assert await turn(pool, other) == SAID

    play(scenario())


def test_engines_on_a_gpu_start_one_after_another(tmp_path: Path) -> None:
    world = World(tmp_path, "a", "b")
    roles = [world.role("mara", "a"), world.role("tobin", "b")]
    world.works.slow |= {"a": 30, "b": 30}

    async def scenario() -> None:
        async with world.pool(8) as pool:
            pool.sit("inn", roles)
            starting = [asyncio.create_task(turn(pool, role)) for role in roles]
            await asyncio.sleep(29)
            assert [engine.starts for engine in world.works.made] == [1, 0]
            assert await asyncio.gather(*starting) == [SAID, SAID]

    play(scenario())


# --- ahead ------------------------------------------------------------------------------------------------------------


def test_likely_speakers_start_ahead(tmp_path: Path) -> None:
    world = World(tmp_path, "a", "b")
    roles = [world.role("mara", "a"), world.role("tobin", "b")]

    async def scenario() -> None:
        async with world.pool(8) as pool:
            pool.sit("inn", roles)
            assert [await pool.ahead(role) for role in roles] == [True, True]
            assert {engine.name for engine in world.works.up} == {"a", "b"}

    play(scenario())


def test_starting_ahead_stops_nobody(tmp_path: Path) -> None:
    world = World(tmp_path, "a", "b")
    one, other = world.role("mara", "a"), world.role("tobin", "b")

    async def scenario() -> None:
        async with world.pool(3) as pool:
            pool.sit("inn", [one, other])
            await turn(pool, other)
            assert [await pool.ahead(role) for role in (one, other)] == [False, True]
            assert [engine.name for engine in world.works.up] == ["b"]

    play(scenario())


def test_starting_ahead_lets_others_start_first(tmp_path: Path) -> None:
    world = World(tmp_path, "a", "b")
    one, other = world.role("mara", "a"), world.role("tobin", "b")
    world.works.slow["a"] = 30

    async def scenario() -> None:
        async with world.pool(8) as pool:
            pool.sit("inn", [one, other])
            first = asyncio.create_task(turn(pool, one))
            await until(lambda: any(engine.starts for engine in world.works.made))
            assert await pool.ahead(other)
            assert (await first, world.kinds()) == (SAID, ["turbomind"] * 2)

    play(scenario())


def test_warming_keeps_no_memory_from_a_turn(tmp_path: Path) -> None:
    world = World(tmp_path, "a", "b")
    one, other = world.role("mara", "a"), world.role("tobin", "b")

    async def scenario() -> None:
        async with world.pool(3) as pool:
            engine, _ = await pool.start(one)
            await engine.warm(PROMPT)
            began = asyncio.get_running_loop().time()
            assert await asyncio.create_task(turn(pool, other)) == SAID
            assert asyncio.get_running_loop().time() - began < 1

    play(scenario())


def test_an_empty_room_leaves_its_engine_until_needed(tmp_path: Path) -> None:
    world = World(tmp_path, "a", "b", "c")
    roles = [world.role(id_, model) for id_, model in (("mara", "a"), ("tobin", "b"), ("ilse", "c"))]

    async def scenario() -> None:
        async with world.pool(5) as pool:
            pool.sit("inn", roles[:1])
            pool.sit("cellar", roles[1:])
            await turn(pool, roles[1])
            await turn(pool, roles[0])
            pool.leave("inn")
            await turn(pool, roles[1])
            assert {engine.name for engine in world.works.up} == {"a", "b"}
            await turn(pool, roles[2])
            assert {engine.name for engine in world.works.up} == {"b", "c"}

    play(scenario())


def test_who_spoke_before_a_restart_starts_first(tmp_path: Path) -> None:
    world = World(tmp_path, "a", "b")
    roles = [world.role("mara", "a"), world.role("tobin", "b")]

    async def scenario() -> None:
        async with world.pool(3) as pool:
            pool.sit("inn", roles, spoken=["mara", "tobin"])
            assert [await pool.ahead(role) for role in roles] == [False, True]

    play(scenario())


# --- who asks without a turn ------------------------------------------------------------------------------------------


def test_a_question_starts_and_stops_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, "a", "b")
    one, other = world.role("mara", "a"), world.role("tobin", "b")

    async def scenario() -> None:
        async with world.pool(3) as pool:
            pool.sit("inn", [one, other])
            assert await pool.running(one) is None
            await turn(pool, one)
            asked = await pool.running(one)
            assert asked is not None
            assert await asked[0].score(PROMPT, ["Mara:"]) == [0]
            await asked[0].close()
            assert ([engine.name for engine in world.works.up], await pool.running(other)) == (["a"], None)
            await turn(pool, other)
            with pytest.raises(EngineError, match="isn't running"):
                await asked[0].score(PROMPT, ["Mara:"])
            assert [engine.name for engine in world.works.up] == ["b"]

    play(scenario())


def test_a_question_waits_for_an_engine_that_loads(tmp_path: Path) -> None:
    world = World(tmp_path, "a")
    role = world.role("mara", "a")
    world.works.slow["a"] = 30

    async def scenario() -> None:
        async with world.pool(8) as pool:
            first = asyncio.create_task(turn(pool, role))
            await until(lambda: bool(world.works.made) and world.works.made[0].starts == 1)
            asked = await pool.running(role)
            assert asked is not None
            assert await asked[0].count(["a line"]) == [2]
            assert await first == SAID

    play(scenario())


# --- changes and faults -----------------------------------------------------------------------------------------------


def test_loading_goes_on_without_who_asked(tmp_path: Path) -> None:
    world = World(tmp_path, "a")
    role = world.role("mara", "a")
    world.works.slow["a"] = 100

    async def scenario() -> None:
        async with world.pool(8) as pool:
            asked = asyncio.create_task(turn(pool, role))
            await until(lambda: bool(world.works.made) and world.works.made[0].starts == 1)
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
            assert await turn(pool, role) == SAID
            assert world.works.made[0].starts == 1

    play(scenario())


def test_nobody_is_stopped_for_a_cancelled_turn(tmp_path: Path) -> None:
    world = World(tmp_path, "a", "b")
    one, other = world.role("mara", "a"), world.role("tobin", "b")

    async def scenario() -> None:
        async with world.pool(3) as pool:
            world.works.gate = asyncio.Event()
            first = asyncio.create_task(turn(pool, one))
            await until(lambda: any(engine.inside for engine in world.works.up))
            second = asyncio.create_task(turn(pool, other))
            await asyncio.sleep(1)
            second.cancel()
            await asyncio.gather(second, return_exceptions=True)
            world.works.gate.set()
            await first
            await asyncio.sleep(100)
            assert [engine.name for engine in world.works.up] == ["a"]

    play(scenario())


def test_changed_weights_get_a_new_engine(tmp_path: Path) -> None:
    world = World(tmp_path, "a", "b")
    role = world.role("mara", "a")

    async def scenario() -> None:
        async with world.pool(8) as pool:
            world.works.gate = asyncio.Event()
            first = asyncio.create_task(turn(pool, role))
            await until(lambda: any(engine.inside for engine in world.works.up))
            edited = world.role("mara", "b")
            await pool.start(edited)
            assert [engine.name for engine in world.works.up] == ["a", "b"]
            world.works.gate.set()
            assert await first == SAID
            await until(lambda: [engine.name for engine in world.works.up] == ["b"])

    play(scenario())


def test_an_edited_persona_keeps_its_engine(tmp_path: Path) -> None:
    world = World(tmp_path, "a")
    role = world.role("mara", "a")

    async def scenario() -> None:
        async with world.pool(8) as pool:
            await turn(pool, role)
            (role.folder / "persona.md").write_text("Somebody else altogether.")
            edited = world.role("mara")
            assert edited.fingerprint != role.fingerprint
            await turn(pool, edited)
            assert [engine.starts for engine in world.works.made] == [1]

    play(scenario())


def test_own_weights_written_anew_are_loaded(tmp_path: Path) -> None:
    world = World(tmp_path, "a", "b")
    lines = 'name = "Mara"\n[model]\nweights = "models/b"\n'
    world.role("mara", "a")
    (tmp_path / "roles" / "mara" / "role.toml").write_text(lines)
    role = world.role("mara")

    async def scenario() -> None:
        async with world.pool(8) as pool:
            await turn(pool, role)
            os.utime(tmp_path / "models" / "b" / "model.safetensors", (1, 1))
            await turn(pool, role)
            assert [engine.starts for engine in world.works.made] == [1, 1]

    play(scenario())


def test_a_crashed_engine_starts_anew(tmp_path: Path) -> None:
    world = World(tmp_path, "a")
    role = world.role("mara", "a")

    async def scenario() -> None:
        async with world.pool(8) as pool:
            await turn(pool, role)
            world.works.up[0].crash()
            assert await turn(pool, role) == SAID
            assert world.works.up[0].starts == 2

    play(scenario())


def test_a_lost_engine_waits_for_one_that_loads(tmp_path: Path) -> None:
    world = World(tmp_path, "a", "b")
    one, other = world.role("mara", "a"), world.role("tobin", "b")
    world.works.slow["b"] = 30

    async def scenario() -> None:
        async with world.pool(8) as pool:
            pool.sit("inn", [one, other])
            await turn(pool, one)
            (lost,) = world.works.up
            lost.crash()
            second = asyncio.create_task(turn(pool, other))
            await until(lambda: world.works.made[-1].starts == 1 and world.works.made[-1] is not lost)
            first = asyncio.create_task(turn(pool, one))
            await asyncio.sleep(29)
            assert lost.starts == 1
            assert (await asyncio.gather(first, second), lost.starts) == ([SAID] * 2, 2)

    play(scenario())


def test_an_engine_that_runs_waits_for_none(tmp_path: Path) -> None:
    world = World(tmp_path, "a", "b")
    one, other = world.role("mara", "a"), world.role("tobin", "b")
    world.works.slow["b"] = 30

    async def scenario() -> None:
        async with world.pool(8) as pool:
            pool.sit("inn", [one, other])
            await turn(pool, one)
            second = asyncio.create_task(turn(pool, other))
            await asyncio.sleep(1)
            assert await turn(pool, one) == SAID
            assert not second.done()
            assert await second == SAID

    play(scenario())


def test_nothing_loads_while_a_lora_joins(tmp_path: Path) -> None:
    world = World(tmp_path, "a", "b")
    known = [world.with_lora("mara", "a"), world.with_lora("tobin", "a")]
    new, other = world.with_lora("ilse", "a"), world.role("wren", "b")

    async def scenario() -> None:
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

    play(scenario())


def test_a_lost_engine_needs_no_memory_anew(tmp_path: Path) -> None:
    world = World(tmp_path, "a", "b")
    one, other = world.role("mara", "a"), world.role("tobin", "b")

    async def scenario() -> None:
        async with world.pool(3) as pool:
            await pool.start(one)
            waiting = asyncio.create_task(turn(pool, other))
            await asyncio.sleep(1)
            world.works.up[0].crash()
            assert await turn(pool, one) == SAID
            assert not waiting.done()
            assert await waiting == SAID

    play(scenario())


def test_a_failed_start_is_not_tried_at_once(tmp_path: Path) -> None:
    world = World(tmp_path, "a")
    roles = [world.role("mara", "a"), world.role("tobin", "a")]
    world.works.fail["a"] = 1

    async def scenario() -> None:
        async with world.pool(8) as pool:
            assert [str(await failure(pool, role)) for role in roles] == ["its start was told to fail"] * 2
            assert [engine.starts for engine in world.works.made] == [1]
            await asyncio.sleep(10)
            assert await turn(pool, roles[0]) == SAID

    play(scenario())


def test_a_start_that_never_ends_is_given_up(tmp_path: Path) -> None:
    world = World(tmp_path, "a", "b")
    one, other = world.role("mara", "a"), world.role("tobin", "b")
    world.works.slow["a"] = 1e9

    async def scenario() -> None:
        async with world.pool(8) as pool:
            pool.sit("inn", [one, other])
            first = asyncio.create_task(failure(pool, one))
            await until(lambda: any(engine.starts for engine in world.works.made))
            assert (await failure(pool, other)).code == "overloaded"
            assert (await first).code == "timeout"
            assert await turn(pool, other) == SAID

    play(scenario())


def test_a_failed_engine_falls_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    world = World(tmp_path, "a", "b", fallback="models/b")
    role = world.with_lora("mara", "a")
    world.works.fail["a-mara"] = 1

    async def scenario() -> None:
        async with world.pool(8) as pool:
            assert await turn(pool, role) == SAID
            (engine,) = world.works.up
            assert (engine.name, engine.spoken) == ("b", [None])
            await asyncio.sleep(400)
            await turn(pool, role)
            assert "a-mara" in {engine.name for engine in world.works.up}

    play(scenario())
    assert "mara speaks with the fallback models/b: its start was told to fail" in caplog.text


def test_a_failed_fallback_fails_the_turn(tmp_path: Path) -> None:
    world = World(tmp_path, "a", "b", fallback="models/b")
    role = world.role("mara", "a")
    world.works.fail.update(a=1, b=1)

    async def scenario() -> None:
        async with world.pool(8) as pool:
            assert str(await failure(pool, role)) == "its start was told to fail"

    play(scenario())


def test_a_role_too_large_says_so(tmp_path: Path) -> None:
    world = World(tmp_path, "a")
    role = world.role("mara", "a")

    async def scenario() -> None:
        async with world.pool(1) as pool:
            problem = await failure(pool, role)
            assert problem.code == "bad_base"
            assert str(problem).startswith("Mara can't speak: too large: 2.")

    play(scenario())


def test_what_cant_be_measured_is_tried(tmp_path: Path) -> None:
    world = World(tmp_path, "a")
    role = world.role("mara", "a")
    (Path(role.base) / "config.json").write_text('{"model_type": "gpt2"}')
    hub = world.role("tobin", "a")
    (hub.folder / "role.toml").write_text('name = "Tobin"\n[model]\nbase = "owner/name"\n')

    async def scenario() -> None:
        async with world.pool(8) as pool:
            for id_ in ("mara", "tobin"):
                assert await turn(pool, world.role(id_)) == SAID
            assert world.kinds() == ["transformers_peft"] * 2

    play(scenario())


def test_a_closed_pool_starts_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, "a")
    role = world.role("mara", "a")

    async def scenario() -> None:
        async with world.pool(8) as pool:
            await pool.close()
            assert (await failure(pool, role)).code == "engine_lost"

    play(scenario())
