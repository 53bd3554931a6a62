"""A role folder → a character card. Over a card that is kept there, only what was edited in the folder is laid.

So what the folder has no place for comes out as it came in: other greetings, notes, unknown fields, macros.
"""

from pathlib import Path

from cards.book import kept_book, with_pages
from cards.card import OWN, Card, Json, Table, card_of, same_json
from cards.draft import OWN_FIELDS, Draft, draft_of
from cards.examples import examples_of
from cards.persona import FIELDS, parted
from cards.read import parsed
from cards.to_role import CARD
from chatroom.role_files import Folder
from chatroom.role_lines import FILE as LINES
from chatroom.role_lines import LARGEST as LARGEST_LINES
from chatroom.roles import Role
from knowledge.encodings import LARGEST_TEXT
from knowledge.errors import UnreadableError

__all__ = ["card_from"]

_USUAL_TALKATIVENESS = 0.5


def card_from(role: Role) -> tuple[Card, list[str]]:
    """The card of a role, and what is told of it.

    Raises:
        UnreadableError: The card or the lorebook in its folder can't be read.
    """
    kept, here = _kept(role.folder), _draft_in(role)
    was = draft_of(kept, role.name)
    data = {**kept.data, **_changes(kept, was, here)}
    book, notes = with_pages(_book(kept, was, here), role)
    if book is not None:
        data["character_book"] = book
    elif was.book is not None:  # somebody took it away
        data.pop("character_book", None)
    return _with_own(Card(data=data, around=kept.around), here), notes


def _kept(folder: Path) -> Card:
    opened = Folder.at(folder, f"roles/{folder.name}")
    if not opened.has(CARD):
        return Card(data={})
    try:
        return card_of(parsed(opened.read(CARD, LARGEST_TEXT))[0])
    except ValueError as error:
        raise UnreadableError(f"roles/{folder.name}/{CARD}", str(error)) from None


def _draft_in(role: Role) -> Draft:
    opened = Folder.at(role.folder, f"roles/{role.id}")
    return Draft(
        name=role.name,
        aliases=role.aliases,
        language=role.language,
        about=role.about,
        greeting=role.greeting,
        persona=role.persona,
        lines=opened.text(LINES, LARGEST_LINES) if opened.has(LINES) else "",
        book=kept_book(role.folder),
        talkativeness=role.talkativeness,
    )


def _changes(kept: Card, was: Draft, here: Draft) -> Table:
    """The fields of a card that say something else in the folder."""
    changed: Table = {}
    if here.name != was.name or "name" not in kept.data:
        changed["name"] = here.name
        if kept.text("nickname") and here.aliases != was.aliases:
            changed["nickname"] = here.aliases[0] if here.aliases else here.name
    if here.greeting != was.greeting:
        changed["first_mes"] = here.greeting
    if here.lines != was.lines:
        changed["mes_example"] = examples_of(here.lines, (here.name, *here.aliases))
    if here.talkativeness != (_USUAL_TALKATIVENESS if was.talkativeness is None else _rounded(was.talkativeness)):
        changed["extensions"] = {**kept.extensions, "talkativeness": here.talkativeness}
    return {**changed, **_persona_changes(was.persona, here.persona)}


def _rounded(talkativeness: float) -> float:
    """As role.toml writes it."""
    return float(f"{talkativeness:.6g}") if talkativeness >= 0.0001 else 0.0


def _persona_changes(was: str, here: str) -> Table:
    old, new = parted(was), parted(here)
    return {field: new.get(field, "") for field in FIELDS if new.get(field, "") != old.get(field, "")}


def _book(kept: Card, was: Draft, here: Draft) -> Table | None:
    """The book as the card had it, if nobody changed what was made of it."""
    if same_json(was.book, here.book):
        raw = kept.data.get("character_book")
        return raw if isinstance(raw, dict) else None
    return here.book


def _with_own(card: Card, here: Draft) -> Card:
    """Notes what would be read from the card otherwise than it is in the folder."""
    read = draft_of(card, here.name)
    values: dict[str, Json] = {"about": here.about, "aliases": [*here.aliases], "language": here.language}
    would: dict[str, Json] = {"about": read.about, "aliases": [*read.aliases], "language": read.language}
    own = {name: values[name] for name in OWN_FIELDS if values[name] != would[name]}
    if not own:
        return card
    extensions: Table = {**card.extensions, OWN: {**card.own, **own}}
    return Card(data={**card.data, "extensions": extensions}, around=card.around)
