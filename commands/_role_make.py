"""role make: from material to a seat. Every stage is a command that can be given alone; this gives them in order.

A run that was stopped goes on with the same command: what a stage left on the workbench is used again where nothing of
it has changed. Knows no format and no training.
"""

import argparse
import os
import shlex
import shutil
from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from chatroom.errors import FolderError
from chatroom.names import name_key
from chatroom.settings import load_settings
from commands._corpus import Material, keep_on, read_material, show_material
from commands._new_role import role_toml, write_files
from commands._role_order import Order, order_of
from commands.base import follow, parser, say, show
from finetune.errors import WorkshopError
from finetune.model_card import languages_of, speaks
from finetune.reading import language_of

FEW = 30
"""Turns below which a voice can hardly be learnt."""
MOST_NAMES = 2000
"""Speakers among whom the nearest name is looked for."""
LONGEST_TITLE = 200
PERSONA = {"en": "{name}, as in {title}.", "zh": "{name}，出自《{title}》。"}
ABOUT = {"en": "From {title}.", "zh": "出自《{title}》。"}


def make(args: argparse.Namespace) -> int:
    """Reads the material, makes the role folder, trains, makes what it knows searchable, checks and seats it."""
    order = order_of(load_settings(), args)
    for stage in _stages(args, order, order.name):
        parser().parse_args(stage)  # what a later stage can't use ends it now, as any wrong command line does
    show("reading the material")
    material, called = _read(args, order)
    language = args.language or language_of(material.scenes) or "en"
    if not args.anyway:
        _check_language(order, language)
    if not order.folder.exists():
        _write_folder(order.folder, _files(args, order, language))
        show(f"made: roles/{order.id}")
    for stage in _stages(args, order, called):
        show(f"\n$ python launch.py {shlex.join(stage)}")
        if status := follow(stage):
            say(f"stopped there; when that is mended, give the same command: role make {order.id} ...")
            return status
    _say_what_next(args)
    return 0


def _read(args: argparse.Namespace, order: Order) -> tuple[Material, str]:
    """Reads the material onto the workbench; gives it, and what the role is called there.

    Raises:
        WorkshopError: Nothing can be read, or nobody of that name speaks there.
    """
    material = read_material(args, args.files, order.bench)
    show_material(material)
    turns = [line.name for scene in material.scenes for line in scene.lines if line.name]
    if not turns:
        raise WorkshopError("--from", "nobody speaks in the material", "`corpus formats` lists what can be read")
    called = _called(order.name, material)
    own = sum(name_key(name) == name_key(called) for name in turns)
    if not own:
        problem = f"nobody called {order.name!r} speaks in the material"
        raise WorkshopError("--as", problem, _who_else(order.name, turns))
    if own < FEW:
        say(f"{order.name} has only {own} lines: a voice is hardly learnt from fewer than {FEW}")
    keep_on(order.bench, material)
    return material, called


def _who_else(name: str, turns: Sequence[str]) -> str:
    """A remedy for a name that nobody has: the nearest one, whatever its case and width, or who says most."""
    most = [each for each, _ in Counter(turns).most_common(MOST_NAMES)]
    known = {name_key(each): each for each in most}
    close = get_close_matches(name_key(name), known, n=1)
    return f"did you mean {known[close[0]]!r}?" if close else f"who says most there: {', '.join(most[:20])}"


def _called(name: str, material: Material) -> str:
    """What somebody is called in the scenes: as asked, or what that name became there."""
    for alias in material.merged:
        if name_key(name) in map(name_key, alias.also):
            return alias.name
    return name


def _check_language(order: Order, language: str) -> None:
    """Refuses a base that was not trained on the material's language, as its card says."""
    known = languages_of(order.base_folder)
    if not speaks(known, language):
        problem = f"it knows {', '.join(known)}, and the material is in {language!r}"
        remedy = "name a base that knows it, as --base models/NAME with its files there, or insist with --anyway"
        raise WorkshopError(order.base, problem, remedy)


def _write_folder(folder: Path, files: dict[str, str]) -> None:
    """Writes a role folder that is there as a whole or not at all."""
    draft = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(draft, ignore_errors=True)  # of a run that was stopped in here
    try:
        write_files(draft, files)
        os.replace(draft, folder)
    except OSError as error:
        problem = f"it can't be written: {error.strerror or error}"
        raise FolderError(f"roles/{folder.name}", problem, "check the disk and permissions") from None


def _files(args: argparse.Namespace, order: Order, language: str) -> dict[str, str]:
    """The files of the role folder, as far as they are known before training."""
    words = language[:2].lower() if language[:2].lower() in PERSONA else "en"
    title = (" ".join(args.title.split()) or args.files[0].resolve().stem)[:LONGEST_TITLE]
    persona = order.persona or PERSONA[words].format(name=order.name, title=title)
    about = ABOUT[words].format(title=title)
    return {
        "role.toml": role_toml(order.id, order.name, language, about=about, base=order.base),
        "persona.md": persona + "\n",
    }


def _stages(args: argparse.Namespace, order: Order, called: str) -> list[list[str]]:
    """The commands that follow, as one could give them."""
    named = [] if name_key(called) == name_key(order.name) else [f"--as={called}"]
    train = [word for key in ("kind", "epochs", "minutes", "seeds") for word in _flag(key, getattr(args, key))]
    train += [flag for flag, said in (("--anyway", args.anyway), ("--restart", args.again)) if said]
    stages = [["dataset", "build", order.id, *named, "--recall", "0"]]
    if args.wiki:
        stages.append(["knowledge", "import", order.id, *(str(path.resolve()) for path in args.wiki)])
    stages += [
        ["knowledge", "build", order.id],
        ["dataset", "build", order.id, *named],
        ["finetune", order.id, "--base", order.base, *train],
        ["role", "check", order.id],
    ]
    return [*stages, ["rooms", "seat", args.room, order.id]] if args.room else stages


def _flag(key: str, value: object) -> list[str]:
    return [] if value is None else [f"--{key}={value}"]


def _say_what_next(args: argparse.Namespace) -> None:
    folder = Path("roles") / args.id
    show(f"\n{args.role_name} is ready. What makes the most of it now:")
    show(f"  say who it is in {folder}/persona.md, and what it knows in {folder}/wiki/")
    show(f"  look at what it learnt in var/workshop/{args.id}/: dataset/preview.md, runs/*/samples.md")
    show(f"  talk: python launch.py room {args.room}" if args.room else f"  seat it: rooms seat ROOM {args.id}")
