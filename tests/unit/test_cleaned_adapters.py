"""Copies of adapters for LMDeploy's PEFT: what is in them, what is refused and why, and that they never change."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from chatroom.engines._adapter_rules import AdapterConfig, misfits, misread
from chatroom.engines.lmdeploy_lora.cleaning import cleaned
from chatroom.engines.lmdeploy_lora.roster import MOST, Roster
from chatroom.errors import EngineError
from chatroom.folder_cache import FolderCache
from chatroom.messages import Adapter
from tests.folders import make_adapter, safetensors
from tests.stand_in.lmdeploy_adapters import KNOWN, load

NEWER = {
    "peft_version": "0.21.2",
    "alora_invocation_tokens": None,
    "arrow_config": None,
    "ensure_weight_tying": False,
    "target_parameters": None,
    "auto_mapping": None,
    "base_model_name_or_path": "/home/somebody/models/base",
}


def adapter(folder: Path, **config: Any) -> Adapter:
    given = {"r": 8, "lora_alpha": 16, "target_modules": ["q_proj", "v_proj"]} | NEWER | config
    make_adapter(folder, blocks=2, **given)
    return Adapter(path=str(folder), fingerprint="1")


@pytest.fixture
def cache(tmp_path: Path) -> FolderCache:
    return FolderCache(tmp_path / "cache", most=8)


def test_copy_is_read_by_older_peft(tmp_path: Path, cache: FolderCache) -> None:
    given = adapter(tmp_path / "roles/mara/adapter")
    with pytest.raises(TypeError, match="'NoneType' object is not iterable"):
        load([f"mara={given.path}"])
    clean = cleaned(given, cache)
    assert load([f"{clean.name}={clean.folder}"]) == [clean.name]


def test_copy_says_what_the_engine_looks_at(tmp_path: Path, cache: FolderCache) -> None:
    clean = cleaned(adapter(tmp_path / "roles/mara/adapter"), cache)
    config = json.loads((clean.folder / "adapter_config.json").read_bytes())
    assert set(config) <= set(KNOWN.split())
    assert (config["peft_type"], config["r"], config["lora_alpha"]) == ("LORA", 8, 16)
    assert config["target_modules"] == ["q_proj", "v_proj"]
    assert "somebody" not in json.dumps(config)


def test_copy_has_the_same_weights(tmp_path: Path, cache: FolderCache) -> None:
    given = adapter(tmp_path / "adapter")
    clean = cleaned(given, cache)
    weights = Path(given.path, "adapter_model.safetensors").read_bytes()
    assert (clean.folder / "adapter_model.safetensors").read_bytes() == weights
    assert clean.size == len(weights)
    assert sorted(os.listdir(clean.folder)) == ["adapter_config.json", "adapter_model.safetensors"]


def test_real_adapter_loads_from_its_copy(tmp_path: Path, cache: FolderCache) -> None:
    from peft import PeftConfig

    from tests.tiny import make_adapter as make_real
    from tests.tiny import make_base

    base = make_base(tmp_path / "base", num_hidden_layers=2)
    clean = cleaned(make_real(tmp_path / "lora", base, activated=False), cache, layers=2)
    ours, theirs = PeftConfig.from_pretrained(str(clean.folder)), PeftConfig.from_pretrained(str(tmp_path / "lora"))
    assert (ours.r, ours.lora_alpha, ours.target_modules) == (theirs.r, theirs.lora_alpha, theirs.target_modules)


def test_copy_is_made_once(tmp_path: Path, cache: FolderCache) -> None:
    first, again = (cleaned(adapter(tmp_path / "adapter"), cache) for _ in range(2))
    assert first == again
    assert [path.name for path in (tmp_path / "cache").iterdir() if path.is_dir()] == [first.folder.name]


def test_training_on_does_not_change_it(tmp_path: Path, cache: FolderCache) -> None:
    given = adapter(tmp_path / "adapter")
    first = cleaned(given, cache)
    before = (first.folder / "adapter_model.safetensors").read_bytes()
    with Path(given.path, "adapter_model.safetensors").open("r+b") as file:
        file.seek(-4, os.SEEK_END)
        file.write(b"\x00\x00\x80?")
    second = cleaned(given, cache)
    assert (first.folder / "adapter_model.safetensors").read_bytes() == before
    assert second.folder != first.folder
    assert second.name != first.name


@pytest.mark.parametrize("role", ["llama2", "base", "hf", "mistral", "../etc", "a=b c", "安吉拉"])
def test_name_is_never_a_chat_template(tmp_path: Path, cache: FolderCache, role: str) -> None:
    name = cleaned(adapter(tmp_path / "roles" / role.replace("/", "_") / "adapter"), cache).name
    assert name.startswith("role_")
    assert name.replace("_", "").replace("-", "").isalnum()
    assert "=" not in name


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"alora_invocation_tokens": [7]}, "activated LoRA"),
        ({"use_dora": True}, "a DoRA"),
        ({"use_rslora": True}, "an rsLoRA"),
        ({"rank_pattern": {"q_proj": 4}}, "layer to layer"),
        ({"alpha_pattern": {"q_proj": 4}}, "layer to layer"),
        ({"bias": "all"}, "more than LoRA"),
        ({"lora_bias": True}, "more than LoRA"),
        ({"modules_to_save": ["lm_head"]}, "more than LoRA"),
        ({"trainable_token_indices": [1]}, "more than LoRA"),
        ({"target_parameters": ["w"]}, "more than LoRA"),
        ({"target_modules": ".*_proj"}, "pattern"),
        ({"target_modules": None}, "pattern"),
        ({"target_modules": []}, "no modules"),
        ({"target_modules": ["q_proj", "lm_head"]}, "lm_head"),
        ({"target_modules": ["embed_tokens"]}, "embed_tokens"),
        ({"layers_to_transform": [0]}, "some blocks"),
        ({"layer_replication": [[0, 2], [1, 2]]}, "some blocks"),
        ({"init_lora_weights": "pissa_niter_4"}, "changes the base"),
        ({"init_lora_weights": "olora"}, "changes the base"),
        ({"fan_in_fan_out": True}, "other way round"),
        ({"use_qalora": True}, "use_qalora"),
        ({"r": 24}, "24 is no power of two"),
        ({"r": 48}, "48 is no power of two"),
    ],
)
def test_what_it_would_get_wrong_is_refused(
    tmp_path: Path, cache: FolderCache, config: dict[str, Any], words: str
) -> None:
    given = adapter(tmp_path / "roles/mara/adapter", **config)
    with pytest.raises(EngineError, match=words) as raised:
        cleaned(given, cache)
    assert raised.value.code == "no_adapter"
    assert "roles/mara/adapter" in str(raised.value)
    assert "; " in str(raised.value)  # and what to do
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("rank", [1, 3, 8, 12, 16, 32, 64, 128])
def test_ranks_that_its_kernel_takes_pass(rank: int) -> None:
    assert misread(AdapterConfig(r=rank, target_modules=["q_proj"])) == ""


PLACE = "base_model.model.model.layers.{}.self_attn.{}.lora_{}.weight"
WHOLE = {PLACE.format(block, "q_proj", half): (4, 2) if half == "A" else (2, 4) for block in range(2) for half in "AB"}


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        ({}, "disagree about q_proj"),
        ({PLACE.format(1, "q_proj", "A"): (4, 2), PLACE.format(1, "q_proj", "B"): (2, 4)}, "1 of 2 blocks"),
        (WHOLE | {PLACE.format(1, "q_proj", "A"): (1, 2)}, r"shape \[1, 2\]"),
        (WHOLE | {PLACE.format(1, "q_proj", "A"): (4,)}, r"shape \[4\]"),
        (WHOLE | {PLACE.format(0, "v_proj", "A"): (4, 2), PLACE.format(0, "v_proj", "B"): (2, 4)}, "v_proj in 1 of 2"),
        (WHOLE | {"base_model.model.lm_head.lora_A.weight": (4, 2)}, "no LoRA matrix"),
        (WHOLE | {PLACE.format(0, "q_proj", "A").replace("weight", "bias"): (4,)}, "no LoRA matrix"),
        (WHOLE | {"base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector": (4,)}, "no LoRA matrix"),
        (WHOLE | {"base_model.model.model.layers.0.mlp.experts.3.up_proj.lora_A.weight": (4, 2)}, "no LoRA matrix"),
    ],
)
def test_weights_with_gaps_are_refused(shapes: dict[str, tuple[int, ...]], words: str) -> None:
    import re

    config = AdapterConfig(r=4, target_modules=["q_proj"])
    assert misfits(config, WHOLE, 2) == ""
    assert re.search(words, misfits(config, shapes, 2))


def test_blocks_of_the_base_are_counted() -> None:
    config = AdapterConfig(r=4, target_modules=["q_proj"])
    assert misfits(config, WHOLE) == ""
    assert "2 of 3 blocks" in misfits(config, WHOLE, 3)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("adapter_config.json", b""),
        ("adapter_config.json", b"[" * 9999),
        ("adapter_config.json", b'{"peft_type": "IA3"}'),
        ("adapter_config.json", b'{"peft_type": "LORA", "r": "x"}'),
        ("adapter_config.json", b'{"peft_type": "LORA", "r": 8, "lora_alpha": "x", "target_modules": ["q_proj"]}'),
        ("adapter_model.safetensors", b""),
        ("adapter_model.safetensors", safetensors({"w": ("F32", [2], [0, 99])}, b"")),
        ("adapter_model.safetensors", None),
        ("adapter_config.json", None),
    ],
)
def test_broken_file_is_named(tmp_path: Path, cache: FolderCache, file: str, content: bytes | None) -> None:
    given = adapter(tmp_path / "adapter")
    if content is None:
        Path(given.path, file).unlink()
    else:
        Path(given.path, file).write_bytes(content)
    with pytest.raises(EngineError, match="adapter") as raised:
        cleaned(given, cache)
    assert raised.value.code == "no_adapter"


def test_link_that_leads_out_is_not_followed(tmp_path: Path, cache: FolderCache) -> None:
    given = adapter(tmp_path / "adapter")
    weights = Path(given.path, "adapter_model.safetensors")
    weights.rename(tmp_path / "elsewhere")
    weights.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EngineError, match="leads out"):
        cleaned(given, cache)


def test_least_asked_adapters_are_left_out(tmp_path: Path, cache: FolderCache) -> None:
    roster = Roster(cache)
    first, *others = [adapter(tmp_path / f"roles/r{number}/adapter", r=number + 1) for number in range(3)]
    roster.note(first)
    assert [each.name[:7] for each in roster.prepared(2)] == ["role_r0"]
    for number in range(MOST):
        roster.note(Adapter(path=f"nowhere/{number}", fingerprint="1"))
    assert roster.loaded(first)  # the server still has it
    for each in others:
        roster.note(each)
    assert [each.name[:7] for each in roster.prepared(2)] == ["role_r0", "role_r1", "role_r2"]
