"""merge: base and adapter in one folder of weights, for engines that take no adapters."""

import argparse
from pathlib import Path

from commands.base import say, show

HELP = "merge a role's LoRA into its base"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("role", metavar="ROLE")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: var/workshop/ROLE/merged")


def run(args: argparse.Namespace) -> int:
    """Merges the ordinary LoRA of a role, checks that greedy replies stay the same, and says how to use the result."""
    from chatroom.roles import read_role
    from chatroom.settings import load_settings
    from commands._base_folder import base_folder
    from finetune.errors import WorkshopError
    from finetune.merge import merge
    from finetune.places import Workbench

    settings = load_settings()
    role = read_role(settings.roles / args.role, settings.models)
    adapter = role.lora or (role.adapter.path if role.adapter else "")
    if not adapter:
        raise WorkshopError(f"roles/{args.role}", "it has no adapter", f"python launch.py finetune {args.role}")
    base = base_folder(settings, role.folder, role.base)
    merged = merge(base, Path(adapter), args.out or Workbench.of(settings.home, args.role).merged)
    show(f"written: {merged.folder}")
    if merged.alike < merged.asked:
        say(f"warning: {merged.asked - merged.alike} of {merged.asked} greedy replies differ, by rounding or worse")
    else:
        show(f"greedy replies before and after agree on all {merged.asked} prompts")
    show(f"to serve the role with it, copy it to {role.folder / 'weights'} and in role.toml, under [model], replace")
    show('adapter and lora by: weights = "weights"')
    return 0
