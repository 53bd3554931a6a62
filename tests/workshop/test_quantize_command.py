"""The command that makes int4 weights: what a name means, where the outcome goes, who is refused and why."""

import re
from pathlib import Path

import msgspec
import pytest

from tests.tiny import make_adapter, make_base  # isort: skip  # it sets the number of threads before torch is loaded

from chatroom.int4_proof import place, proven, read_proof, source_digest
from chatroom.roles import read_role
from commands._dataset_build import spec_of
from commands.base import main
from finetune.dialogue import Record
from quantize.calibration.dialogue import of_records
from tests.workshop.taught import make_moments, make_taught

QUICK = ["--method", "rtn", "--group", "32", "--recall", "0", "--calibration", "own", "--ids", "2048"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A role over a base that knows what it is judged by, and over another base one with an adapter of each kind."""
    path = tmp_path_factory.mktemp("world")
    records = [Record(context=list(moment.heard), reply=moment.reply) for moment in make_moments(170)]
    bases = {"mara": "tiny", "lora": "other", "alora": "other"}
    for id_, base in bases.items():
        folder = path / "roles" / id_
        folder.mkdir(parents=True)
        adapter = "" if id_ == "mara" else 'adapter = "adapter"\n'
        (folder / "role.toml").write_text(
            f'name = "{id_.title()}"\n[model]\nbase = "models/{base}"\n{adapter}', "utf-8"
        )
        (folder / "persona.md").write_text("Keeps the light.", "utf-8")
        (folder / "lines.jsonl").write_bytes(msgspec.json.Encoder().encode_lines(records))
    for name in ("tiny", "other"):
        make_base(path / "models" / name)
    make_adapter(path / "roles/lora/adapter", path / "models/other", activated=False)
    make_adapter(path / "roles/alora/adapter", path / "models/other", activated=True)
    mara = spec_of(read_role(path / "roles" / "mara", path / "models"))
    make_taught(path / "models/tiny", of_records(mara, records).held_out)
    return path


@pytest.fixture
def home(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("roles", "rooms", "models"):
        monkeypatch.setenv(f"CHATROOM_{name.upper()}", str(world / name))
    monkeypatch.setenv("CHATROOM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_base_is_quantized_and_proven(home: Path, world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quantize", "models/tiny", *QUICK]) == 0
    out = place(home, "models/tiny")
    assert capsys.readouterr().out.endswith(f"passed: {out}\n")
    assert proven(out, "int4/models/tiny", world / "models/tiny") == "compressed-tensors"
    assert {"model.safetensors", "config.json", "tokenizer.json", "report.html"} <= {
        path.name for path in out.iterdir()
    }


def test_what_fails_is_kept_aside(home: Path, world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quantize", "models/tiny", *QUICK, "--replies", "3"]) == 1
    told = capsys.readouterr()
    assert "FAILED" in told.out
    assert "too little held-out talk" in told.err
    assert "try 2" not in told.err
    proof = read_proof(home / "int4/failed/models/tiny/weights", "failed")
    assert proof is not None
    assert not proof.passed
    assert not place(home, "models/tiny").exists()


def test_lora_is_merged_before_it_is_quantized(home: Path, world: Path) -> None:
    main(["quantize", "lora", *QUICK, "--tries", "1", "--replies", "16"])
    places = (place(home, "roles/lora"), home / "int4/failed/roles/lora/weights")
    (made,) = (path for path in places if path.exists())
    proof = read_proof(made, "int4/roles/lora")
    assert proof is not None
    assert proof.source == source_digest(world / "models/other", world / "roles/lora/adapter")


def test_embedded_packing_is_proven_apart(home: Path, world: Path) -> None:
    main(["quantize", "models/tiny", "--embedded", "--recall", "0", "--calibration", "own"])
    places = (place(home, "models/tiny", embedded=True), home / "int4/failed/models/tiny/embedded")
    (made,) = (path for path in places if path.exists())
    proof = read_proof(made, "int4/embedded/models/tiny")
    assert proof is not None
    assert proof.method == "embedded"
    assert not list(made.glob("*.safetensors"))


def test_calibrations_are_compared_side_by_side(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "general.txt").write_text("The ship came in. " * 2000, "utf-8")
    flags = [*QUICK, "--general", str(tmp_path / "general.txt"), "--replies", "2"]
    assert main(["quantize", "models/tiny", "--compare", *flags]) == 0
    rows = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert rows[:4] == ["calibration", "own", "generic", "mixed"]
    assert (home / "int4/compared/models/tiny/report.html").is_file()
    assert not place(home, "models/tiny").exists()


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["alora"], r"roles/alora: .*activated LoRA.*quantize models/other"),
        (["mara"], r"roles/mara: .*no weights of its own.*quantize models/tiny"),
        (["nobody"], r"no role or base of this name.*mara.*models/tiny"),
        (["models/tiny", "--keep", "model.layers.99"], "--keep model.layers.99: no layer is called so"),
        (["../roles"], "no role or base of this name"),
        (["models/tiny", "--ids", "5"], "--ids: it is 5"),
        (["models/tiny", "--python", "gptq=/none/python"], "expected METHOD=FILE"),
        (["models/tiny", "--calibration", "generic"], "--general FILE"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value[:2]),
)
def test_what_can_not_be_done_is_said(
    home: Path, argv: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["quantize", *argv, "--recall", "0"]) == 1
    assert re.search(said, capsys.readouterr().err)
