"""quantize: int4 weights that TurboMind loads, proven on what the roles say before anybody speaks with them."""

import argparse
from pathlib import Path

from chatroom import plugins
from commands.base import say, show, show_table

HELP = "make int4 weights and prove them"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="ROLE|MODEL", help="a role with weights or a LoRA of its own, or models/NAME")
    known = plugins.names("quantize.methods")
    said = "tried in this order; may be given again (default: gptq, then rtn)"
    parser.add_argument("--method", dest="methods", action="append", choices=known, default=[], help=said)
    said = "weights that share a scale: 128 or 32; may be given again (default: both)"
    parser.add_argument("--group", dest="groups", action="append", type=int, choices=(32, 128), default=[], help=said)
    said = "leave a module in 16 bit, as model.layers.0.mlp; may be given again"
    parser.add_argument("--keep", action="append", default=[], metavar="MODULE", help=said)
    parser.add_argument("--tries", type=int, default=8, metavar="N", help="most ways that are tried (default: 8)")
    _add_calibration(parser)
    said = "an interpreter that has what the method needs, instead of an environment that is made"
    parser.add_argument("--python", dest="pythons", action="append", default=[], metavar="METHOD=FILE", help=said)
    measured = "held-out moments that the gate measures (default: 192)"
    parser.add_argument("--held-out", type=int, default=192, metavar="N", help=measured)
    parser.add_argument("--replies", type=int, default=32, metavar="N", help="replies it generates (default: 32)")
    said = "prove what the embedded engine packs by itself on a CPU; nothing is written but the proof"
    parser.add_argument("--embedded", action="store_true", help=said)
    said = "measure own, generic and mixed calibration with one budget; nothing is put to use"
    parser.add_argument("--compare", action="store_true", help=said)


def _add_calibration(parser: argparse.ArgumentParser) -> None:
    kinds = ("own", "generic", "mixed")
    said = "the roles' own talk, general text, or both (default: mixed)"
    parser.add_argument("--calibration", choices=kinds, default="mixed", help=said)
    said = "general text: .txt, scenes.jsonl, or a folder of them (default: the scenes of the base, if it has any)"
    parser.add_argument("--general", type=Path, metavar="FILE", help=said)
    said = "share of general text in mixed calibration (default: 0.2)"
    parser.add_argument("--general-share", type=_share, default=0.2, metavar="SHARE", help=said)
    parser.add_argument("--ids", type=int, default=65_536, metavar="N", help="token ids in all (default: 65536)")
    parser.add_argument("--row", type=int, default=1024, metavar="N", help="most token ids of a row (default: 1024)")
    said = "share of moments in which a role is reminded of what it knows (default: 0.3)"
    parser.add_argument("--recall", type=_share, default=0.3, metavar="SHARE", help=said)
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="decides what is drawn")


def run(args: argparse.Namespace) -> int:
    """Makes int4 weights and lets the gate judge them on held-out talk: how well replies are predicted, whether the
    same is said next, whether replies repeat themselves or break. Ways to quantize are tried until one passes; that one
    is kept with its proof, and engines take it. What fails is kept aside with the report, and 16 bit stays in use.
    Exit status 1 if nothing passed."""
    from chatroom.settings import load_settings
    from commands._quantize import compare, prove_embedded, search
    from commands._quantize_order import Order
    from quantize.report import check_rows, trial_rows
    from quantize.shelf import REPORT

    order = Order.of(load_settings(), args)
    if args.compare:
        trials, place = compare(order)
        show_table([["calibration", *trial_rows([])[0]], *([n, *trial_rows([t])[1]] for n, t in trials)])
        show(f"report: {place}")
        return 0
    done = prove_embedded(order) if args.embedded else search(order)
    show_table(trial_rows(done.trials))
    if done.verdict:
        show("")
        show_table(check_rows(done.verdict))
    say(f"{'' if done.passed else '16 bit stays in use; '}all that was measured and said: {done.place / REPORT}")
    show(f"{'passed' if done.passed else 'failed'}: {done.place}")
    return 0 if done.passed else 1


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError("expected a share from 0 to 1")
    return share
