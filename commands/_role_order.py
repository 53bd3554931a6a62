"""What `role make` was asked for, checked before anything is read: a reading or a training is too long to fail after.

Names the first thing that stands against it, and what to do. Knows no material and no training.
"""

import argparse
import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import msgspec

from chatroom.errors import FolderError
from chatroom.names import name_fault, name_key
from chatroom.role_toml import RoleToml
from chatroom.roles import ROLE_ID, check_role, find_roles, read_role
from chatroom.rooms import find_rooms
from chatroom.settings import Settings
from chatroom.toml_table import nearest, parse_toml, read_table
from commands._base_folder import base_folder
from finetune.errors import WorkshopError
from finetune.places import Workbench
from knowledge.encodings import decode

LARGEST_PERSONA = 256_000
"""Bytes."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is to become of whom, checked.

    Args:
        base: As role.toml names it.
        base_folder: Where its files are.
        persona: Who it is; "" where nothing was said of it.
    """

    id: str
    name: str
    folder: Path
    bench: Workbench
    base: str
    base_folder: Path
    persona: str


def order_of(settings: Settings, args: argparse.Namespace) -> Order:
    """Refuses what can't become a role before anything is read.

    Raises:
        ChatroomError: The first thing that stands against it.
    """
    if not ROLE_ID.fullmatch(args.id):
        raise FolderError(f"roles/{args.id}", "this can't be the id of a role", "use a-z, 0-9, - and _")
    name, folder = args.role_name.strip(), settings.roles / args.id
    if problem := name_fault(name):
        raise WorkshopError("--as", f"the name {problem}", "give the name as it can stand at the table")
    bench = Workbench.of(settings.home, args.id)
    _check_free(settings, folder, name, bench)
    _check_writable(folder)
    if args.room and args.room not in (rooms := find_rooms(settings.rooms)):
        raise FolderError(f"rooms/{args.room}.toml", "there is no such room", nearest(args.room, rooms))
    _check_wiki(args.wiki or ())
    _check_language(args.language)
    base, base_files = _base(settings, folder, args.base)
    persona = _persona(args.persona) if args.persona else ""
    return Order(id=args.id, name=name, folder=folder, bench=bench, base=base, base_folder=base_files, persona=persona)


def _check_free(settings: Settings, folder: Path, name: str, bench: Workbench) -> None:
    """Refuses a role that others made, and the name of another one."""
    label = f"roles/{folder.name}"
    if folder.exists() and not (bench.scenes.is_file() and name_key(_name_in(folder)) == name_key(name)):
        raise FolderError(label, "there is such a role already, of other material or another name", "choose another id")
    for other in find_roles(settings.roles):
        if other != folder.name and not check_role(settings.roles / other, settings.models):
            role = read_role(settings.roles / other, settings.models)
            if name_key(role.name) == name_key(name):
                problem = f"the role {other!r} is called {role.name!r} too"
                raise FolderError(label, problem, f"take {other!r} away, or give this one another name")


def _check_writable(folder: Path) -> None:
    """Refuses a folder that can't be written: what is trained for hours is put there at the end."""
    place = next((path for path in (folder, *folder.absolute().parents) if path.exists()), folder)
    if not os.access(place, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        raise FolderError(f"roles/{folder.name}", "it can't be written", f"check the permissions of {place}")


def _name_in(folder: Path) -> str:
    """What role.toml says it is called; "" where it can't be read."""
    try:
        return read_table(RoleToml, parse_toml((folder / "role.toml").read_bytes()))[0].name
    except (OSError, ValueError):
        return ""


def _check_wiki(files: Iterable[Path]) -> None:
    for path in files:
        if not path.exists():
            raise WorkshopError(str(path), "there is no such file", "correct --wiki")


def _check_language(language: str) -> None:
    _, faults = read_table(RoleToml, {"language": language or "en"})
    if faults:
        raise WorkshopError("--language", faults[0].problem, "write it as en, zh or pt-BR")


def _base(settings: Settings, folder: Path, asked: str) -> tuple[str, Path]:
    """The base as role.toml names it, and its folder; the bare name of a folder in models/ will do.

    Raises:
        WorkshopError: There is none, or not in models/.
    """
    inside = PurePosixPath(asked.removeprefix("models/"))
    if not inside.is_absolute() and ".." not in inside.parts and (settings.models / inside / "config.json").is_file():
        return f"models/{inside}", settings.models / inside  # which may be a link to anywhere
    found, models = base_folder(settings, folder, asked).resolve(), settings.models.resolve()
    if not found.is_relative_to(models):
        raise WorkshopError("--base", f"{asked!r} is not in {models}", "put it there: a role is served from it")
    return f"models/{found.relative_to(models).as_posix()}", found


def _persona(path: Path) -> str:
    """A file's text, in whichever encoding.

    Raises:
        WorkshopError: It can't be read, or says nothing.
    """
    remedy = "pass a text file with a few sentences as --persona"
    try:
        with path.open("rb") as stream:
            data = stream.read(LARGEST_PERSONA + 1)
        text = decode(data).strip()
    except (OSError, ValueError) as error:
        problem = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise WorkshopError(str(path), f"it can't be read: {problem}", remedy) from None
    if not text or len(data) > LARGEST_PERSONA:
        raise WorkshopError(str(path), "it is too large" if text else "it is empty", remedy)
    return text
