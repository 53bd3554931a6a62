"""role export: a role folder becomes a character card for other programs, or a package for another table."""

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING

from chatroom.errors import FolderError
from chatroom.settings import load_settings
from commands.base import show

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from chatroom.roles import Role

    Actions = _SubParsersAction[argparse.ArgumentParser]

SUFFIXES = {"png": ".png", "charx": ".charx", "json": ".card.json", "package": ".chatroom.zip"}


def add_export(actions: "Actions") -> None:
    """Adds the action to those of `role`."""
    parser = actions.add_parser("export", help="write a role as a card or package", description=run_export.__doc__)
    parser.add_argument("role", metavar="ROLE")
    parser.add_argument(
        "--as", dest="kind", choices=tuple(SUFFIXES), default="png", help="what it becomes (default: png)"
    )
    parser.add_argument("--out", metavar="FILE", type=Path, help="where it goes (default: ROLE and a suffix, here)")
    parser.add_argument("--picture", metavar="PNG", type=Path, help="the picture that carries the card")
    parser.set_defaults(action=run_export)


def run_export(args: argparse.Namespace) -> int:
    """Writes a role as a character card (PNG, CHARX, JSON), or as a package with its adapter and all it knows."""
    from chatroom.roles import find_roles, read_role
    from chatroom.toml_table import nearest

    settings = load_settings()
    existing = find_roles(settings.roles)
    if args.role not in existing:
        raise FolderError(f"roles/{args.role}", "there is no such role", nearest(args.role, existing))
    role = read_role(settings.roles / args.role, settings.models)
    _check_picture(args.picture, args.kind)
    out = args.out or Path(f"{role.id}{SUFFIXES[args.kind]}")
    for note in _written(out, lambda stream: _export(role, args.kind, args.picture, stream)):
        show(f"note: {note}")
    show(f"{role.name} is in {out}")
    return 0


def _check_picture(picture: Path | None, kind: str) -> None:
    if picture and kind not in ("png", "charx"):
        raise FolderError(str(picture), f"a {kind} shows no picture of its own", "leave --picture out, or use --as png")


def _export(role: "Role", kind: str, picture: Path | None, stream: IO[bytes]) -> list[str]:
    from cards.package import write_package
    from cards.to_file import write_card

    return write_package(stream, role) if kind == "package" else write_card(stream, role, kind, picture)


def _written(out: Path, write: Callable[[IO[bytes]], list[str]]) -> list[str]:
    """Writes a file beside its place and puts it there when it is whole; nothing is overwritten."""
    if os.path.lexists(out):
        raise FolderError(str(out), "there is such a file already", "name another one with --out")
    beside = ""
    try:
        with tempfile.NamedTemporaryFile(dir=out.parent, prefix=".exporting-", delete=False) as stream:
            beside = stream.name
            notes = write(stream)
        os.chmod(beside, 0o644)
        os.rename(beside, out)
    except OSError as error:
        raise FolderError(str(out), f"it can't be written: {error.strerror}", "check the folder and disk") from None
    finally:
        if beside and os.path.exists(beside):
            os.unlink(beside)
    return notes
