"""From a command line to int4 weights: what is quantized, calibrated on and judged by, and where the outcome goes.

It quantizes and judges nothing itself.
"""

import argparse
from functools import cached_property
from pathlib import Path

import msgspec
from msgspec.structs import replace

from chatroom import plugins
from chatroom.int4_proof import EMBEDDED, Proof, source_digest
from chatroom.settings import Settings
from commands._quantize_talk import general_place, moments_each, spread, talk_of
from commands._quantize_target import Target, target
from commands.base import say
from finetune.dataset.render import Renderer
from finetune.errors import WorkshopError
from quantize.calibration.dialogue import Dialogue, checked
from quantize.calibration.drawing import Kind, Mix, calibration, save_rows
from quantize.calibration.rows import read_texts
from quantize.gate.judge import Judge, Verdict
from quantize.gate.models import load_half
from quantize.job import Job, Recipe
from quantize.packed.reading import method_of
from quantize.report import page
from quantize.search import Search, Trial
from quantize.shelf import REPORT, Shelf

METHODS = ("gptq", "rtn")
KINDS: tuple[Kind, ...] = ("own", "generic", "mixed")
FEWEST_IDS = 1024


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it; `verdict` is of the try that was kept."""

    trials: list[Trial]
    place: Path
    verdict: Verdict | None = None

    @property
    def passed(self) -> bool:
        return self.verdict is not None and self.verdict.passed


class Order(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """What was asked for, with every path found."""

    settings: Settings
    target: Target
    mix: Mix
    general: Path | None
    methods: tuple[str, ...]
    groups: tuple[int, ...]
    keep: tuple[str, ...]
    pythons: dict[str, Path]
    tries: int
    held_out: int
    replies: int
    recall: float

    @classmethod
    def of(cls, settings: Settings, args: argparse.Namespace) -> "Order":
        """Reads a command line.

        Raises:
            WorkshopError: Something it names is not there or can't be used.
        """
        for flag, found, least in (("ids", args.ids, FEWEST_IDS), ("row", args.row, 64), ("tries", args.tries, 1)):
            if not least <= found <= 10_000_000:
                raise WorkshopError(f"--{flag}", f"it is {found}", f"give at least {least}")
        found = target(settings, args.name)
        if method_of(found.weights):
            raise WorkshopError(found.name, "its weights are quantized already", "name the 16-bit ones")
        general = general_place(args.general, found.base)
        return cls(
            settings=settings,
            target=found,
            mix=_mix(args, general),
            general=general,
            methods=tuple(args.methods) or METHODS,
            groups=tuple(args.groups),
            keep=tuple(args.keep),
            pythons=_pythons(settings, args.pythons),
            tries=args.tries,
            held_out=max(1, args.held_out),
            replies=max(1, args.replies),
            recall=args.recall,
        )

    @cached_property
    def renderer(self) -> Renderer:
        return Renderer.of(self.target.weights)

    @cached_property
    def talk(self) -> Dialogue:
        """The talk of all roles, in turn."""
        roles, names = self.target.roles, [role.name for role in self.target.roles]
        most = (moments_each(self.mix.ids // 64, len(roles)), moments_each(self.held_out, len(roles)))
        found = [talk_of(self.settings, role, names, most, self.recall) for role in roles]
        learn, held_out = spread([each.learn for each in found]), spread([each.held_out for each in found])
        return checked(Dialogue(learn=learn, held_out=held_out))

    @cached_property
    def judge(self) -> Judge:
        return Judge(self.target.weights, self.talk.held_out, self.renderer, replies=self.replies)

    @cached_property
    def source(self) -> str:
        """Digest of what is quantized, taken before anything else: weights that change meanwhile prove nothing."""
        return source_digest(*self.target.made_from)

    @cached_property
    def shelf(self) -> Shelf:
        return Shelf(self.settings.home, self.target.name)

    def job(self, bench: Path, mix: Mix) -> Job:
        """What all tries have in common; calibration is written to the bench."""
        texts = read_texts(self.general) if self.general and mix.generic_ids else []
        rows = calibration(self.renderer, self.talk.learn, texts, mix)
        save_rows(bench / f"{mix.kind}.npz", rows)
        say(f"calibration ({mix.kind}): {sum(map(len, rows)):,} token ids in {len(rows):,} rows")
        return Job(
            source=self.target.weights,
            out=bench,
            recipe=Recipe(method=self.methods[0]),
            tokens=bench / f"{mix.kind}.npz",
            log=self.settings.home / "int4" / f"{self.target.name.replace('/', '-')}.log",
            home=self.settings.home,
            pythons=self.pythons,
        )


def search(order: Order) -> Done:
    """Searches for int4 weights that pass, and puts them where engines find them; the nearest that failed, aside."""
    say(f"source: {order.target.weights}, digest {order.source}")
    with order.shelf.bench() as bench:
        looked = Search(order.job(bench, order.mix), order.judge, most=order.tries, tell=say)
        chosen = looked.run(order.methods, order.groups, order.keep)
        if chosen is None or chosen.folder is None or chosen.verdict is None:
            raise WorkshopError(order.target.name, _problems(looked.trials), "nothing could be made")
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


def _mix(args: argparse.Namespace, general: Path | None) -> Mix:
    kind = args.calibration
    if kind == "mixed" and general is None and not args.compare:
        say("calibrating on own talk alone: there is no general text (--general FILE)")
        kind = "own"
    return Mix(kind=kind, general=args.general_share, ids=args.ids, row=args.row, seed=args.seed)


def _pythons(settings: Settings, given: list[str]) -> dict[str, Path]:
    """Method → interpreter: those that were named, and LMDeploy's, which lies beside its command."""
    beside = Path(settings.lmdeploy[0]).expanduser().absolute().parent / "python"
    found = {"awq": beside} if len(Path(settings.lmdeploy[0]).parts) > 1 and beside.exists() else {}
    for text in given:
        method, _, path = text.partition("=")
        if method not in plugins.names("quantize.methods") or not Path(path).is_file():
            raise WorkshopError(f"--python {text}", "expected METHOD=FILE", "as gptq=/opt/gptq/bin/python")
        found[method] = Path(path).absolute()
    return found


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
