"""evals: lets roles answer probes that nobody trained on, and scores what they say.

With `--voices` it asks nothing: it measures whose adapter predicts each role's held-out moments best.
"""

import argparse
from pathlib import Path

HELP = "measure how well roles answer"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("roles", nargs="*", metavar="ROLE", help="default: all with probes")
    parser.add_argument("--room", default="", metavar="ROOM", help="the room that they sit in")
    parser.add_argument("--probes", type=Path, metavar="DIR", help="folder of ROLE.txt (default: evals/probes)")
    parser.add_argument("--bare", action="store_true", help="without adapters: the base alone")
    most = "at most N probes of a role, taken evenly; with --voices, N held-out moments"
    parser.add_argument("--most", type=_count, default=0, metavar="N", help=most)
    parser.add_argument("--out", type=Path, metavar="DIR", help="where report.html and replies.jsonl go")
    voices = "instead: perplexity of each role's held-out moments under each adapter"
    parser.add_argument("--voices", action="store_true", help=voices)


def run(args: argparse.Namespace) -> int:
    """Prints the scores and writes a page with every reply; with --voices prints a table."""
    if args.voices:
        from commands._evals_voices import compare

        return compare(args)
    from commands._evals import evaluate

    return evaluate(args)


def _count(text: str) -> int:
    if text.isascii() and text.isdigit() and 0 < int(text[:9]) == int(text):
        return int(text)
    raise argparse.ArgumentTypeError(f"expected a number from 1, got {text[:40]!r}")
