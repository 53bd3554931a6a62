"""Trained once is enough: what is trained already is kept, minutes are shared, and nothing is trained in vain."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiny import make_base  # isort: skip  # it sets the number of threads before torch is loaded

from commands.base import main
from finetune.dataset.files import read_dataset
from finetune.errors import WorkshopError
from finetune.training.lock import held
from finetune.training.plan import read_plan
from finetune.training.save import check_writable
from tests.workshop.limits import as_nobody, full_disk, open_folder

ROOT = Path(__file__).parents[2]
TRAINED = "roles/mara/adapter/adapter_model.safetensors"
STAMP = "roles/mara/adapter/provenance.json"
HEAVY = {"torch", "transformers", "peft", "faiss", "bm25s", "jieba", "asyncio", "huggingface_hub", "numpy", "lxml"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home where Mara was made once."""
    home = tmp_path_factory.mktemp("made")
    make_base(home / "models/tiny", num_hidden_layers=1)
    rows = (f"TOBIN: Is that the bell, {at}?\n\nMARA: Mind step {at}, the lamp is lit.\n" for at in range(20))
    (home / "play.txt").write_text("\n".join(rows), "utf-8")
    return home


@pytest.fixture
def world(trained: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("home", "roles", "rooms", "models"):
        monkeypatch.setenv(f"CHATROOM_{name.upper()}", str(trained / name))
    monkeypatch.setenv("CHATROOM_EMBEDDER", "none")
    monkeypatch.chdir(trained)
    if not (trained / TRAINED).exists():
        assert make() == 0
    return trained


def make(*more: str) -> int:
    words = ["role", "make", "mara", "--from", "play.txt", "--as=MARA", "--base", "models/tiny"]
    return main([*words, "--epochs", "1", "--kind", "lora", *more])


def marks(world: Path) -> list[int]:
    return [(world / path).stat().st_mtime_ns for path in (TRAINED, STAMP, "home/workshop/mara/runs/lora/result.json")]


def test_a_finished_role_is_not_trained_again(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = marks(world)
    assert make() == 0
    assert "kept: roles/mara has this training already" in capsys.readouterr().out
    assert marks(world) == before


def test_again_trains_anew(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = marks(world)
    assert make("--again") == 0
    assert "kept:" not in capsys.readouterr().out
    assert not set(marks(world)) & set(before)


def test_another_recipe_is_trained(world: Path) -> None:
    before = marks(world)
    assert main(["finetune", "mara", "--kind", "lora", "--epochs", "1", "--rank", "2"]) == 0
    assert not set(marks(world)) & set(before)


def test_an_adapter_of_others_is_replaced(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert make() == 0
    (world / STAMP).write_text("{}", "utf-8")
    result = marks(world)[2]
    capsys.readouterr()
    assert make() == 0
    assert "written: " in capsys.readouterr().out
    assert '"dataset"' in (world / STAMP).read_text("utf-8")
    assert marks(world)[2] == result  # the finished run is put there as it is


def test_minutes_are_shared_by_all_runs(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--kind", "both", "--seeds", "1,2", "--minutes", "10", "--epochs", "1", "--prepare"]
    assert main(["finetune", "mara", *flags]) == 0
    runs = world / "home/workshop/mara/runs"
    found = {name: read_plan(runs / name).minutes for name in ("lora-seed-1", "alora-seed-2")}
    assert found == {"lora-seed-1": 2.5, "alora-seed-2": 2.5}
    capsys.readouterr()
    assert main(["finetune", "mara", "--kind", "lora", "--seeds", "3,4", "--minutes", "0.04", "--epochs", "1"]) == 0
    assert "0.04 minutes in all: 0.02 for each of 2 runs" in capsys.readouterr().out


def test_one_training_of_a_run_at_a_time(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = world / "home/workshop/mara/runs/lora"
    before = marks(world)
    with held(run):
        assert main(["finetune", "mara", "--kind", "lora", "--restart"]) == 1
        assert "it is being trained already (wait for that training, or stop it)" in capsys.readouterr().err
        done = subprocess.run(
            [sys.executable, "-m", "finetune.train", str(run)], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert (done.returncode, "being trained already" in done.stderr) == (1, True)
    assert marks(world) == before
    with held(run):
        pass  # it was let go of


def test_a_locked_role_folder_is_told_first() -> None:
    with (
        open_folder() as folder,
        as_nobody(),
        pytest.raises(WorkshopError, match=r"can't be written.*nothing was trai"),
    ):
        check_writable(folder)
    with open_folder() as folder:
        check_writable(folder)
        assert list(folder.iterdir()) == []
        with full_disk(), pytest.raises(WorkshopError, match="can't be written"):
            check_writable(folder)
        assert list(folder.iterdir()) == []


def test_make_tells_of_a_locked_folder(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with open_folder() as folder:
        for name in ("home", "roles", "rooms", "models"):
            monkeypatch.setenv(f"CHATROOM_{name.upper()}", str(folder / name))
        monkeypatch.chdir(folder)
        (folder / "models/tiny").mkdir(parents=True)
        (folder / "models/tiny/config.json").write_text("{}", "utf-8")
        with as_nobody():
            assert make() == 1
        assert f"roles/mara: it can't be written (check the permissions of {folder})" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "status"),
    [
        (["--help"], 0),
        (["--room", "none"], 1),
        (["--base", "models/none"], 1),
        (["--kind", "huge"], 2),
        (["--wiki", "x"], 1),
    ],
)
def test_help_and_refusals_are_light(world: Path, flags: list[str], status: int) -> None:
    words = ["role", "make", "tobin", "--from", "play.txt", "--as=TOBIN", "--base", "models/tiny", *flags]
    code = f"""
import sys
from commands.base import main
try:
    status = main({words!r})
except SystemExit as end:
    status = end.code
print(status, *sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env={**_settings(world)}, cwd=ROOT, capture_output=True, text=True, check=True
    )
    said, *modules = done.stdout.splitlines()[-1].split()
    assert (said, HEAVY & set(modules)) == (str(status), set())


def _settings(world: Path) -> dict[str, str]:
    return {f"CHATROOM_{name.upper()}": str(world / name) for name in ("home", "roles", "rooms", "models")}


@pytest.mark.parametrize(("flags", "scrubbed"), [(["--scrub"], True), ([], False)])
def test_a_dataset_says_whether_it_is_scrubbed(world: Path, flags: list[str], scrubbed: bool) -> None:
    assert main(["corpus", "read", "play.txt", "--role", "mara", *flags]) == 0
    assert main(["dataset", "build", "mara", "--recall", "0"]) == 0
    assert read_dataset(world / "home/workshop/mara/dataset").about.scrubbed is scrubbed


def test_scenes_changed_by_hand_are_not_scrubbed(world: Path) -> None:
    assert main(["corpus", "read", "play.txt", "--role", "mara", "--scrub"]) == 0
    scenes = world / "home/workshop/mara/scenes.jsonl"
    scenes.write_text(scenes.read_text("utf-8").replace("lamp", "light"), "utf-8")
    assert main(["dataset", "build", "mara", "--recall", "0"]) == 0
    assert not read_dataset(world / "home/workshop/mara/dataset").about.scrubbed
