"""engines plan: which engine speaks for which role, and whether all of them fit into the memory."""

import argparse

from commands.base import show, show_table

HELP = "plan which engine speaks for which role"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    plan = actions.add_parser("plan", help="say what would run, how large it is, and why", description=_plan.__doc__)
    plan.add_argument("--memory", default="", metavar="SIZE", help="of a GPU, as 24GiB (default: what is free here)")
    plan.add_argument(
        "--fallback",
        default="",
        metavar="BASE",
        help="models/NAME, for roles whose engine is too large (default: `fallback` of the settings)",
    )
    plan.add_argument("--json", action="store_true", help="everything, in bytes, as one JSON object")
    plan.set_defaults(action=_plan)


def run(args: argparse.Namespace) -> int:
    """Runs the action that was chosen."""
    return int(args.action(args))


def _plan(args: argparse.Namespace) -> int:
    """Plans the engines for the roles of all rooms, from the headers of their weights; nothing is loaded or started.
    Without --memory it plans for the GPU of this machine, or for its processor. Exit status 1 if a role can't speak."""
    from chatroom.engine_plan import plan
    from chatroom.engine_plan.table import summary, table
    from chatroom.settings import load_settings
    from commands._engines import as_json, gather, machine

    settings = load_settings()
    wishes, complete = gather(settings, args.fallback, args.memory)
    planned = plan(wishes, machine(settings, args.memory))
    if args.json:
        show(as_json(planned))
    else:
        show_table(table(planned))
        for line in ("", *summary(planned)):
            show(line)
    return 0 if complete and all(row.state != "refused" for row in planned.rows) else 1
