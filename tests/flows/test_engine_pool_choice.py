"""Which engine the pool gives to whom: shared where it can be, made anew when the weights change.

Memory is never short here; what happens when it is, or when an engine fails, stands in files of its own.
"""

import json
import os
from pathlib import Path

import pytest

from chatroom.engine_pool import base_options, engine_options
from chatroom.int4_proof import place, source_digest
from chatroom.roles import Role
from tests.flows.test_engines_command import make_tiny
from tests.pool_world import SAID, World, played, stage, turn, until

# --- which engine -----------------------------------------------------------------------------------------------------


@played
async def test_roles_without_gpu_share_todays_engine(tmp_path: Path) -> None:
    world = World(tmp_path, "a")
    roles = [world.role("mara", "a"), world.with_lora("ilse", "a", activated=True)]
    async with world.pool(20, gpu=False) as pool:
        lent = [(await pool.start(role))[0] for role in roles]
        assert lent[0] is lent[1]
        assert [await turn(pool, role) for role in roles] == [SAID, SAID]
        (engine,) = world.works.made
        assert (engine.kind, engine.options) == ("transformers_peft", engine_options(world.settings, roles[0]))
        assert engine.spoken == [None, roles[1].adapter]


@played
async def test_roles_on_a_gpu_share_turbomind(tmp_path: Path) -> None:
    world = World(tmp_path, "a")
    roles = [world.role("mara", "a"), world.role("tobin", "a")]
    async with world.pool(8) as pool:
        assert [await turn(pool, role) for role in roles] == [SAID, SAID]
        (engine,) = world.works.up
        assert (engine.kind, engine.starts, engine.options.base) == ("turbomind", 1, roles[0].base)
        assert engine.options.cache_bytes > 0


@played
async def test_a_named_engine_stays(tmp_path: Path) -> None:
    world = World(tmp_path, "a", "b")
    by_role, by_settings = world.role("mara", "a", engine="transformers_peft"), world.role("tobin", "b")
    async with world.pool(8) as pool:
        await turn(pool, by_role)
        await turn(pool, by_settings)
        assert world.kinds() == ["transformers_peft", "turbomind"]


@played
async def test_without_lmdeploy_the_embedded_engine_speaks(tmp_path: Path) -> None:
    async with stage(tmp_path, 8, "a", lmdeploy=("no-such-lmdeploy",)) as (world, pool, [role]):
        await turn(pool, role)
        assert world.kinds() == ["transformers_peft"]


@played
async def test_what_cant_be_measured_is_tried(tmp_path: Path) -> None:
    world = World(tmp_path, "a")
    role = world.role("mara", "a")
    (Path(role.base) / "config.json").write_text('{"model_type": "gpt2"}')
    hub = world.role("tobin", "a")
    (hub.folder / "role.toml").write_text('name = "Tobin"\n[model]\nbase = "owner/name"\n')
    async with world.pool(8) as pool:
        for id_ in ("mara", "tobin"):
            assert await turn(pool, world.role(id_)) == SAID
        assert world.kinds() == ["transformers_peft"] * 2


def test_options_name_the_server_of_the_settings(tmp_path: Path) -> None:
    world = World(tmp_path, remote="http://127.0.0.1:1/v1", remote_key="TAVERN_KEY")
    asked = base_options(world.settings, "x", engine="openai_api")
    assert (asked.address, asked.key) == ("http://127.0.0.1:1/v1", "TAVERN_KEY")
    other = base_options(world.settings, "x", engine="openai_api", address="http://127.0.0.1:2/v1")
    assert (other.address, other.key) == ("http://127.0.0.1:2/v1", "")
    assert base_options(world.settings, "x").address == ""


# --- LoRAs ------------------------------------------------------------------------------------------------------------


@played
async def test_an_activated_lora_stays_embedded(tmp_path: Path) -> None:
    world = World(tmp_path, "a")
    plain, activated = world.role("mara", "a"), world.with_lora("ilse", "a", activated=True)
    async with world.pool(8) as pool:
        await turn(pool, plain)
        await turn(pool, activated)
        assert world.kinds() == ["turbomind", "transformers_peft"]
        assert world.works.up[1].spoken == [activated.adapter]


@played
async def test_a_lone_lora_is_merged_first(tmp_path: Path) -> None:
    world = World(tmp_path, "a")
    role = world.with_lora("mara", "a", activated=True, twin=True)
    async with world.pool(8) as pool:
        assert await turn(pool, role) == SAID
        (engine,) = world.works.up
        assert (engine.kind, engine.name, engine.spoken) == ("turbomind", "a-mara", [None])


def two_loras(home: Path) -> tuple[World, list[Role]]:
    """Two roles with a LoRA each over one model."""
    world = World(home, "a")
    return world, [world.with_lora(id_, "a") for id_ in ("mara", "tobin")]


@played
async def test_many_loras_are_known_ahead(tmp_path: Path) -> None:
    world, roles = two_loras(tmp_path)
    async with world.pool(8) as pool:
        pool.sit("inn", roles)
        assert [await turn(pool, role) for role in roles] == [SAID, SAID]
        (engine,) = world.works.up
        assert (engine.kind, engine.options.base) == ("lmdeploy_lora", roles[0].base)
        assert list(engine.options.adapters) == engine.spoken == [role.adapter for role in roles]


@played
async def test_a_role_stays_where_its_transcript_is(tmp_path: Path) -> None:
    world, (first, second) = two_loras(tmp_path)
    async with world.pool(8) as pool:
        await turn(pool, first)
        (merged,) = world.works.up
        await turn(pool, second)
        assert world.kinds() == ["turbomind", "lmdeploy_lora"]
        await turn(pool, first)
        assert len(merged.spoken) == 2


@played
async def test_no_memory_is_wasted_on_staying(tmp_path: Path) -> None:
    world, (first, second) = two_loras(tmp_path)
    async with world.pool(3.5) as pool:
        await turn(pool, first)
        await turn(pool, second)
        assert await turn(pool, first) == SAID
        assert world.kinds() == ["lmdeploy_lora"]


# --- int4 -------------------------------------------------------------------------------------------------------------


def int4_role(home: Path, *, passed: bool = True, embedded: bool = False) -> tuple[World, Role, Path]:
    """A role that asks for int4, and the folder of its int4 weights with what their gate found."""
    world = World(home)
    make_tiny(home / "models" / "a")
    role = world.role("mara", "a", quantization="int4")
    folder = place(home / "var", "models/a", embedded=embedded)
    folder.mkdir(parents=True)
    method = "embedded" if embedded else "compressed-tensors"
    proof = {"passed": passed, "method": method, "source": source_digest(Path(role.base))}
    (folder / "gate.json").write_text(json.dumps(proof))
    return world, role, folder


@pytest.mark.parametrize("changed", [False, True])
@played
async def test_int4_needs_a_proof_of_these_weights(tmp_path: Path, changed: bool) -> None:
    world, role, folder = int4_role(tmp_path)
    if changed:
        (Path(role.base) / "config.json").write_text((Path(role.base) / "config.json").read_text() + "\n")
    async with world.pool(8) as pool:
        await turn(pool, role)
        (engine,) = world.works.up
        used = (engine.options.base, engine.options.quantization)
        assert used == ((role.base, "none") if changed else (str(folder), "int4"))


@pytest.mark.parametrize("proven", [False, True])
@played
async def test_embedded_int4_needs_its_own_proof(tmp_path: Path, proven: bool) -> None:
    world, role, _ = int4_role(tmp_path, passed=proven, embedded=True)
    async with world.pool(20, gpu=False) as pool:
        await turn(pool, role)
        (engine,) = world.works.up
        assert (engine.options.base, engine.options.quantization) == (role.base, "int4" if proven else "none")


# --- changes ----------------------------------------------------------------------------------------------------------


@played
async def test_changed_weights_get_a_new_engine(tmp_path: Path) -> None:
    world = World(tmp_path, "a", "b")
    role = world.role("mara", "a")
    async with world.pool(8) as pool:
        first, gate = await world.held(pool, role)
        edited = world.role("mara", "b")
        await pool.start(edited)
        assert world.names() == ["a", "b"]
        gate.set()
        assert await first == SAID
        await until(lambda: world.names() == ["b"])


@played
async def test_an_edited_persona_keeps_its_engine(tmp_path: Path) -> None:
    async with stage(tmp_path, 8, "a") as (world, pool, [role]):
        await turn(pool, role)
        (role.folder / "persona.md").write_text("Somebody else altogether.")
        edited = world.role("mara")
        assert edited.fingerprint != role.fingerprint
        await turn(pool, edited)
        assert [engine.starts for engine in world.works.made] == [1]


@played
async def test_own_weights_written_anew_are_loaded(tmp_path: Path) -> None:
    world = World(tmp_path, "a", "b")
    lines = 'name = "Mara"\n[model]\nweights = "models/b"\n'
    world.role("mara", "a")
    (tmp_path / "roles" / "mara" / "role.toml").write_text(lines)
    role = world.role("mara")
    async with world.pool(8) as pool:
        await turn(pool, role)
        os.utime(tmp_path / "models" / "b" / "model.safetensors", (1, 1))
        await turn(pool, role)
        assert [engine.starts for engine in world.works.made] == [1, 1]
