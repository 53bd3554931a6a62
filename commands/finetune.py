"""finetune: teaches a role's voice to an adapter over its base, or to all of the base's weights."""

import argparse
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from commands.base import say, show

if TYPE_CHECKING:
    from commands._finetune import Order

HELP = "train a role on its dataset"
KINDS = ("lora", "alora", "both", "qlora", "full")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("role", metavar="ROLE")
    kind_help = "an ordinary LoRA, one that acts at the role's turn only, both, a LoRA over 4 bits, or all weights"
    parser.add_argument("--kind", choices=KINDS, help=f"{kind_help} (default: both over a bundled base, else lora)")
    parser.add_argument("--base", metavar="BASE", help="models/NAME or a folder (default: what role.toml says)")
    parser.add_argument("--recipe", type=Path, metavar="FILE", help="default: finetune/recipes/role.toml")
    parser.add_argument("--epochs", type=_positive, metavar="N", help="how often the data is gone through")
    parser.add_argument("--rank", type=int, metavar="N", help="width of the adapter")
    parser.add_argument("--lr", type=_positive, metavar="X", dest="learning_rate", help="the highest learning rate")
    parser.add_argument("--batch", type=int, metavar="N", help="examples in memory at once")
    parser.add_argument("--context", type=int, metavar="N", help="token ids of an example")
    parser.add_argument("--seed", type=int, metavar="N", help="of everything random")
    parser.add_argument("--seeds", type=_seeds, metavar="1,2,3", help="train with each of them; the best one is taken")
    parser.add_argument(
        "--minutes",
        type=_positive,
        default=0.0,
        metavar="M",
        help="as many epochs as fit into these, which all kinds and seeds share",
    )
    parser.add_argument("--prepare", action="store_true", help="write the run folder only, for accelerate launch")
    parser.add_argument("--anyway", action="store_true", help="also on a base that does not know the language")
    went_on = parser.add_mutually_exclusive_group()
    went_on.add_argument("--resume", action="store_true", help="go on where it stopped; an error if nothing was begun")
    went_on.add_argument("--restart", action="store_true", help="start anew, whatever was begun or is finished")


def run(args: argparse.Namespace) -> int:
    """Trains every kind with every seed, then puts the best of each into the role folder. A run that was stopped goes
    on with the same command; what is trained already, with the same data, base and recipe, is kept."""
    from commands._finetune import Order, kept, runs_of

    order = Order.of(args)
    with runs_of(order) as runs:
        if args.prepare:
            for each in runs:
                show(f"ready: accelerate launch -m finetune.train {each}")
            return 0
        if kept(runs):
            same = "dataset, base and recipe are those that it was trained with"
            show(f"kept: roles/{args.role} has this training already: {same} (--restart trains anew)")
            return 0
        _train(order, runs)
    show(f"next: python launch.py role check {args.role}")
    return 0


def _train(order: "Order", runs: Sequence[Path]) -> None:
    from commands._finetune import install_best, share_of, train_all

    if order.minutes and len(runs) > 1:
        share = share_of(order.minutes, len(runs))
        show(f"{order.minutes:g} minutes in all: {share:g} for each of {len(runs)} runs")
    try:
        with stoppable():
            results = train_all(runs, tell=say)
    except KeyboardInterrupt:
        say("stopped; the same command goes on from the last checkpoint, if one was written")
        raise
    for folder in install_best(results, tell=show):
        show(f"written: {folder}")


@contextmanager
def stoppable() -> Iterator[None]:
    """Whoever ends this process, as a shutdown or `timeout` does, gets the same as with Ctrl-C: a word, and a whole
    terminal."""

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 1e6:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return number


def _seeds(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.replace("，", ",").split(",")]
    if not all(part.isascii() and part.isdecimal() and len(part) < 10 for part in parts) or len(parts) > 100:
        raise argparse.ArgumentTypeError(f"expected whole numbers with commas between, as 1,2,3, got {text!r}")
    return tuple(dict.fromkeys(map(int, parts)))
