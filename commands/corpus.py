"""corpus read, formats, speakers: scripts, tables, novels and chats made into scenes."""

import argparse
from pathlib import Path

from chatroom.settings import load_settings
from commands.base import show, show_table

HELP = "read scripts, tables, novels and chats"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    read = actions.add_parser("read", help="make scenes of files, and say what was read", description=_read.__doc__)
    read.add_argument("files", nargs="+", type=Path, metavar="FILE", help="files, and folders of them")
    read.add_argument("--role", metavar="ID", help="keep the scenes on this role's workbench")
    read.add_argument("--out", type=Path, metavar="FILE", help="write the scenes there, one JSON object a line")
    ask = "let this engine say who speaks, in novels, where no rule can tell; each such line is marked"
    read.add_argument("--attribute", metavar="ENGINE", help=ask)
    base = "whom --attribute asks: models/NAME, a folder or a hub id (default: models/hearth)"
    read.add_argument("--base", metavar="BASE", help=base)
    add_reading(read)
    read.set_defaults(action=_read)
    formats = actions.add_parser("formats", help="list what can be read", description=_formats.__doc__)
    formats.set_defaults(action=_formats)
    speakers = actions.add_parser("speakers", help="propose names that are one speaker", description=_speakers.__doc__)
    speakers.add_argument("files", nargs="+", type=Path, metavar="FILE", help="files, and folders of them")
    speakers.add_argument("--out", type=Path, default=Path("speakers.toml"), metavar="FILE", help="where to write them")
    add_reading(speakers)
    speakers.set_defaults(action=_speakers)


def add_reading(parser: argparse.ArgumentParser) -> None:
    """What a user may say of material, wherever it is read."""
    parser.add_argument("--format", default="", metavar="FORMAT", help="as `corpus formats` lists them; else found out")
    parser.add_argument("--speakers", type=Path, metavar="FILE", help="speakers.toml: which names are one speaker")
    parser.add_argument("--columns", default="", metavar="K=NAME,…", help="of a table: speaker=…,text=…,scene=…")
    parser.add_argument("--me", default="", metavar="NAME", help='who "I" is in a chat export or a novel')
    parser.add_argument("--pause", type=int, default=180, metavar="MIN", help="silence that ends a scene of a chat")
    parser.add_argument("--media", action="store_true", help="keep placeholders of pictures and voices, as [Photo]")
    scrub = parser.add_mutually_exclusive_group()
    scrub.add_argument("--scrub", action="store_true", default=None, help="take out numbers, addresses, accounts, keys")
    scrub.add_argument("--no-scrub", dest="scrub", action="store_false", help="leave a chat as it is")
    parser.add_argument("--hide", action="append", default=[], metavar="NAME", help="take this name out too")


def run(args: argparse.Namespace) -> int:
    """Runs the action that was chosen."""
    return int(args.action(args))


def _read(args: argparse.Namespace) -> int:
    """Reads files of dialogue and prints what was found: scenes, lines, speakers, and what was skipped and why. The
    format is found out by how a file looks. People's own chats are scrubbed of what identifies them."""
    from commands._corpus import keep, keep_on, read_material, show_material
    from finetune.places import Workbench

    settings = load_settings()
    bench = Workbench.of(settings.home, _role_id(args.role)) if args.role else None
    material = read_material(args, args.files, bench)
    asked = None
    if args.attribute:
        from commands._corpus_attribute import attribute

        material, asked = attribute(settings, args, material)
    show_material(material, asked)
    if bench is not None:
        show(f"scenes: {keep_on(bench, material)}")
    if args.out is not None:
        show(f"scenes: {keep(material, args.out)}")
    return 0 if material.scenes and not (asked and asked.error) else 1


def _role_id(text: str) -> str:
    """An id that can be a folder's name, of a role that need not exist yet.

    Raises:
        FolderError: It can't be one.
    """
    from chatroom.errors import FolderError
    from chatroom.roles import ROLE_ID

    if not ROLE_ID.fullmatch(text):
        raise FolderError(f"roles/{text}", "this can't be the id of a role", "use a-z, 0-9, - and _")
    return text


def _formats(args: argparse.Namespace) -> int:
    """Lists the formats that can be read, with the endings of their files."""
    from chatroom.plugins import load
    from finetune.reading import formats

    rows = [("FORMAT", "FILES", "WHAT IT IS")]
    for name in formats():
        corpus = load("finetune.corpora", name)
        rows.append((name, " ".join(corpus.SUFFIXES), corpus.HELP))
    show_table(rows)
    return 0


def _speakers(args: argparse.Namespace) -> int:
    """Writes down which names may be one speaker, and why. Nothing is merged: set merge = true where it is so, and pass
    the file as --speakers."""
    from commands._corpus import read_material
    from finetune.speakers.aliases import write_aliases
    from finetune.speakers.proposals import propose

    material = read_material(args, args.files, None)
    proposals = propose(material.report.speakers, material.scenes)
    write_aliases(args.out, proposals)
    for proposal in proposals:
        show(f"{proposal.name} = {', '.join(proposal.also)}? {proposal.why}")
    show(f"{len(proposals)} proposals are in {args.out}: set merge = true where they are right")
    return 0
