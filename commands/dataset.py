"""dataset build, formats: scenes made into examples that a role is trained on."""

import argparse
from pathlib import Path

from chatroom import plugins
from chatroom.settings import load_settings
from commands.base import show_table

HELP = "make scenes into examples to train on"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    build = actions.add_parser("build", help="make a role's training examples", description=_build.__doc__)
    build.add_argument("role", metavar="ROLE")
    build.add_argument("--as", dest="named", action="append", default=[], metavar="NAME", help="its name in the scenes")
    read = 'scenes.jsonl, or a lines.jsonl (default: what "corpus read --role" kept; else the role\'s lines.jsonl)'
    build.add_argument("--from", dest="files", action="append", default=[], type=Path, metavar="FILE", help=read)
    build.add_argument("--lines", action="store_true", help="replace a lines.jsonl that others wrote")
    known = plugins.names("finetune.dataset.exports")  # a wrong one is told before anything is built
    said = "write it for another trainer too; may be given again"
    build.add_argument("--export", dest="exports", action="append", default=[], choices=known, help=said)
    add_building(build)
    build.set_defaults(action=_build)
    formats = actions.add_parser("formats", help="list what can be exported to", description=_formats.__doc__)
    formats.set_defaults(action=_formats)


def add_building(parser: argparse.ArgumentParser) -> None:
    """How a dataset is built, wherever one is."""
    modes = ("scene", "window", "single", "merged")
    parser.add_argument("--mode", choices=modes, default="scene", help="how much of a scene is heard (default: all)")
    parser.add_argument("--window", type=int, default=8, metavar="N", help="lines heard with --mode window")
    parser.add_argument("--characters", type=int, default=8000, metavar="N", help="most that is heard (default: 8000)")
    held = "share of its turns to measure by (default: 0.1)"
    parser.add_argument("--held-out", type=float, default=0.1, metavar="SHARE", help=held)
    recall = "share of moments in which it is reminded of what it knows (default: 0.3)"
    parser.add_argument("--recall", type=float, default=0.3, metavar="SHARE", help=recall)
    parser.add_argument("--general", type=Path, metavar="FILE", help="scenes of other people to mix in, or a folder")
    parser.add_argument("--general-ratio", type=float, default=0.1, metavar="N", help="so many for each own example")
    parser.add_argument("--others", type=float, default=0.0, metavar="N", help="other speakers' turns for each own one")
    parser.add_argument("--room", default="", metavar="ID", help="whose premise stands where a scene has none")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="decides what is held out and mixed in")


def run(args: argparse.Namespace) -> int:
    """Runs the action that was chosen."""
    return int(args.action(args))


def _build(args: argparse.Namespace) -> int:
    """Makes training examples of a role's turns: each with what was heard before it, laid out as in a room. A tenth of
    the turns, whole scenes, is held out to measure by. Writes the examples, counts and preview.md to the workbench, and
    what is learnt to the role's lines.jsonl, for its voice at the table; one that others wrote stays as it is."""
    from commands._dataset_build import build_dataset, show_counts, write_lines, write_preview
    from commands._knowledge_roles import one
    from finetune.dataset.export import write_exports
    from finetune.places import Workbench

    settings = load_settings()
    role, bench = one(settings, args.role), Workbench.of(settings.home, args.role)
    dataset, folder = build_dataset(settings, role, bench, args), bench.dataset
    show_counts(dataset)
    written = [folder, *write_preview(folder, role, dataset)]
    written += write_exports(folder / "exports", dataset, args.exports) if args.exports else []
    written += write_lines(folder, role, dataset, insist=args.lines)
    show_table([("written", str(path)) for path in written])
    return 0


def _formats(args: argparse.Namespace) -> int:
    """Lists the formats of other trainers that a dataset can be written in."""
    from finetune.dataset.export import KIND, formats

    show_table([("FORMAT", "WHAT READS IT"), *((name, plugins.load(KIND, name).HELP) for name in formats())])
    return 0
