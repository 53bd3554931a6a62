"""What is done with an order: a search for int4 weights that pass, a comparison, a proof; and where the outcome goes.

It quantizes and judges nothing itself.
"""

from pathlib import Path

import msgspec
from msgspec.structs import replace

from chatroom import plugins
from chatroom.int4_proof import EMBEDDED, Proof
from commands._quantize_order import Order
from commands.base import say
from finetune.errors import WorkshopError
from quantize.calibration.drawing import Kind, Mix
from quantize.gate.judge import Verdict
from quantize.gate.models import load_half
from quantize.job import Recipe
from quantize.packed.reading import method_of
from quantize.report import page
from quantize.search import Search, Trial
from quantize.shelf import REPORT

KINDS: tuple[Kind, ...] = ("own", "generic", "mixed")


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it; `verdict` is of the try that was kept."""

    trials: list[Trial]
    place: Path
    verdict: Verdict | None = None

    @property
    def passed(self) -> bool:
        return self.verdict is not None and self.verdict.passed


def search(order: Order) -> Done:
    """Searches for int4 weights that pass, and puts them where engines find them; the nearest that failed, aside."""
    say(f"source: {order.target.weights}, digest {order.source}")
    with order.shelf.bench() as bench:
        looked = Search(order.job(bench, order.mix), order.judge, most=order.tries, tell=say)
        chosen = looked.run(order.methods, order.groups, order.keep)
        if chosen is None or chosen.folder is None or chosen.verdict is None:
            remedy = "mend that, or take --method rtn, which needs nothing"
            raise WorkshopError(order.target.name, _problems(looked.trials), remedy)
        proof = _proof(order, chosen.verdict, method_of(chosen.folder), f"{chosen.recipe}, {_calibrated(order.mix)}")
        shown = page(f"int4 of {order.target.name}", looked.trials, chosen.verdict, _told(order, proof))
        place = order.shelf.put(chosen.folder, proof, shown)
        return Done(trials=looked.trials, place=place, verdict=chosen.verdict)


def compare(order: Order) -> tuple[list[tuple[str, Trial]], Path]:
    """Quantizes with own, generic and mixed calibration of one budget, in the same way; keeps only the report."""
    found: list[tuple[str, Trial]] = []
    with order.shelf.bench() as bench:
        for kind in KINDS:
            folder = bench / kind
            job = order.job(folder, replace(order.mix, kind=kind))
            looked = Search(job, order.judge, most=1, tell=say)
            looked.run(order.methods[:1], order.groups, order.keep)
            found += [(kind, trial) for trial in looked.trials]
    place = order.settings.home / "int4" / "compared" / order.target.name / REPORT
    place.parent.mkdir(parents=True, exist_ok=True)
    told = [f"Ways, in this order: {', '.join(kind for kind, _ in found)} calibration, {order.mix.ids:,} ids each."]
    place.write_text(page(f"calibrations of {order.target.name}", [t for _, t in found], None, told), "utf-8")
    return found, place


def prove_embedded(order: Order) -> Done:
    """Lets the gate judge what the embedded engine packs by itself, and puts the proof where the pool finds it."""
    import torch

    pack = plugins.load("chatroom.engines.transformers_peft", "int4").pack
    say(f"packing {order.target.weights}, digest {order.source}, as the embedded engine does")
    model = load_half(order.target.weights).to("cpu", torch.bfloat16)
    pack(model)
    verdict = order.judge.judge_model(model)
    trial = Trial(recipe=Recipe(method=EMBEDDED, group=64), verdict=verdict)
    with order.shelf.bench() as bench:
        (made := bench / "proof").mkdir()
        proof = _proof(order, verdict, EMBEDDED, "packed by the embedded engine")
        shown = page(f"embedded int4 of {order.target.name}", [trial], verdict, _told(order, proof))
        place = order.shelf.put(made, proof, shown, embedded=True)
    return Done(trials=[trial], place=place, verdict=verdict)


def _proof(order: Order, verdict: Verdict, method: str, made: str) -> Proof:
    figures = msgspec.convert(msgspec.structs.asdict(verdict.figures), dict[str, float])
    return Proof(passed=verdict.passed, method=method, source=order.source, made=made, figures=figures)


def _told(order: Order, proof: Proof) -> list[str]:
    roles = ", ".join(role.name for role in order.target.roles)
    return [f"Spoken with by {roles}. Source {proof.source}. {proof.made}."]


def _calibrated(mix: Mix) -> str:
    return f"{mix.kind} calibration, {mix.ids:,} ids at most, seed {mix.seed}"


def _problems(trials: list[Trial]) -> str:
    return "; ".join(dict.fromkeys(trial.problem for trial in trials if trial.problem)) or "no way fits its layers"
