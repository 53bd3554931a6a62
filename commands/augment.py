"""augment: more to learn from, written by a model that you configured and marked as such."""

import argparse
from pathlib import Path

from chatroom.settings import load_settings
from commands.base import say, show, show_table

HELP = "let a model write more for a role to learn from"
TASKS = ("pages", "lines", "chapters")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("role", metavar="ROLE")
    tasks = "questions about pages it knows, more lines like its own, or what leads to its lines in a book"
    parser.add_argument("task", choices=TASKS, help=tasks)
    read = "pages, or the book (pages by default: what the role knows)"
    parser.add_argument("--from", dest="files", nargs="+", default=[], type=Path, metavar="FILE", help=read)
    count = "questions for each piece of a page (default: 3), new lines (default: 100), or at most so many of its lines"
    parser.add_argument("--count", type=_count, metavar="N", help=count)
    parser.add_argument("--engine", metavar="NAME", help="who writes (default: the engine of the settings)")
    parser.add_argument("--base", metavar="BASE", help="models/NAME, a folder or a hub id (default: the role's)")


def run(args: argparse.Namespace) -> int:
    """Asks a model for questions about pages and the role's answers, for more lines in its voice, or for what was said
    before its lines in a book. What is usable and new is kept in the workbench, each with the model's name; it is
    learnt and never measured by. A run that was stopped goes on with the same command and asks nothing twice."""
    from commands._augment import augment

    outcome = augment(load_settings(), args)
    rows = ("asked for", "asked before", "asked now", "kept", "not usable", "copies")
    numbers = (outcome.jobs, outcome.before, outcome.asked, outcome.kept, outcome.unusable, outcome.copies)
    show_table([("WHAT", "HOW MANY"), *((row, f"{number:,}") for row, number in zip(rows, numbers, strict=True))])
    if outcome.error:
        say(f"error: {outcome.error}")
        say("what was made is kept; the same command goes on from there")
        return 1
    show(f"next: python launch.py dataset build {args.role}")
    return 0


def _count(text: str) -> int:
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 7 else 0
    if not number:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, got {text!r}")
    return number
