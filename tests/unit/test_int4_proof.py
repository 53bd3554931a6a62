"""The proof of int4 weights: it holds for the very weights that they were made from, wherever these lie."""

import json
from pathlib import Path

import pytest

from chatroom.errors import FolderError
from chatroom.int4_proof import PROOF, place, proven, read_proof, source_digest
from tests.folders import make_base


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return make_base(tmp_path / "models/hearth")


def prove(folder: Path, **proof: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PROOF).write_text(json.dumps(proof))
    return folder


def test_passed_proof_names_its_method(tmp_path: Path, base: Path) -> None:
    made = prove(tmp_path / "int4", passed=True, method="compressed-tensors", source=source_digest(base))
    assert proven(made, "int4/models/hearth", base) == "compressed-tensors"


def test_failed_proof_counts_as_none(tmp_path: Path, base: Path) -> None:
    made = prove(tmp_path / "int4", passed=False, method="compressed-tensors", source=source_digest(base))
    assert proven(made, "int4/models/hearth", base) == ""


def test_changed_weights_end_the_proof(tmp_path: Path, base: Path) -> None:
    made = prove(tmp_path / "int4", passed=True, method="awq", source=source_digest(base))
    weights = bytearray((base / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (base / "model.safetensors").write_bytes(weights)
    assert proven(made, "int4/models/hearth", base) == ""


def test_changed_config_ends_the_proof(tmp_path: Path, base: Path) -> None:
    made = prove(tmp_path / "int4", passed=True, method="awq", source=source_digest(base))
    make_base(base, hidden_size=8)
    assert proven(made, "int4/models/hearth", base) == ""


def test_proof_without_source_counts_as_none(tmp_path: Path, base: Path) -> None:
    made = prove(tmp_path / "int4", passed=True, method="awq")
    assert proven(made, "int4/models/hearth", base) == ""
    assert proven(made, "int4/models/hearth", tmp_path / "gone") == ""


def test_copied_weights_have_one_digest(tmp_path: Path, base: Path) -> None:
    assert source_digest(base) == source_digest(make_base(tmp_path / "elsewhere"))
    assert source_digest(base) != source_digest(base, base)
    assert len(source_digest(base)) == 24


def test_weights_that_are_gone_have_no_digest(tmp_path: Path, base: Path) -> None:
    assert source_digest(tmp_path / "gone") == source_digest() == source_digest(base, tmp_path / "gone") == ""


def test_damaged_proof_is_named(tmp_path: Path) -> None:
    (tmp_path / PROOF).write_text('{"passed": "perhaps"}')
    with pytest.raises(FolderError, match=r"int4/models/hearth/gate\.json.*quantize it again"):
        read_proof(tmp_path, "int4/models/hearth")


def test_folder_without_proof_is_unproven(tmp_path: Path) -> None:
    assert read_proof(tmp_path, "int4/models/hearth") is None
    assert proven(tmp_path / "gone", "int4/models/hearth") == ""


def test_proofs_of_both_engines_lie_apart(tmp_path: Path) -> None:
    assert place(tmp_path, "models/hearth") == tmp_path / "int4/models/hearth"
    assert place(tmp_path, "models/hearth", embedded=True) == tmp_path / "int4/embedded/models/hearth"
