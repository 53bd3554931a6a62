"""knowledge build, search, import, stats: what the roles know, made searchable."""

import argparse
from pathlib import Path

from chatroom.settings import load_settings
from commands.base import say, show

HELP = "build and search what the roles know"
MOST = 1000
"""Passages that can be asked for at once."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    _add_build(actions.add_parser("build", help="make documents searchable", description=_build.__doc__))
    _add_search(actions.add_parser("search", help="ask what a role knows", description=_search.__doc__))
    take = actions.add_parser("import", help="copy documents into a role folder", description=_import.__doc__)
    take.add_argument("role", metavar="ROLE")
    take.add_argument("files", nargs="+", type=Path, metavar="FILE", help="files, and folders of them")
    take.set_defaults(action=_import)
    stats = actions.add_parser("stats", help="say how the indexes are", description=_stats.__doc__)
    stats.add_argument("ids", nargs="*", metavar="ROLE", help="all if none is named")
    stats.set_defaults(action=_stats)


def _add_build(build: argparse.ArgumentParser) -> None:
    build.add_argument("ids", nargs="*", metavar="ROLE", help="all if none is named")
    build.add_argument("--carry", action="store_true", help="put a copy into the role folder, to be given away with it")
    build.add_argument("--force", action="store_true", help="read and embed everything again")
    build.set_defaults(action=_build)


def _add_search(search: argparse.ArgumentParser) -> None:
    search.add_argument("role", metavar="ROLE")
    asked = 'what is asked, or the lines of a talk, oldest first; "-" answers each line of standard input'
    search.add_argument("question", nargs="+", metavar="QUESTION", help=asked)
    search.add_argument("-k", type=_count, default=4, metavar="N", help="most passages (default: 4)")
    search.add_argument("--mode", choices=("hybrid", "dense", "words"), default="hybrid", help="by meaning, by words")
    search.add_argument("--raw", action="store_true", help="the plain ranking, one passage a document, however unlike")
    search.add_argument("--json", action="store_true", help="one JSON object a question, in one line")
    search.add_argument("--lines", action="store_true", help="search lines.jsonl, the role's own words")
    search.add_argument("--as", dest="reader", default="", metavar="READER", help="who asks (default: the role itself)")
    search.set_defaults(action=_search)


def run(args: argparse.Namespace) -> int:
    """Runs the action that was chosen."""
    return int(args.action(args))


def _build(args: argparse.Namespace) -> int:
    """Makes the documents of roles, their example lines and the pages of rooms searchable. Reads only what changed
    since the last time. What can't be read is named and passed over; exit status 1 if nothing could be built."""
    from commands._knowledge_build import build_all
    from commands._knowledge_roles import all_rooms, chosen

    settings = load_settings()
    rooms = [] if args.ids else all_rooms(settings)
    return 0 if build_all(settings, chosen(settings, args.ids), rooms, carry=args.carry, force=args.force) else 1


def _search(args: argparse.Namespace) -> int:
    """Prints the passages of a role's documents that answer a question, best first, with where they stand. Builds the
    index first where it is missing or older than the documents."""
    from commands._knowledge_search import answer

    return answer(load_settings(), args)


def _import(args: argparse.Namespace) -> int:
    """Copies documents to where a role's documents lie, and makes them searchable. Takes what can be read, names what
    it does not take, and overwrites nothing."""
    from commands._knowledge_build import build_all, tell_skipped
    from commands._knowledge_import import take
    from commands._knowledge_roles import one

    settings = load_settings()
    taken = take(one(settings, args.role), args.files)
    for path in taken.copied:
        show(f"copied: {path}")
    for path in taken.known:
        show(f"there already: {path}")
    tell_skipped(taken.skipped)
    if not taken.copied and not taken.known:
        say("error: there is nothing to read in what was given")
        return 1
    return 0 if build_all(settings, [one(settings, args.role)]) else 1


def _stats(args: argparse.Namespace) -> int:
    """Says of each index how large it is, which model made it, and whether it holds what the documents hold now."""
    from commands._knowledge_roles import all_rooms, chosen
    from commands._knowledge_stats import show_stats

    settings = load_settings()
    show_stats(settings, chosen(settings, args.ids), [] if args.ids else all_rooms(settings))
    return 0


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 to {MOST}, got {text!r}")
    return int(text)
