"""A command line → an order: what is quantized, calibrated on and judged by, in which ways.

Everything that it names is found or refused here, before anything is made. It carries nothing out.
"""

import argparse
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import msgspec

from chatroom import plugins
from chatroom.int4_proof import source_digest
from chatroom.settings import Settings
from commands._quantize_talk import general_place, moments_each, spread, talk_of
from commands._quantize_target import Target, target
from commands.base import say
from finetune.dataset.render import Renderer
from finetune.errors import WorkshopError
from quantize.calibration.dialogue import Dialogue, checked
from quantize.calibration.drawing import Mix, calibration, save_rows
from quantize.calibration.rows import read_texts
from quantize.gate.judge import Judge
from quantize.job import Job, Recipe
from quantize.packed.layers import linear_layers
from quantize.packed.reading import method_of
from quantize.shelf import Shelf

METHODS = ("gptq", "rtn")
FEWEST_IDS = 1024


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
        _check_kept(args.keep, found.weights)
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
        return Judge(self.target.weights, self.talk.held_out, self.renderer, replies=self.replies, tell=say)

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
            problem = "expected METHOD=FILE, with a method that is known and an interpreter that is there"
            raise WorkshopError(f"--python {text}", problem, "as gptq=/opt/gptq/bin/python")
        found[method] = Path(path).absolute()
    return found


def _check_kept(names: Sequence[str], weights: Path) -> None:
    layers = linear_layers(weights)
    for name in names:
        if not any(Recipe(method="", keep=(name,)).keeps(layer) for layer in layers):
            raise WorkshopError(f"--keep {name}", "no layer is called so", f"as {next(iter(layers))}")
