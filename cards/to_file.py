"""A role → a file with its card: a PNG picture, a CHARX archive or JSON.

The picture is the one that was asked for, else the one the role came with, else a plain one. Knows no command line.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import IO

from cards.card import SPEC_V2, Card, Json
from cards.charx import ASSETS, LIMITS, write_charx
from cards.from_role import card_from
from cards.picture import picture_of
from cards.png import with_texts
from cards.read import LARGEST_PICTURE
from cards.to_role import PICTURE, json_bytes
from chatroom.role_files import Folder
from chatroom.roles import Role
from knowledge.errors import UnreadableError

__all__ = ["write_card"]

_ICON = f"{ASSETS}icon/images/main.png"


def write_card(stream: IO[bytes], role: Role, kind: str, picture: Path | None = None) -> list[str]:
    """Writes the card of a role.

    Args:
        kind: `png`, `charx` or `json`.
        picture: A PNG that carries it in place of the role's own.

    Returns:
        What is to be told of it, for people.

    Raises:
        UnreadableError, FolderError: Something in the role's folder, or the picture, can't be read.
    """
    card, notes = card_from(role)
    notes += _left_behind(role)
    if kind == "png":
        stream.write(_png(card, *_picture(role, picture)))
    elif kind == "charx":
        notes += _write_charx(stream, card, role, picture)
    else:
        stream.write(json_bytes(card.document()))
    return notes


def _left_behind(role: Role) -> list[str]:
    """What it speaks with and no card can carry."""
    parts = [name for name, there in (("adapter", role.adapter or role.lora), ("weights", role.weights)) if there]
    if not parts:
        return []
    return [f"left behind: its {' and '.join(parts)}, which only a package carries (--as package)"]


def _png(card: Card, picture: bytes, label: str) -> bytes:
    """Both chunks: older programs read `chara`, newer ones `ccv3`."""
    texts = [(b"chara", json_bytes(card.document(SPEC_V2), None)), (b"ccv3", json_bytes(card.document(), None))]
    try:
        return with_texts(picture, texts)
    except ValueError as error:
        raise UnreadableError(label, str(error)) from None


def _picture(role: Role, wanted: Path | None) -> tuple[bytes, str]:
    """A picture, and how a user names it."""
    if wanted:
        return Folder.at(wanted.parent).read(wanted.name, LARGEST_PICTURE), str(wanted)
    folder = Folder.at(role.folder, f"roles/{role.id}")
    if folder.has(PICTURE):
        return folder.read(PICTURE, LARGEST_PICTURE), f"roles/{role.id}/{PICTURE}"
    return picture_of(role.name), ""


def _write_charx(stream: IO[bytes], card: Card, role: Role, wanted: Path | None) -> list[str]:
    assets, notes = _assets(role)
    if wanted or not _has_icon(card, assets):
        picture, label = _picture(role, wanted)
        try:
            assets[_ICON] = with_texts(picture, ())
        except ValueError as error:
            raise UnreadableError(label, str(error)) from None
        card = _with_icon(card)
    write_charx(stream, json_bytes(card.document()), assets)
    return notes


def _assets(role: Role) -> tuple[dict[str, bytes], list[str]]:
    """The assets that came with the card, as far as an archive holds them."""
    folder, left = Folder.at(role.folder, f"roles/{role.id}"), LIMITS.total
    found: dict[str, bytes] = {}
    for path in sorted((role.folder / ASSETS).rglob("*")):
        name = path.relative_to(role.folder).as_posix()
        if not path.is_file() or "/." in name:
            continue
        left -= folder.size(name)
        if left < 0 or len(found) >= LIMITS.entries - 2:
            return found, [f"left out: {name} and what comes after it, for the archive would be too large"]
        found[name] = folder.read(name, LIMITS.total)
    return found, []


def _icons(card: Card) -> list[dict[str, Json]]:
    listed = card.data.get("assets")
    entries = [one for one in (listed if isinstance(listed, list) else []) if isinstance(one, dict)]
    return [one for one in entries if one.get("type") == "icon"]


def _has_icon(card: Card, assets: Mapping[str, bytes]) -> bool:
    return any(str(one.get("uri")).partition("://")[2] in assets for one in _icons(card))


def _with_icon(card: Card) -> Card:
    """The card with the picture as its main icon, in place of another one."""
    listed = card.data.get("assets")
    others = [one for one in (listed if isinstance(listed, list) else []) if one not in _main(card)]
    icon: Json = {"type": "icon", "uri": f"embeded://{_ICON}", "name": "main", "ext": "png"}
    return Card(data={**card.data, "assets": [icon, *others]}, around=card.around)


def _main(card: Card) -> list[dict[str, Json]]:
    return [one for one in _icons(card) if one.get("name") == "main"]
