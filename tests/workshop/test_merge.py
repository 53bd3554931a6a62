"""Merging: the same greedy words before and after; an activated LoRA and a foreign base are refused."""

import json
from pathlib import Path

import pytest

from tests.tiny import make_adapter, make_base  # isort: skip  # it sets the number of threads before torch is loaded

from chatroom.role_files import Faults, Folder
from chatroom.weights import check_weights
from finetune.errors import WorkshopError
from finetune.merge import merge
from finetune.training.plan import base_digest


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return make_base(tmp_path / "base", num_hidden_layers=2)


def test_merged_model_speaks_alike(tmp_path: Path, base: Path) -> None:
    make_adapter(tmp_path / "lora", base, activated=False)
    merged = merge(base, tmp_path / "lora", tmp_path / "made/merged")
    assert merged.alike == merged.asked == 5
    assert base_digest(merged.folder) != base_digest(base)


def test_merged_folder_can_be_served(tmp_path: Path, base: Path) -> None:
    make_adapter(tmp_path / "lora", base, activated=False)
    (tmp_path / "lora/provenance.json").write_text('{"made_by": "chatroom", "layout": 1}', "utf-8")
    out = merge(base, tmp_path / "lora", tmp_path / "merged").folder
    faults = Faults()
    check_weights(Folder.at(out, "merged"), faults)
    assert list(faults) == []
    stamp = json.loads((out / "provenance.json").read_text("utf-8"))
    assert stamp["made_by"] == "chatroom"
    assert stamp["merged"]["layout"] == 1


def test_activated_adapter_is_not_merged(tmp_path: Path, base: Path) -> None:
    make_adapter(tmp_path / "alora", base, activated=True)
    with pytest.raises(WorkshopError, match=r"act everywhere.*twin"):
        merge(base, tmp_path / "alora", tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_adapter_of_another_base_is_refused(tmp_path: Path, base: Path) -> None:
    make_adapter(tmp_path / "lora", base, activated=False)
    (tmp_path / "lora/provenance.json").write_text('{"made_by": "chatroom", "base": "00ff"}', "utf-8")
    with pytest.raises(WorkshopError, match="another base"):
        merge(base, tmp_path / "lora", tmp_path / "merged")


def test_adapter_of_other_size_is_refused(tmp_path: Path, base: Path) -> None:
    other = make_base(tmp_path / "other", hidden_size=32, num_hidden_layers=2)
    make_adapter(tmp_path / "lora", other, activated=False)
    with pytest.raises(WorkshopError, match="does not fit"):
        merge(base, tmp_path / "lora", tmp_path / "merged")


def test_folder_with_other_things_stays(tmp_path: Path, base: Path) -> None:
    make_adapter(tmp_path / "lora", base, activated=False)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/letter.txt").write_text("keep", "utf-8")
    for out in (tmp_path / "mine", base, tmp_path):
        with pytest.raises(WorkshopError):
            merge(base, tmp_path / "lora", out)
    assert (tmp_path / "mine/letter.txt").read_text("utf-8") == "keep"


def test_only_an_earlier_merge_is_replaced(tmp_path: Path, base: Path) -> None:
    make_adapter(tmp_path / "lora", base, activated=False)
    other = make_base(tmp_path / "other", seed=3, num_hidden_layers=2)
    before = base_digest(other)
    with pytest.raises(WorkshopError, match="something else"):
        merge(base, tmp_path / "lora", other)
    assert base_digest(other) == before
    once = merge(base, tmp_path / "lora", tmp_path / "merged").folder
    assert merge(base, tmp_path / "lora", once).folder == once


def test_missing_adapter_is_said(tmp_path: Path, base: Path) -> None:
    with pytest.raises(WorkshopError, match="no adapter"):
        merge(base, tmp_path / "nothing", tmp_path / "merged")
