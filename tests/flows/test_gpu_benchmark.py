"""The benchmark for the day of a GPU runs to its end without one, and loses nothing where a part fails."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from benchmarks import gpu_lmdeploy
from benchmarks.gpu import report
from benchmarks.gpu.bench import Bench
from benchmarks.gpu.rows import Part, Row
from benchmarks.gpu.stand_in import small, with_stand_in

ROOT = Path(__file__).parents[2]


class Figure(Row, frozen=True, kw_only=True):
    way: str
    tokens_per_second: float


@pytest.fixture(autouse=True)
def driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The stand-in puts its own driver in front of the path, for this test only."""
    monkeypatch.setenv("PATH", os.environ["PATH"])
    monkeypatch.setenv("CHATROOM_HOME", str(tmp_path / "home"))


def parts(out: Path) -> dict[str, Any]:
    """What was written, by part."""
    return {part["name"]: part for part in json.loads(out.with_suffix(".json").read_bytes())["parts"]}


def test_every_measurement_runs_without_a_gpu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "told" / "figures"
    status = gpu_lmdeploy.main(["--out", str(out), "--stand-in", "--skip", "adapters", "budget", "--commit", "c0ffee"])
    found = parts(out)
    assert {name: part["error"] for name, part in found.items()} == dict.fromkeys(
        ("agreement", "speed", "prefix", "int4"), ""
    )
    assert status == 0
    assert found["agreement"]["rows"][0]["same"] > 0.9  # transformers with itself
    assert [row["streams"] for row in found["speed"]["rows"]] == [1, 4, 1]
    assert {row["cache"]: row["cached"] > 0 for row in found["prefix"]["rows"]} == {"on": True, "off": False}
    page = out.with_suffix(".md").read_text("utf-8")
    assert "c0ffee" in page
    assert "stand-in" in page
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["stand_in"] is True


def test_engines_are_measured_without_a_gpu(tmp_path: Path) -> None:
    out = tmp_path / "figures"
    assert gpu_lmdeploy.main(["--out", str(out), "--stand-in", "--only", "adapters", "budget"]) == 0
    found = parts(out)
    assert [row["way"] for row in found["adapters"]["rows"]] == ["merged, TurboMind", "side by side, PyTorch"]
    turns = found["budget"]["rows"]
    assert [row["role"] for row in turns] == ["ada", "bo", "ada", "cy", "dee", "ada"]
    assert all(0 < row["counted_mb"] <= row["budget_mb"] for row in turns)
    assert turns[2]["cached"] > 0  # ada was not stopped, and finds what she heard


async def measured(tmp_path: Path, seconds: float, **do: Any) -> dict[str, Any]:
    """Parts of a run in which these do something else."""
    bench = small(Bench(base=ROOT / "models/hearth", int4=tmp_path / "int4", command=("none",), folder=tmp_path))
    run = gpu_lmdeploy.Run(with_stand_in(bench))
    run.parts |= {name: ("?", each) for name, each in do.items()}
    out = tmp_path / "figures"
    await gpu_lmdeploy.measure(run, dict.fromkeys(do, seconds), report.begun(bench.base, stand_in=True), out, seconds)
    return parts(out)


async def fine(part: Part) -> None:
    part.rows.append(Figure(way="fine", tokens_per_second=1.5))


async def broken(part: Part) -> None:
    part.rows.append(Figure(way="half", tokens_per_second=0.5))
    raise RuntimeError("out of memory")


async def hung(part: Part) -> None:
    await fine(part)
    await asyncio.Event().wait()


async def test_a_broken_part_leaves_the_others(tmp_path: Path) -> None:
    found = await measured(tmp_path, 60, agreement=fine, speed=broken, prefix=fine)
    assert [part["error"] for part in found.values()] == ["", "RuntimeError: out of memory", ""]
    assert [row["way"] for part in found.values() for row in part["rows"]] == ["fine", "half", "fine"]
    assert "out of memory" in (tmp_path / "figures.md").read_text("utf-8")
    assert "Traceback" in (tmp_path / "figures.speed.log").read_text("utf-8")


async def test_a_part_that_hangs_is_ended(tmp_path: Path) -> None:
    found = await measured(tmp_path, 0.2, agreement=hung, speed=fine)
    assert "took more than" in found["agreement"]["error"]
    assert found["agreement"]["rows"] == [{"way": "fine", "tokens_per_second": 1.5}]


def test_a_missing_model_is_told_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        gpu_lmdeploy.main(["--out", str(tmp_path / "out"), "--stand-in", "--int4", str(tmp_path / "none")])
    assert "config.json" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
