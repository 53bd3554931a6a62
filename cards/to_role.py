"""A character card → the files of a role folder. The card itself is kept beside them, whole, for an export.

It writes nothing; landing.py does.
"""

import json
from collections.abc import Mapping

import msgspec

from cards.card import Card, Json
from cards.draft import LONGEST_GREETING, Draft, draft_of
from cards.examples import MOST
from cards.read import Found
from cards.role_text import role_toml
from chatroom.role_lines import FILE as LINES

__all__ = ["BOOK", "CARD", "PICTURE", "Made", "json_bytes", "role_from"]

CARD, PICTURE, BOOK = "card.json", "card.png", "wiki/lorebook.json"


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A role that was made of a card: its files by their path in the folder, and what to tell of it."""

    draft: Draft
    files: Mapping[str, bytes]
    notes: tuple[str, ...]


def role_from(found: Found, id: str, fallback: str, called: str = "") -> Made:
    """The role that a card describes.

    Args:
        fallback: A name for one whose name can't be used.
        called: What it is called here, whatever the card says.
    """
    draft = draft_of(found.card, fallback, called)
    files = {
        **found.assets,
        "role.toml": _toml(draft, id).encode(),
        "persona.md": f"{draft.persona}\n".encode() if draft.persona else b"",
        LINES: draft.lines.encode(),
        BOOK: json_bytes({"spec": "lorebook_v3", "data": draft.book}) if draft.book else b"",
        PICTURE: found.picture,
        CARD: json_bytes(found.card.document()),
    }
    kept = {name: data for name, data in files.items() if data}
    return Made(draft=draft, files=kept, notes=(*found.notes, *_notes(found.card, draft, called)))


def json_bytes(value: Json, indent: int | None = 2) -> bytes:
    """JSON as people can read it."""
    return json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=False).encode() + b"\n"


def _toml(draft: Draft, id: str) -> str:
    return role_toml(
        id,
        name=draft.name,
        aliases=draft.aliases,
        language=draft.language,
        about=draft.about,
        greeting=draft.greeting,
        sources=["wiki"] if draft.book else [],
        talkativeness=draft.talkativeness,
    )


def _notes(card: Card, draft: Draft, called: str) -> list[str]:
    """What became of the card that its author may not expect."""
    notes = []
    if not called and draft.name != card.text("name").strip():
        notes.append(f"the card's name {card.text('name')[:60]!r} can't stand at the table: it is {draft.name!r} here")
    if len(card.text("first_mes")) > LONGEST_GREETING and draft.greeting.endswith("…"):
        notes.append(f"the greeting was cut at {LONGEST_GREETING:,} characters: card.json has it whole")
    if more := len(card.texts("alternate_greetings")) + len(card.texts("group_only_greetings")):
        notes.append(f"{more:,} other greetings are kept in card.json")
    if card.text("mes_example").strip() and not draft.lines:
        notes.append("its example dialogues have no {{char}}: lines, so there is no lines.jsonl; card.json has them")
    if draft.lines.count("\n") == MOST:
        notes.append(f"only the first {MOST:,} example lines were taken")
    if not draft.persona:
        notes.append("the card says nothing about the character: write persona.md")
    return notes
