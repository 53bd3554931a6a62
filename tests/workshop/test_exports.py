"""Every export is read back: nothing is lost, sides alternate, and LLaMA-Factory would find each file."""

import json
from pathlib import Path
from typing import Any

import pytest

from chatroom.messages import Passage, Recalled
from finetune.dataset.export import INFO, formats, write_exports
from finetune.dataset.files import About, Dataset
from finetune.dataset.moment import Moment
from finetune.dialogue import Line

ANN, BEN, OWN = Line(name="Ann", text="在吗？"), Line(name="", text="Rain.\nThunder."), Line(name="Mara", text="在。")
MOMENTS = [
    Moment(premise="A storm.", heard=(ANN, BEN, OWN, ANN), name="Mara", persona="Mara is Mara.", reply="坐下。"),
    Moment(premise="A storm.", heard=(OWN, ANN), name="Mara", reply='She said "no".'),
    Moment(premise="A storm.", heard=(), name="Mara", reply="The lamp is lit."),
    Moment(heard=(ANN, OWN, OWN), name="Mara", reply="Hush."),
    Moment(heard=(ANN,), name="Mara", reply="Yes.", recalled=Recalled(passages=(Passage(id="1", text="Tides."),))),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    dataset = Dataset(About(role="mara", name="Mara", digest=""), MOMENTS, MOMENTS[:1])
    write_exports(tmp_path, dataset, formats())
    return tmp_path


def rows(path: Path) -> list[dict[str, Any]]:
    text = path.read_text("utf-8")
    found = [json.loads(row) for row in text.splitlines()] if path.suffix == ".jsonl" else json.loads(text)
    assert isinstance(found, list)
    return found


def info(folder: Path) -> dict[str, Any]:
    found = json.loads((folder / INFO).read_text("utf-8"))
    assert isinstance(found, dict)
    return found


def test_four_formats_are_known() -> None:
    assert formats() == ["alpaca", "openai", "sharegpt", "xtuner"]


def test_alpaca_has_one_output_a_moment(folder: Path) -> None:
    found = rows(folder / "alpaca_train.json")
    assert [row["output"] for row in found] == [moment.reply for moment in MOMENTS]
    assert found[0]["instruction"] == "Ann: 在吗？\nRain.\nThunder.\nMara: 在。\nAnn: 在吗？"
    assert found[0]["system"] == "Mara is Mara.\n\nA storm."
    assert found[2]["instruction"] == "(The scene opens.)"
    assert "Tides." in found[4]["system"]
    assert all("history" not in row for row in found)


def test_sharegpt_alternates_strictly(folder: Path) -> None:
    found = rows(folder / "sharegpt_train.json")
    for row, moment in zip(found, MOMENTS, strict=True):
        sides = [turn["from"] for turn in row["conversations"]]
        assert sides == ["human", "gpt"] * (len(sides) // 2)
        assert all(turn["value"] for turn in row["conversations"])
        assert row["conversations"][-1]["value"] == moment.reply
    assert [turn["value"] for turn in found[0]["conversations"]][:2] == ["Ann: 在吗？\nRain.\nThunder.", "在。"]


def test_xtuner_learns_the_last_output_only(folder: Path) -> None:
    found = rows(folder / "xtuner_train.json")
    for row, moment in zip(found, MOMENTS, strict=True):
        turns = row["conversation"]
        assert [turn.get("output_with_loss", True) for turn in turns] == [False] * (len(turns) - 1) + [True]
        assert ["system" in turn for turn in turns] == [True] + [False] * (len(turns) - 1)
        assert turns[-1]["output"] == moment.reply


def test_openai_weighs_earlier_turns_nothing(folder: Path) -> None:
    found = rows(folder / "openai_train.jsonl")
    for row, moment in zip(found, MOMENTS, strict=True):
        own = [turn for turn in row["messages"] if turn["role"] == "assistant"]
        assert [turn.get("weight", 1) for turn in own] == [0] * (len(own) - 1) + [1]
        assert own[-1]["content"] == moment.reply
    assert [turn["role"] for turn in found[0]["messages"]] == ["system", "user", "assistant", "user", "assistant"]
    assert found[3]["messages"][0]["role"] == "user"


def test_every_column_is_in_its_file(folder: Path) -> None:
    found = info(folder)
    assert sorted(found) == [f"mara_{name}_{part}" for name in formats()[:3] for part in ("held_out", "train")]
    for entry in found.values():
        row = rows(folder / entry["file_name"])[0]
        assert set(entry["columns"].values()) <= set(row)


def test_every_tag_is_in_its_turns(folder: Path) -> None:
    for entry in info(folder).values():
        if entry["formatting"] == "sharegpt":
            tags = entry["tags"]
            turns = rows(folder / entry["file_name"])[0][entry["columns"]["messages"]]
            sides = {turn[tags["role_tag"]] for turn in turns}
            assert {tags["user_tag"], tags["assistant_tag"]} <= sides
            assert sides <= {tags["user_tag"], tags["assistant_tag"], tags.get("system_tag")}
            assert all(turn[tags["content_tag"]] for turn in turns)
