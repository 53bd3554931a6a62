"""`engines plan` as a user types it: roles and rooms as folders, weights of real sizes with a hole for data.

Only headers are read, so a file of 15 GB that takes no room on the disk is as good as a real one.
"""

import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chatroom.int4_proof import source_digest
from commands.base import main
from tests.folders import make_adapter, make_role

ROOT = Path(__file__).parents[2]
CONFIGS = {
    "small": {"hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24, "num_attention_heads": 14},
    "large": {"hidden_size": 3584, "intermediate_size": 18_944, "num_hidden_layers": 28, "num_attention_heads": 28},
}
KV_HEADS, HEAD, VOCABULARY = {"small": 2, "large": 4}, {"small": 64, "large": 128}, {"small": 151_936, "large": 152_064}
ALORA = "[model]\nbase = 'models/{base}'\nadapter = 'adapter'\n"


def weigh(path: Path, shapes: dict[str, list[int]]) -> None:
    """Writes a safetensors file that has a header and a hole."""
    header, end = {}, 0
    for name, shape in shapes.items():
        size = 2 * shape[0] * (shape[1] if len(shape) > 1 else 1)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)


def make_model(folder: Path, name: str, **more: Any) -> Path:
    """A Qwen2.5 of a real shape."""
    folder.mkdir(parents=True)
    config = {**CONFIGS[name], "num_key_value_heads": KV_HEADS[name], "max_position_embeddings": 32_768, **more}
    arch = {"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"]}
    (folder / "config.json").write_text(json.dumps({**arch, **config}))
    (folder / "tokenizer.json").write_text("{}")
    hidden, inner = CONFIGS[name]["hidden_size"], CONFIGS[name]["intermediate_size"]
    shapes = {"model.embed_tokens.weight": [VOCABULARY[name], hidden], "model.norm.weight": [hidden]}
    shapes |= {"lm_head.weight": [VOCABULARY[name], hidden]} if name == "large" else {}
    for at in range(CONFIGS[name]["num_hidden_layers"]):
        part, narrow = f"model.layers.{at}", KV_HEADS[name] * HEAD[name]
        shapes |= {f"{part}.self_attn.{each}_proj.weight": [hidden, hidden] for each in "qo"}
        shapes |= {f"{part}.self_attn.{each}_proj.weight": [narrow, hidden] for each in "kv"}
        shapes |= {f"{part}.self_attn.{each}_proj.bias": [narrow] for each in "kv"}
        shapes |= {f"{part}.self_attn.q_proj.bias": [hidden]}
        shapes |= {f"{part}.mlp.{each}_proj.weight": [inner, hidden] for each in ("gate", "up")}
        shapes |= {f"{part}.mlp.down_proj.weight": [hidden, inner]}
        shapes |= {f"{part}.{each}_layernorm.weight": [hidden] for each in ("input", "post_attention")}
    weigh(folder / "model.safetensors", shapes)
    return folder


def make_tiny(folder: Path) -> Path:
    """A Qwen2 of a few kilobytes, for what reads all of a model."""
    folder.mkdir(parents=True)
    sizes = {"hidden_size": 128, "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 2048}
    (folder / "config.json").write_text(
        json.dumps({"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"], "intermediate_size": 256, **sizes})
    )
    (folder / "tokenizer.json").write_text("{}")
    weigh(folder / "model.safetensors", {"model.embed_tokens.weight": [512, 128], "model.mlp.up.weight": [256, 128]})
    return folder


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two bases of real sizes; mara and tobin on the small one, ilse with an activated LoRA, all in one room."""
    for key in [key for key in os.environ if key.startswith("CHATROOM_")]:
        monkeypatch.delenv(key)
    for name in ("home", "roles", "rooms", "models"):
        monkeypatch.setenv(f"CHATROOM_{name.upper()}", str(tmp_path / name))
    monkeypatch.chdir(tmp_path)
    make_model(tmp_path / "models" / "small", "small")
    make_model(tmp_path / "models" / "large", "large")
    roles = tmp_path / "roles"
    for id_ in ("mara", "tobin"):
        make_role(roles / id_, f'name = "{id_.title()}"\n[model]\nbase = "models/small"\n')
    make_role(roles / "ilse", 'name = "Ilse"\n' + ALORA.format(base="large"))
    make_adapter(roles / "ilse" / "adapter", alora_invocation_tokens=[7], target_modules=["q_proj"])
    (tmp_path / "rooms").mkdir()
    seat(tmp_path, "inn", "mara", "tobin", "ilse")
    return tmp_path


def seat(world: Path, room: str, *ids: str) -> None:
    (world / "rooms" / f"{room}.toml").write_text(f"roles = {json.dumps(ids)}\n")


def planned(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = main(["engines", "plan", *words])
    said = capsys.readouterr()
    return status, said.out, said.err


def told(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """The plan as JSON: role → its row, and under "" the whole."""
    found = json.loads(planned(capsys, *words, "--json")[1])
    return {"": found, **{row["role"]: row for row in found["plan"]["rows"]}}


def test_a_plan_is_printed_as_a_table(world: Path) -> None:
    command = [sys.executable, str(ROOT / "launch.py"), "engines", "plan", "--memory", "24GiB"]
    done = subprocess.run(command, cwd=world, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split("  ") for line in done.stdout.splitlines()]
    rows = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    head = [
        "ROLE",
        "ENGINE",
        "SHARES WITH",
        "HOLDS",
        "PRECISION",
        "WEIGHTS",
        "OVERHEAD",
        "KV",
        "DECODING",
        "CACHE SHARE",
    ]
    assert rows[0] == [*head, "STATE", "REASON"]
    assert rows[1][:5] == ["mara", "turbomind", "tobin", "models/small", "16 bit"]
    assert rows[1][5:11] == ["1.17 GiB", "1.00 GiB", "96.8 MiB", "-", "0.004231", "runs"]
    assert rows[2][:6] == ["tobin", "turbomind", "mara", "models/small", "16 bit", '"']
    assert rows[3][:5] == ["ilse", "transformers_peft", "-", "models/large", "16 bit"]
    assert rows[3][5:8] == ["14.19 GiB", "1.00 GiB", "0.44 GiB"]
    assert "2 engines run: 2.27 GiB + 15.62 GiB = 17.89 GiB of 24.00 GiB; 6.11 GiB are left" in done.stdout


def test_json_has_every_number_in_bytes(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, "--memory", "24GiB")[""]
    engines = found["plan"]["engines"]
    assert engines[0]["weight_bytes"] == 2 * (494_032_768 + 151_936 * 896)
    assert engines[0]["weights"] == str(world / "models" / "small")
    assert found["used"] + found["left"] == found["plan"]["budget"] == 24 << 30
    assert found["used"] == sum(each["weight_bytes"] + each["overhead"] + each["cache"] for each in engines)


def test_the_room_that_is_meant_speaks_last(
    world: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seat(world, "attic", "ilse")
    assert [told(capsys, "--memory", "16GiB")[id_]["state"] for id_ in ("ilse", "mara")] == ["runs", "stopped"]
    monkeypatch.setenv("CHATROOM_ROOM", "inn")
    assert [told(capsys, "--memory", "16GiB")[id_]["state"] for id_ in ("ilse", "mara")] == ["stopped", "runs"]


def test_int4_that_passed_the_gate_is_used(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base, proof = make_tiny(world / "models" / "tiny"), world / "home" / "int4" / "models" / "tiny" / "gate.json"
    make_role(world / "roles" / "mara", 'name = "Mara"\n[model]\nbase = "models/tiny"\nquantization = "int4"\n')
    seat(world, "inn", "mara")
    proof.parent.mkdir(parents=True)

    def precision(passed: bool) -> str:
        source = source_digest(base)
        proof.write_text(json.dumps({"passed": passed, "method": "awq", "source": source}))
        return str(told(capsys, "--memory", "8GiB")[""]["plan"]["engines"][0]["precision"])

    assert (precision(False), precision(True)) == ("16 bit", "int4")
    (base / "config.json").write_text((base / "config.json").read_text() + "\n")
    assert told(capsys, "--memory", "8GiB")[""]["plan"]["engines"][0]["precision"] == "16 bit"


def test_a_role_falls_back_to_a_smaller_base(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = planned(capsys, "--memory", "8GiB", "--fallback", "models/small")
    assert (status, "speaks with its fallback models/small: its own is too large: 15.62 GiB" in out) == (0, True)
    status, out, _ = planned(capsys, "--memory", "8GiB")
    assert (status, "15.62 GiB" in out, "refused" in out) == (1, True, True)


def test_without_a_gpu_nothing_leaves_the_embedded_engine(
    world: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHATROOM_DEVICE", "cpu")
    seat(world, "inn", "mara", "tobin")
    found = told(capsys)
    assert {engine["engine"] for engine in found[""]["plan"]["engines"]} == {"transformers_peft"}
    assert found["mara"]["reason"].startswith("no GPU: all roles stay on the embedded engine")
    assert found[""]["plan"]["budget"] > 0


def test_weights_that_are_stored_packed_keep_their_size(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    awq = {"quant_method": "awq", "bits": 4, "group_size": 128, "version": "gemm"}
    make_model(world / "models" / "packed", "small", quantization_config=awq)
    make_role(world / "roles" / "mara", 'name = "Mara"\n[model]\nbase = "models/packed"\nquantization = "int4"\n')
    make_role(world / "roles" / "tobin", 'name = "Tobin"\n' + ALORA.format(base="packed"))
    make_adapter(world / "roles" / "tobin" / "adapter", alora_invocation_tokens=[7])
    seat(world, "inn", "mara", "tobin")
    found = told(capsys, "--memory", "8GiB")
    (engine,) = found[""]["plan"]["engines"]
    assert (engine["engine"], engine["precision"], engine["roles"]) == ("turbomind", "awq", ["mara"])
    assert found["tobin"]["reason"] == "its weights are stored as awq, which transformers_peft does not read"


def test_a_broken_proof_or_adapter_is_named(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    proof = world / "home" / "int4" / "models" / "small" / "gate.json"
    proof.parent.mkdir(parents=True)
    proof.write_text('{"passed": "yes"}')
    make_adapter(world / "roles" / "ilse" / "adapter", alora_invocation_tokens=[7], bias=3)
    status, _, err = planned(capsys, "--memory", "24GiB")
    assert (status, "int4/models/small/gate.json: it can't be read" in err) == (1, True)
    assert "roles/ilse/adapter/adapter_config.json: it can't be read" in err


def test_a_server_elsewhere_takes_no_memory(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toml = 'name = "Mara"\n[model]\nbase = "owner/anything"\nengine = "openai_api"\naddress = "http://127.0.0.1:9/v1"\n'
    make_role(world / "roles" / "mara", toml)
    seat(world, "inn", "mara")
    found = told(capsys, "--memory", "8GiB")
    assert (found["mara"]["state"], found[""]["used"]) == ("elsewhere", 0)


def test_an_engine_of_the_settings_is_kept(
    world: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHATROOM_ENGINE", "transformers_peft")
    engines = told(capsys, "--memory", "80GiB")[""]["plan"]["engines"]
    assert {engine["engine"] for engine in engines} == {"transformers_peft"}


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"num_hidden_layers": None}, "models/broken/config.json: num_hidden_layers: it is not there"),
        ({"max_position_embeddings": 0}, "models/broken/config.json: max_position_embeddings: it is 0"),
        ({"num_key_value_heads": -3}, "models/broken/config.json: num_key_value_heads: it is -3"),
        ({"head_dim": 10**12}, "models/broken/config.json: head_dim: it is 1000000000000"),
        ({"num_attention_heads": "many"}, "models/broken/config.json: it can't be read"),
        ({"text_config": {"num_hidden_layers": []}}, "models/broken/config.json: text_config:"),
    ],
)
def test_a_config_without_numbers_is_named(
    world: Path, capsys: pytest.CaptureFixture[str], config: dict[str, Any], said: str
) -> None:
    make_model(world / "models" / "broken", "small", **config)
    make_role(world / "roles" / "mara", 'name = "Mara"\n[model]\nbase = "models/broken"\n')
    status, out, err = planned(capsys, "--memory", "24GiB")
    assert (status, said in err, "tobin" in out) == (1, True, True)


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ('[model]\nbase = "owner/model"\n', "roles/mara/role.toml: model.base: 'owner/model' is no folder"),
        (
            '[model]\nbase = "models/small"\nengine = "turbomin"\n',
            "model.engine: there is no engine 'turbomin' (did you",
        ),
        ('[model]\nbase = "models/smal"\n', "roles/mara/role.toml: model.base"),
    ],
)
def test_a_role_that_cannot_be_measured_is_named(
    world: Path, capsys: pytest.CaptureFixture[str], toml: str, said: str
) -> None:
    make_role(world / "roles" / "mara", f'name = "Mara"\n{toml}')
    status, out, err = planned(capsys, "--memory", "24GiB")
    assert (status, said in err, "Traceback" in err, "tobin" in out) == (1, True, False, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--memory", "lots"], "--memory: expected a size such as 1GiB"),
        (["--memory", "0"], "--memory: expected a size such as 24GiB"),
        (["--memory", "8GiB", "--fallback", "models/none"], "--fallback models/none: there is no such base"),
        (["--memory", "8GiB", "--fallback", "models/../home"], "name one as models/NAME"),
    ],
)
def test_a_wrong_plan_says_why(world: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    status, _, err = planned(capsys, *words)
    assert (status, said in err) == (1, True)


def test_no_room_is_no_plan(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (world / "rooms" / "inn.toml").unlink()
    status, _, err = planned(capsys, "--memory", "8GiB")
    assert (status, "there is no room" in err) == (1, True)


def test_a_room_that_cannot_be_read_is_named(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (world / "rooms" / "broken.toml").write_text("roles = [")
    status, out, err = planned(capsys, "--memory", "24GiB")
    assert (status, "rooms/broken.toml" in err, "mara" in out) == (1, True, True)


def test_an_adapter_that_pytorch_would_get_wrong_is_merged(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for id_, rank in (("mara", 24), ("tobin", 16), ("ilse", 32)):
        make_role(world / "roles" / id_, f'name = "{id_.title()}"\n' + ALORA.format(base="small"))
        make_adapter(world / "roles" / id_ / "adapter", r=rank, target_modules=["q_proj"], alora_invocation_tokens=None)
    found = told(capsys, "--memory", "24GiB")
    assert "its rank 24 is no power of two" in found["mara"]["reason"]
    assert [engine["engine"] for engine in found[""]["plan"]["engines"]] == ["turbomind", "lmdeploy_lora"]
    assert found["tobin"]["at"] == found["ilse"]["at"]
