"""Folders made to harm: each is refused with a fault, none hangs, leads out of its folder or runs anything."""

import json
import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from chatroom.roles import check_role, fingerprint
from tests.folders import ONE_TENSOR, ROLE, make_adapter, make_base, make_world, safetensors


def faults(mara: Path) -> list[str]:
    return [str(fault) for fault in check_role(mara, mara.parent.parent / "models")]


def with_model(mara: Path, line: str) -> Path:
    (mara / "role.toml").write_text(f"{ROLE}[model]\n{line}\n", encoding="utf-8")
    return mara


@pytest.mark.parametrize(
    "path", ["/etc", "../other", "a/../../other", "models/../../other", "~", "..\\other", "link", "."]
)
@pytest.mark.parametrize("key", ["adapter", "weights", "base"])
def test_no_path_leads_out(tmp_path: Path, key: str, path: str) -> None:
    mara = make_world(tmp_path)
    make_base(make_adapter(tmp_path / "other"))
    (mara / "link").symlink_to(tmp_path / "other")
    with_model(mara, f"{key} = {json.dumps(path)}")
    found = faults(mara)
    assert found
    assert all("roles/mara" in fault or "models" in fault for fault in found)


def test_a_link_out_of_models_is_refused(tmp_path: Path) -> None:
    mara = make_world(tmp_path)
    (tmp_path / "models" / "link").symlink_to(make_base(tmp_path / "other"))
    assert any("leads out of models" in fault for fault in faults(with_model(mara, 'base = "models/link"')))


def test_a_linked_file_is_not_read(tmp_path: Path) -> None:
    mara = make_world(tmp_path)
    (tmp_path / "secret").write_text("secret words")
    (mara / "persona.md").unlink()
    (mara / "persona.md").symlink_to(tmp_path / "secret")
    assert faults(mara) == [
        "roles/mara/persona.md: it is a link that leads out of the folder (put the file itself there)"
    ]


def fifo(path: Path) -> None:
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.mkdir()


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


@pytest.mark.parametrize("make", [fifo, folder, device, loop, listening, huge])
@pytest.mark.parametrize("name", ["role.toml", "persona.md", "adapter/adapter_config.json", "models/config.json"])
def test_only_small_regular_files_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, make: Callable[[Path], None]
) -> None:
    mara = make_world(tmp_path)
    make_adapter(mara / "adapter")
    with_model(mara, 'adapter = "adapter"')
    path = tmp_path / "models" / "hearth" / "config.json" if name.startswith("models") else mara / name
    path.unlink()
    monkeypatch.chdir(path.parent)  # a Unix socket's path must be short
    make(Path(path.name))
    assert any(path.name in fault for fault in faults(mara))


def test_a_fifo_anywhere_is_refused(tmp_path: Path) -> None:
    mara = make_world(tmp_path)
    (mara / "wiki").mkdir()
    os.mkfifo(mara / "wiki" / "page.md")
    assert faults(mara) == ["roles/mara/wiki/page.md: it is neither a file nor a folder (take it away)"]


def test_deep_and_crowded_folders_are_refused(tmp_path: Path) -> None:
    mara = make_world(tmp_path)
    mara.joinpath(*["d"] * 12).mkdir(parents=True)
    assert "nested deeper" in faults(mara)[0]
    assert fingerprint(mara) == ""


@pytest.mark.parametrize(
    "toml",
    [
        b"\xff\xfe\x00",
        b"a = " + b"[" * 100_000,
        b"a." * 100_000 + b"a = 1",
        b"n = " + b"9" * 6000,
        b"#" * 300_000,
        b"\0",
    ],
)
def test_a_hostile_toml_is_one_fault(tmp_path: Path, toml: bytes) -> None:
    mara = make_world(tmp_path)
    (mara / "role.toml").write_bytes(toml)
    assert [fault.split(":")[0] for fault in faults(mara)] == ["roles/mara/role.toml"]


@pytest.mark.parametrize("name", ["model.bin", "pytorch_model.pt", "weights.pkl"])
def test_weights_that_run_code_are_refused(tmp_path: Path, name: str) -> None:
    mara = make_world(tmp_path)
    hearth = tmp_path / "models" / "hearth"
    (hearth / "model.safetensors").rename(hearth / name)
    assert [fault for fault in faults(mara) if name in fault and "safetensors" in fault]


@pytest.mark.parametrize("key", ["auto_map", "trust_remote_code"])
@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_remote_code_is_refused(tmp_path: Path, file: str, key: str) -> None:
    mara = make_world(tmp_path)
    path = tmp_path / "models" / "hearth" / file
    path.write_text(json.dumps({"model_type": "llama", key: {"AutoModel": "evil.Model"}}))
    assert [fault.split(":")[:2] for fault in faults(mara)] == [[f"models/hearth/{file}", f" {key}"]]


HEADERS = {
    "empty": b"",
    "short": b"\1\2\3",
    "no header": struct.pack("<Q", 0),
    "endless header": struct.pack("<Q", 1 << 60) + b"{}",
    "no JSON": struct.pack("<Q", 4) + b"\xff{}}",
    "a list": struct.pack("<Q", 2) + b"[]",
    "deep": struct.pack("<Q", 200_006) + b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "overlap": safetensors({"a": ("F32", [2], [0, 8]), "b": ("F32", [2], [4, 12])}, b"\0" * 12),
    "beyond the end": safetensors({"a": ("F32", [4], [0, 16])}, b"\0" * 8),
    "backwards": safetensors({"a": ("F32", [2], [8, 0])}, b"\0" * 8),
    "negative": safetensors({"a": ("F32", [2], [-8, 0])}, b"\0" * 8),
    "wrong size": safetensors({"a": ("F32", [3], [0, 8])}, b"\0" * 8),
    "unknown type": safetensors({"a": ("PICKLE", [8], [0, 8])}, b"\0" * 8),
    "huge shape": safetensors({"a": ("F32", [1 << 62] * 5000, [0, 8])}, b"\0" * 8),
}


@pytest.mark.parametrize("data", HEADERS.values(), ids=HEADERS.keys())
def test_a_broken_safetensors_is_refused(tmp_path: Path, data: bytes) -> None:
    mara = make_world(tmp_path)
    (tmp_path / "models" / "hearth" / "model.safetensors").write_bytes(data)
    assert [fault.split(":")[0] for fault in faults(mara)] == ["models/hearth/model.safetensors"]


@pytest.mark.parametrize(
    "config",
    [
        {"peft_type": "PROMPT_TUNING"},
        {"r": 0},
        {"r": 10**9},
        {"alora_invocation_tokens": []},
        {"alora_invocation_tokens": [-1]},
        {"alora_invocation_tokens": [1], "use_dora": True},
        {"megatron_config": {"a": 1}, "megatron_core": "evil"},
        {"auto_mapping": {"parent_library": "evil.module"}},
    ],
)
def test_a_strange_adapter_is_refused(tmp_path: Path, config: dict[str, object]) -> None:
    mara = make_world(tmp_path)
    make_adapter(mara / "adapter", **config)
    found = faults(with_model(mara, 'adapter = "adapter"'))
    assert [fault.split(":")[0] for fault in found] == ["roles/mara/adapter/adapter_config.json"]


def test_a_usual_adapter_passes(tmp_path: Path) -> None:
    mara = make_world(tmp_path)
    make_adapter(
        mara / "adapter", use_dora=True, auto_mapping={"parent_library": "transformers.models.llama"}, bias="none"
    )
    assert faults(with_model(mara, 'adapter = "adapter"')) == []
    (mara / "adapter" / "adapter_model.safetensors").unlink()
    (mara / "adapter" / "adapter_model.bin").write_bytes(ONE_TENSOR)
    assert "adapter_model.bin could run code" in faults(mara)[0]
