"""A file that holds a character card → the card, its picture and its assets: PNG, JSON or CHARX.

What a file is, its first bytes say and not its name. Numbers that no JSON has become null, and that is told; nothing
else is changed. Knows no role folder.
"""

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from cards.card import Card, Json, card_of
from cards.charx import read_charx
from cards.png import SIGNATURE, card_bytes
from chatroom.weights import PICKLES
from knowledge.encodings import LARGEST_TEXT, decode
from knowledge.errors import UnreadableError

__all__ = ["Found", "parsed", "read_card"]

LARGEST_PICTURE = 256_000_000
_DEEPEST = 60
_ZIP = b"PK"
_OTHER_PICTURES = (b"\xff\xd8\xff", b"RIFF", b"GIF8", b"BM", b"\0\0\0 ftyp", b"\0\0\0\x1cftyp")


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a file holds.

    Args:
        picture: The whole PNG, or b"".
        assets: Other files that a CHARX brings, by their path in it.
        notes: What was left out or changed, for people.
    """

    card: Card
    picture: bytes = b""
    assets: Mapping[str, bytes] = {}
    notes: tuple[str, ...] = ()


def read_card(path: Path) -> Found:
    """Reads the card in a file.

    Raises:
        UnreadableError: There is none, or it is damaged.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(len(SIGNATURE))
            is_picture = head == SIGNATURE
            limit = LARGEST_PICTURE if is_picture else LARGEST_TEXT
            data = b"" if head.startswith(_ZIP) else head + stream.read(limit)
    except OSError as error:
        raise UnreadableError(path.name, f"it can't be read: {error.strerror}") from None
    if head.startswith(_ZIP):
        return _charx(path)
    if len(data) > limit:
        raise UnreadableError(path.name, f"it is larger than {limit // 1_000_000:,} MB")
    if problem := _no_card(data):
        raise UnreadableError(path.name, problem)
    try:
        card, notes = _card(card_bytes(data) if is_picture else data)
    except ValueError as error:
        raise UnreadableError(path.name, str(error)) from None
    return Found(card=card, picture=data if is_picture else b"", notes=notes)


def _no_card(data: bytes) -> str:
    """What is wrong with a file that can hold no card, as people would say it."""
    if not data.strip():
        return "it is empty: save the card anew"
    if data.startswith(_OTHER_PICTURES):
        return "it is a picture, but no PNG, and only a PNG carries a card: get the original, or the card as JSON"
    return ""


def parsed(data: bytes) -> tuple[Json, int]:
    """Reads JSON as programs write it, and counts the numbers in it that are none.

    Raises:
        ValueError: It is none; the message is for people.
    """
    odd = 0

    def number(text: str) -> float | int | None:
        nonlocal odd
        with suppress(ValueError):  # more digits than Python reads
            value = int(text) if text.lstrip("-").isdigit() else float(text)
            if isinstance(value, int) or math.isfinite(value):
                return value
        odd += 1
        return None

    try:
        found = json.loads(
            decode(data), strict=False, parse_constant=lambda _: number("inf"), parse_float=number, parse_int=number
        )
        return _clean(found, 0), odd
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON: {error}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _card(data: bytes) -> tuple[Card, tuple[str, ...]]:
    if len(data) > LARGEST_TEXT:
        raise ValueError(f"its card is larger than {LARGEST_TEXT // 1_000_000:,} MB")
    document, odd = parsed(data)
    notes = [f"{odd:,} numbers in the card are none (as NaN): they are read as null"] if odd else []
    card = card_of(document)
    if card.version > 3:
        notes.append(f"the card is of version {card.version:g}, which is newer than what is known here")
    return card, tuple(notes)


def _clean(value: Json, depth: int) -> Json:
    """The same JSON with halves of characters replaced, so that it can be stored."""
    if depth > _DEEPEST:
        raise ValueError("it is nested too deeply")
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_clean(part, depth + 1) for part in value]
    if isinstance(value, dict):
        return {str(_clean(key, depth + 1)): _clean(part, depth + 1) for key, part in value.items()}
    return value


def _charx(path: Path) -> Found:
    data, assets, left_out = read_charx(path)
    try:
        card, notes = _card(data)
    except ValueError as error:
        raise UnreadableError(path.name, str(error), "card.json") from None
    kept = {name: asset for name, asset in assets.items() if not name.lower().endswith(PICKLES)}
    left = [*left_out, *(name for name in assets if name not in kept)]
    if left:
        notes += (f"left out of the archive: {', '.join(left[:5])}{' and more' if len(left) > 5 else ''}",)
    return Found(card=card, picture=_icon(card, kept), assets=kept, notes=notes)


def _icon(card: Card, assets: Mapping[str, bytes]) -> bytes:
    """The picture of the character among the assets; the one called main comes first."""
    listed = card.data.get("assets")
    icons = [one for one in (listed if isinstance(listed, list) else []) if isinstance(one, dict)]
    icons = sorted((one for one in icons if one.get("type") == "icon"), key=lambda one: one.get("name") != "main")
    for uri in (str(one.get("uri", "")) for one in icons):
        asset = assets.get(uri.partition("://")[2], b"")
        if asset.startswith(SIGNATURE):
            return asset
    return b""
