"""role make: from material to a seat. Every stage is a command that can be given alone; this gives them in order.

A run that was stopped goes on with the same command: what a stage left on the workbench is used again where nothing of
it has changed. Knows no format and no training.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from chatroom.errors import FolderError
from chatroom.names import name_fault, name_key
from chatroom.roles import ROLE_ID
from chatroom.settings import Settings, load_settings
from chatroom.toml_table import nearest
from commands._corpus import keep, read_material, show_material
from commands._new_role import role_toml, write_files
from commands.base import follow, say, show
from finetune.dialogue import Scene
from finetune.errors import WorkshopError
from finetune.model_card import languages_of, speaks
from finetune.places import Workbench
from finetune.reading import language_of

FEW = 30
"""Turns below which a voice can hardly be learnt."""
PERSONA = {"en": "{name}, as in {title}.", "zh": "{name}，出自《{title}》。"}
ABOUT = {"en": "From {title}.", "zh": "出自《{title}》。"}


def make(args: argparse.Namespace) -> int:
    """Reads the material, makes the role folder, trains, makes what it knows searchable, checks and seats it."""
    settings = load_settings()
    name, bench = args.role_name, Workbench.of(settings.home, args.id)
    _check(settings, args, bench)
    show("reading the material")
    scenes = _scenes(args, bench)
    language = args.language or language_of(scenes) or "en"
    if not args.anyway:
        _check_language(settings, args.base, language)
    if not (settings.roles / args.id).exists():
        write_files(settings.roles / args.id, _files(args, name, language))
        show(f"made: roles/{args.id}")
    for stage in _stages(args):
        show(f"\n$ python launch.py {' '.join(stage)}")
        if status := follow(stage):
            say(f"stopped there; when that is mended, give the same command: role make {args.id} ...")
            return status
    _say_what_next(args)
    return 0


def _check(settings: Settings, args: argparse.Namespace, bench: Workbench) -> None:
    """Refuses what can't become a role before anything is read."""
    label = f"roles/{args.id}"
    if not ROLE_ID.fullmatch(args.id):
        raise FolderError(label, "this can't be the id of a role", "use a-z, 0-9, - and _")
    if problem := name_fault(args.role_name):
        raise WorkshopError("--as", f"the name {problem}", "give the name as it can stand at the table")
    if (settings.roles / args.id).exists() and not bench.scenes.is_file():
        raise FolderError(label, "there is such a role already", "choose another id")


def _scenes(args: argparse.Namespace, bench: Workbench) -> Sequence[Scene]:
    """Reads the material onto the workbench.

    Raises:
        WorkshopError: Nobody of that name speaks there.
    """
    material = read_material(args, args.files, bench)
    show_material(material)
    turns = [line.name for scene in material.scenes for line in scene.lines if line.name]
    own = sum(name_key(name) == name_key(args.role_name) for name in turns)
    if not own:
        remedy = nearest(args.role_name, sorted(set(turns)))
        raise WorkshopError("--as", f"nobody called {args.role_name!r} speaks in the material", remedy)
    if own < FEW:
        say(f"{args.role_name} has only {own} lines: a voice is hardly learnt from fewer than {FEW}")
    keep(material, bench.scenes)
    return material.scenes


def _check_language(settings: Settings, base: str, language: str) -> None:
    """Refuses a base that was not trained on the material's language, as its card says."""
    known = languages_of(settings.models / base.removeprefix("models/"))
    if not speaks(known, language):
        problem = f"it knows {', '.join(known)}, and the material is in {language!r}"
        remedy = "name a base that knows it, as --base models/NAME with its files there, or insist with --anyway"
        raise WorkshopError(base, problem, remedy)


def _files(args: argparse.Namespace, name: str, language: str) -> dict[str, str]:
    """The files of the role folder, as far as they are known before training."""
    words = language if language in PERSONA else "en"
    title = args.title or args.files[0].stem
    persona = (
        args.persona.read_text(encoding="utf-8") if args.persona else PERSONA[words].format(name=name, title=title)
    )
    about = ABOUT[words].format(title=title)
    return {
        "role.toml": role_toml(args.id, name, language, about=about, base=args.base),
        "persona.md": persona.strip() + "\n",
    }


def _stages(args: argparse.Namespace) -> list[list[str]]:
    """The commands that follow, as one could give them."""
    anyway = ["--anyway"] if args.anyway else []
    train = [word for key in ("kind", "epochs", "minutes", "seeds") for word in _flag(key, getattr(args, key))]
    stages = [["dataset", "build", args.id, "--recall", "0"]]
    if args.wiki:
        stages.append(["knowledge", "import", args.id, *map(str, args.wiki)])
    stages += [
        ["knowledge", "build", args.id],
        ["dataset", "build", args.id],
        ["finetune", args.id, *train, *anyway],
        ["role", "check", args.id],
    ]
    return [*stages, ["rooms", "seat", args.room, args.id]] if args.room else stages


def _flag(key: str, value: object) -> list[str]:
    return [] if value is None else [f"--{key}", str(value)]


def _say_what_next(args: argparse.Namespace) -> None:
    folder = Path("roles") / args.id
    show(f"\n{args.role_name} is ready. What makes the most of it now:")
    show(f"  say who it is in {folder}/persona.md, and what it knows in {folder}/wiki/")
    show(f"  look at what it learnt in var/workshop/{args.id}/: dataset/preview.md, runs/*/samples.md")
    show(f"  talk: python launch.py room {args.room}" if args.room else f"  seat it: rooms seat ROOM {args.id}")
