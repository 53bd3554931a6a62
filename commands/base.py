"""The command line: finds the commands, parses, runs one, and turns our errors into one clear message.

A command is a module with `HELP`, `add_arguments(parser)` and `run(args) -> int`, the exit status. It imports whatever
is heavier than the settings inside `run`, so that every `--help` answers at once. Exit status: 1 for what went wrong,
2 for a wrong command line, 130 after Ctrl-C.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Protocol, cast

from chatroom import __version__, plugins
from chatroom.clients._safe_text import safe_text
from chatroom.errors import ChatroomError
from knowledge.errors import KnowledgeError


class Command(Protocol):
    """What a module in this folder defines."""

    HELP: str
    __doc__: str | None

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, args: argparse.Namespace) -> int: ...


def main(argv: Sequence[str]) -> int:
    """Runs a command line; gives the exit status."""
    args = parser().parse_args(argv)
    try:
        return int(args.command.run(args))
    except (ChatroomError, KnowledgeError) as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone; without this, the interpreter would complain while it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def follow(argv: Sequence[str]) -> int:
    """Runs a command line from within another command; its errors are those of the other one."""
    args = parser().parse_args(argv)
    return int(args.command.run(args))


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    top = argparse.ArgumentParser(prog="launch.py", description="A table of characters, each with its own model.")
    top.add_argument("--version", action="version", version=f"chatroom {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for name in plugins.names("commands"):
        command = cast(Command, plugins.load("commands", name))
        added = commands.add_parser(name, help=command.HELP, description=command.__doc__)
        command.add_arguments(added)
        added.set_defaults(command=command)
    return top


def say(text: str) -> None:
    """Says something about the work itself: to standard error, and safe to show."""
    print(safe_text(text, newlines=True), file=sys.stderr, flush=True)


def show(text: str) -> None:
    """Prints what was asked for: to standard output, and safe to show."""
    print(safe_text(text, newlines=True), flush=True)


def show_table(rows: Sequence[Sequence[str]]) -> None:
    """Prints rows in columns; wide characters take two cells."""
    from rich.cells import cell_len

    safe = [[safe_text(cell) for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(*safe, strict=True)]
    for row in safe:
        cells = (cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())
