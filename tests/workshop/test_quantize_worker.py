"""Programs in environments of their own: made once, heard while they work, ended with us; and real GPTQ where it is."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.workshop.taught import make_moments, make_taught  # isort: skip  # it sets the number of threads

from chatroom.settings import CHECKOUT
from finetune.dataset.render import Renderer
from finetune.errors import WorkshopError
from quantize.calibration.drawing import Mix, calibration, save_rows
from quantize.environment import Environment, run_worker
from quantize.gate.judge import Judge
from quantize.job import Job, Recipe
from quantize.methods.base import quantized
from quantize.methods.gptq import ENVIRONMENT
from quantize.packed.reading import method_of

VAR = CHECKOUT / "var"
GPTQ = os.environ.get("CHATROOM_TEST_GPTQ") or (
    str(ENVIRONMENT.folder(VAR) / "bin" / "python") if ENVIRONMENT.is_ready(VAR) else ""
)
"""An interpreter that has llm-compressor."""


@pytest.fixture
def work(tmp_path: Path) -> Callable[..., list[str]]:
    """Runs a script as a worker; gives what it told."""

    def run(text: str, **order: object) -> list[str]:
        (tmp_path / "worker.py").write_text(text, "utf-8")
        told: list[str] = []
        run_worker(Path(sys.executable), tmp_path / "worker.py", order, tmp_path / "said.log", told.append)
        return told

    return run


def test_worker_gets_its_order_and_reports(work: Callable[..., list[str]], tmp_path: Path) -> None:
    text = """
import json, sys
order = json.load(open(sys.argv[1]))
print(json.dumps({"at": f"groups of {order['group']}"}))
print("some library's chatter")
print('{"not": "a report"}')
"""
    assert work(text, group=32) == ["groups of 32"]
    assert (tmp_path / "said.log").read_text() == "some library's chatter\n" + '{"not": "a report"}\n'


def test_failed_worker_says_its_last_words(work: Callable[..., list[str]]) -> None:
    with pytest.raises(WorkshopError, match=r"no such layer.*said\.log"):
        work("raise SystemExit('no such layer')")


def test_worker_has_no_module_of_ours(work: Callable[..., list[str]]) -> None:
    with pytest.raises(WorkshopError, match="No module named 'quantize'"):
        work("import quantize")


def test_worker_ends_when_we_do(tmp_path: Path) -> None:
    (tmp_path / "worker.py").write_text(
        "import json, os, signal\nprint(json.dumps({'at': str(os.getpid())}), flush=True)\nsignal.pause()\n"
    )
    told: list[int] = []

    def stop(text: str) -> None:
        told.append(int(text))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_worker(Path(sys.executable), tmp_path / "worker.py", {}, tmp_path / "said.log", stop)
    with pytest.raises(ProcessLookupError):
        os.kill(told[0], 0)


def test_interpreter_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(WorkshopError, match="another interpreter with --python"):
        run_worker(tmp_path / "none", tmp_path / "worker.py", {}, tmp_path / "said.log", print)


def test_environment_is_made_once(tmp_path: Path) -> None:
    (tmp_path / "pinned.txt").write_text("# nothing\n")
    environment, told = Environment(name="small", pinned=tmp_path / "pinned.txt", size="30 MB"), list[str]()
    python = environment.python(tmp_path, told.append)
    assert python.exists()
    assert "30 MB" in told[0]
    told.clear()
    assert environment.python(tmp_path, told.append) == python
    assert told == []
    (tmp_path / "pinned.txt").write_text("# nothing, but otherwise\n")
    assert not environment.is_ready(tmp_path)


@pytest.mark.skipif(not GPTQ, reason="no environment with llm-compressor: python launch.py quantize makes one")
def test_real_gptq_passes_the_gate(tmp_path: Path) -> None:
    moments = make_moments(24)
    base = make_taught(tmp_path / "base", moments)
    renderer = Renderer.of(base, context=512)
    save_rows(tmp_path / "rows.npz", calibration(renderer, moments, [], Mix(kind="own", ids=4096, row=256)))
    recipe = Recipe(method="gptq", group=32, keep=("model.layers.0.mlp",))
    job = Job(
        source=base,
        out=tmp_path / "out",
        recipe=recipe,
        tokens=tmp_path / "rows.npz",
        log=tmp_path / "log",
        home=tmp_path,
        pythons={"gptq": Path(GPTQ)},
    )
    verdict = Judge(base, moments, renderer, replies=24).judge(quantized(job, print))
    assert verdict.passed, verdict.figures
    assert method_of(tmp_path / "out") == "compressed-tensors"
