"""int4 weights before anybody speaks with them: what is calibrated on, what the gate lets pass, what a search keeps."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.workshop.taught import make_moments, make_taught  # isort: skip  # it sets the number of threads

import torch
from msgspec.structs import replace
from safetensors.torch import load_file, save_file

from chatroom.int4_proof import Proof, proven, source_digest
from finetune.dataset.moment import Moment
from finetune.dataset.render import Renderer
from finetune.dataset.role import RoleSpec
from finetune.dialogue import Record
from finetune.errors import WorkshopError
from quantize.calibration.dialogue import of_records
from quantize.calibration.drawing import Mix, calibration, save_rows
from quantize.calibration.rows import read_texts
from quantize.gate.figures import LONGEST, Figures, Said, is_broken, repeats
from quantize.gate.judge import Judge
from quantize.gate.limits import checks, passes
from quantize.gate.models import load_half
from quantize.job import Job, Recipe
from quantize.methods.base import quantized
from quantize.report import page, trial_rows
from quantize.search import Search
from quantize.shelf import REPORT, Shelf

MOMENTS = make_moments(24)
GOOD = Figures(
    perplexity=10, perplexity_int4=10.1, rise=0.01, kl=0.01, agreement=0.95, moments=50, ids=1000, replies=32
)  # fmt: skip


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base that knows 24 replies by heart."""
    return make_taught(tmp_path_factory.mktemp("taught") / "base", MOMENTS)


@pytest.fixture(scope="module")
def judge(base: Path) -> Judge:
    return Judge(base, MOMENTS, Renderer.of(base, context=512), replies=24)


def job(base: Path, out: Path, group: int = 32) -> Job:
    recipe = Recipe(method="rtn", group=group)
    return Job(source=base, out=out, recipe=recipe, tokens=out, log=out, home=out)


def silent(text: str) -> None:
    """Takes what is told."""


def damaged(folder: Path, suffix: str) -> Path:
    """The folder, with the numbers of every tensor of this name shuffled."""
    tensors = load_file(folder / "model.safetensors")
    rng = torch.Generator().manual_seed(0)
    for name, tensor in tensors.items():
        if name.endswith(suffix):
            order = torch.randperm(tensor.numel(), generator=rng)
            tensors[name] = tensor.flatten()[order].view(tensor.shape).contiguous()
    save_file(tensors, folder / "model.safetensors")
    return folder


# --- the gate ---------------------------------------------------------------------------------------------------------


def test_careful_quantization_passes_the_gate(tmp_path: Path, base: Path, judge: Judge) -> None:
    verdict = judge.judge(quantized(job(base, tmp_path / "out"), silent))
    assert verdict.passed, verdict.figures
    assert 0 < verdict.figures.kl < 0.05
    assert verdict.figures.replies == len(verdict.samples) == 24


def test_shuffled_group_scales_are_caught(tmp_path: Path, base: Path, judge: Judge) -> None:
    verdict = judge.judge(damaged(quantized(job(base, tmp_path / "out"), silent), "weight_scale"))
    assert not verdict.passed
    failed = {check.name for check in checks(verdict.figures) if not check.passed}
    assert {"rise in perplexity", "KL divergence, nats", "same next id"} <= failed


def test_shuffled_numbers_are_caught(tmp_path: Path, base: Path, judge: Judge) -> None:
    verdict = judge.judge(damaged(quantized(job(base, tmp_path / "out"), silent), "down_proj.weight_packed"))
    assert not verdict.passed


def test_scales_that_are_no_numbers_never_pass(tmp_path: Path, base: Path, judge: Judge) -> None:
    out = quantized(job(base, tmp_path / "out"), silent)
    tensors = load_file(out / "model.safetensors")
    name = next(name for name in tensors if name.endswith("weight_scale"))
    save_file(tensors | {name: torch.full_like(tensors[name], torch.nan)}, out / "model.safetensors")
    assert not judge.judge(out).passed


def test_same_weights_differ_in_nothing(judge: Judge, base: Path) -> None:
    figures = judge.judge_model(load_half(base)).figures
    assert (figures.kl, figures.agreement, figures.rise) == (0, 1, 0)


def test_missing_weight_is_refused_by_name(tmp_path: Path, base: Path, judge: Judge) -> None:
    out = quantized(job(base, tmp_path / "out"), silent)
    tensors = load_file(out / "model.safetensors")
    del tensors["model.norm.weight"]
    save_file(tensors, out / "model.safetensors")
    with pytest.raises(WorkshopError, match=r"model\.norm\.weight"):
        judge.judge(out)


def test_worst_block_is_found_by_its_harm(tmp_path: Path, base: Path, judge: Judge) -> None:
    out = quantized(job(base, tmp_path / "out"), silent)
    tensors = load_file(out / "model.safetensors")
    name = "model.layers.1.mlp.down_proj.weight_scale"
    save_file(tensors | {name: tensors[name].flip(0).contiguous() * 3}, out / "model.safetensors")
    blocks = [f"model.layers.{at}.{part}" for at in (0, 1) for part in ("self_attn", "mlp")]
    assert judge.worst(out, blocks)[0] == "model.layers.1.mlp"


@pytest.mark.parametrize(
    "worse",
    [
        {"rise": 0.06},
        {"kl": 0.06},
        {"agreement": 0.8},
        {"repetition_int4": 0.1},
        {"broken_int4": 0.1},
        {"rise": float("nan")},
        {"kl": float("inf")},
        {"ids": 100},
        {"replies": 3},
    ],
    ids=str,
)
def test_every_limit_can_fail_alone(worse: dict[str, float]) -> None:
    assert passes(GOOD)
    assert not passes(replace(GOOD, **worse))


def test_weak_base_is_not_blamed_on_int4() -> None:
    assert passes(replace(GOOD, repetition=0.5, repetition_int4=0.5, broken=0.3, broken_int4=0.3))


def test_repetition_is_seen_and_talk_is_not() -> None:
    assert repeats([1, 2, 3, 4, 9] * 3)
    assert repeats([7, 3, 3, 3, 3, 3, 8])
    assert not repeats([1, 2, 3, 4, 5, 1, 2, 3, 4, 6, 7])
    assert not repeats([])


@pytest.mark.parametrize(
    ("ids", "text"),
    [([5], " "), ([5] * LONGEST, "on and on"), ([5, 6], "the l\ufffdmp"), ([5, 0], "the lamp"), ([], "")],
    ids=["blank", "endless", "unknown bytes", "control token", "empty"],
)
def test_reply_that_is_no_text_is_broken(ids: list[int], text: str) -> None:
    assert is_broken(Said(ids=ids, text=text), frozenset({0, 1, 2}))
    assert not is_broken(Said(ids=[5, 6], text="the lamp"), frozenset({0, 1, 2}))


# --- calibration ------------------------------------------------------------------------------------------------------


def rows(base: Path, kind: str, ids: int = 600, **mix: object) -> list[list[int]]:
    texts = ["A ship came in from the north. " * 20] * 5
    asked = Mix(kind=kind, ids=ids, row=128, **mix)  # type: ignore[arg-type]  # a literal, as a string
    return calibration(Renderer.of(base), MOMENTS, texts, asked)


@pytest.mark.parametrize("kind", ["own", "generic", "mixed"])
def test_every_mixture_has_one_budget(base: Path, kind: str) -> None:
    made = rows(base, kind)
    assert sum(map(len, made)) == 600
    assert max(map(len, made)) <= 128


def test_own_calibration_is_what_is_served(base: Path) -> None:
    renderer = Renderer.of(base)
    served = {tuple(renderer.example(moment).ids) for moment in MOMENTS}
    made = calibration(renderer, MOMENTS, [], Mix(kind="own", ids=900, row=512))
    assert sum(tuple(row) in served for row in made) > len(made) / 2


def test_generic_calibration_has_no_layout(base: Path) -> None:
    stops = Renderer.of(base).template.stop_ids
    assert all(stops.isdisjoint(row) for row in rows(base, "generic"))
    assert any(not stops.isdisjoint(row) for row in rows(base, "mixed"))


def test_same_seed_draws_the_same(base: Path) -> None:
    assert rows(base, "mixed", seed=3) == rows(base, "mixed", seed=3) != rows(base, "mixed", seed=4)


def test_rows_come_back_from_their_file(tmp_path: Path, base: Path) -> None:
    made = rows(base, "mixed")
    save_rows(tmp_path / "new" / "rows.npz", made)
    with np.load(tmp_path / "new" / "rows.npz") as arrays:
        assert [part.tolist() for part in np.split(arrays["ids"], arrays["ends"][:-1])] == made
    with pytest.raises(WorkshopError, match="nothing to calibrate on"):
        save_rows(tmp_path / "none.npz", [])


def test_general_text_must_be_there(tmp_path: Path, base: Path) -> None:
    with pytest.raises(WorkshopError, match="--general FILE"):
        calibration(Renderer.of(base), MOMENTS, [], Mix(kind="mixed"))
    with pytest.raises(WorkshopError, match="no general text"):
        read_texts(tmp_path)
    (tmp_path / "a.txt").write_text("One.\n\nTwo.\n", "utf-8")
    assert read_texts(tmp_path) == ["One.\nTwo.\n"]


def test_held_out_records_are_not_calibrated_on() -> None:
    records = [
        Record(context=list(moment.heard), reply=f"{moment.reply} {at}") for at, moment in enumerate(make_moments(40))
    ]
    found = of_records(RoleSpec(id="mara", name="Mara Vell"), records)
    held_out = {moment.reply for moment in found.held_out}
    assert held_out == {record.reply for record in records[9::10]}
    assert held_out.isdisjoint(moment.reply for moment in found.learn)
    assert len(found.learn) == 36


# --- the search and its shelf ----------------------------------------------------------------------------------------


class Stern(Judge):
    """Lets nothing pass but what keeps so many blocks."""

    def __init__(self, base: Path, moments: Sequence[Moment], least: int) -> None:
        super().__init__(base, moments, Renderer.of(base, context=512), replies=16)
        self.least = least

    def judge(self, folder: Path):  # type: ignore[no-untyped-def]  # as its parent
        verdict = super().judge(folder)
        tensors = load_file(folder / "model.safetensors")
        kept = sum(name.endswith("up_proj.weight") or name.endswith("q_proj.weight") for name in tensors)
        return verdict if kept >= self.least else replace(verdict, figures=replace(verdict.figures, rise=1.0))


def test_search_ends_with_what_passes(tmp_path: Path, base: Path, judge: Judge) -> None:
    looked = Search(job(base, tmp_path), judge, most=5, tell=silent)
    chosen = looked.run(["rtn"], [])
    assert chosen is not None
    assert chosen.passed
    assert [trial.recipe for trial in looked.trials] == [Recipe(method="rtn", group=32)]


def test_search_leaves_worst_blocks_in_half(tmp_path: Path, base: Path) -> None:
    looked = Search(job(base, tmp_path), Stern(base, MOMENTS[:16], 2), most=9, tell=silent)
    chosen = looked.run(["rtn"], [])
    assert chosen is not None
    assert chosen.passed
    assert [len(trial.recipe.keep) for trial in looked.trials] == [0, 1, 2]


def test_search_that_fails_gives_the_nearest(tmp_path: Path, base: Path) -> None:
    looked = Search(job(base, tmp_path), Stern(base, MOMENTS[:16], 99), most=3, tell=silent)
    chosen = looked.run(["rtn"], [])
    assert chosen is not None
    assert chosen.folder is not None
    assert not chosen.passed
    assert len(looked.trials) == 3
    nearest = min(trial.verdict.figures.kl for trial in looked.trials if trial.verdict)
    assert chosen.verdict is not None
    assert chosen.verdict.figures.kl == nearest


def test_method_that_can_not_run_is_passed_over(tmp_path: Path, base: Path, judge: Judge) -> None:
    looked = Search(replace(job(base, tmp_path), pythons={"gptq": tmp_path / "none"}), judge, most=5, tell=silent)
    chosen = looked.run(["gptq", "rtn"], [])
    assert chosen is not None
    assert chosen.recipe.method == "rtn"
    assert "another interpreter with --python" in looked.trials[0].problem


def test_passed_weights_replace_only_by_passed(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, "models/hearth")
    for at, passed in enumerate((True, False, True)):
        with shelf.bench() as bench:
            (bench / "made").mkdir()
            (bench / "made" / "weights").write_text(str(at))
            place = shelf.put(bench / "made", Proof(passed=passed, method="compressed-tensors"), f"page {at}")
        assert (place / REPORT).read_text() == f"page {at}"
        assert place == (shelf.passed if passed else shelf.failed / "weights")
        assert (shelf.passed / "weights").read_text() == ("2" if at == 2 else "0")
    assert not list((tmp_path / "int4/.work").glob("*/made-*"))


def test_what_a_killed_run_left_is_cleared(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, "models/hearth")
    with shelf.bench() as bench:
        left = bench.with_name("made-before")
        left.mkdir()
    with shelf.bench() as bench:
        assert [path.name for path in bench.parent.glob("made-*")] == [bench.name]


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, "models/hearth")
    with shelf.bench(), pytest.raises(WorkshopError, match="being quantized already"), shelf.bench():
        pass


def test_proof_names_what_it_was_made_from(tmp_path: Path, base: Path) -> None:
    shelf = Shelf(tmp_path, "models/hearth")
    with shelf.bench() as bench:
        made = quantized(job(base, bench / "out"), silent)
        shelf.put(made, Proof(passed=True, method="compressed-tensors", source=source_digest(base)), "")
    assert proven(shelf.passed, "int4/models/hearth", base) == "compressed-tensors"
    assert proven(shelf.passed, "int4/models/hearth", shelf.passed) == ""


def test_report_shows_limits_tries_and_replies(tmp_path: Path, base: Path, judge: Judge) -> None:
    looked = Search(job(base, tmp_path), judge, most=1, tell=silent)
    looked.run(["rtn"], [])
    verdict = looked.trials[0].verdict
    assert verdict is not None
    text = page("int4 of <hearth>", looked.trials, verdict, ["Spoken with by Mara."])
    assert "&lt;hearth&gt;" in text
    assert "data:image/png;base64," in text
    assert text.count("<tr>") == 1 + 7 + 1 + 1 + 1 + 24
    assert all(len(row) == len(trial_rows([])[0]) for row in trial_rows(looked.trials))
    assert not re.search(r"https?://", text)
