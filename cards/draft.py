"""What a role folder says that a card says too: derived from a card, or read from a folder.

An export compares both, so that only what somebody edited in the folder replaces what the card said. Knows no model
and writes nothing.
"""

import re

import msgspec

from cards.card import Card, Json, Table
from cards.examples import lines_of
from cards.macros import plain
from cards.persona import FIELDS, joined
from cards.spelling import language_of, name_from
from chatroom.names import name_fault, name_key

__all__ = ["OWN_FIELDS", "Draft", "draft_of"]

LONGEST_ABOUT, LONGEST_GREETING = 120, 4_000
OWN_FIELDS = ("about", "aliases", "language")
"""What a card has no field for: an export notes it among the extensions."""
_MOST_ALIASES, _LONGEST_ABOUT_KEPT = 32, 300
_END = re.compile(r"(?<=[.!?])\s|(?<=[。！？])|\n")
_HEADING = re.compile(r"[ \t]{0,3}#{1,6}[ \t]")
_LIST = re.compile(r"[\[<{(【〔（]|[\w ]{1,30}(?:[:=：]|\([\"“'])")
"""How a description begins that is a list of properties and no prose: `[Name: Mara; Age: 30]`, `Name("Mara")`."""
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8}){0,5}")
_OLD_CHAR = re.compile(r"\{\{\s{0,9}(?:char|bot)\s{0,9}\}\}|<(?:char|bot)>", re.IGNORECASE)


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A role without what it speaks with.

    Args:
        lines: The text of lines.jsonl.
        book: Its lorebook, in which the character has its name.
        talkativeness: None where nobody says.
    """

    name: str
    aliases: tuple[str, ...] = ()
    language: str = "en"
    about: str = ""
    greeting: str = ""
    persona: str = ""
    lines: str = ""
    book: Table | None = None
    talkativeness: float | None = None


def draft_of(card: Card, fallback: str = "", called: str = "") -> Draft:
    """The role that a card describes.

    Args:
        fallback: A name for one whose name can't be used.
        called: What it is called here, whatever the card says.
    """
    name = called or name_from(card.text("name"), card.text("nickname"), fallback)
    nickname = name_from(card.text("nickname"), name)
    sections = {field: plain(card.text(field), nickname).strip() for field in FIELDS}
    language = _own_language(card) or language_of(sections["description"] + card.text("first_mes"))
    book = card.book
    return Draft(
        name=name,
        aliases=_aliases(card, name, nickname),
        language=language,
        about=_own_about(card) or first_sentence(sections["description"]),
        greeting=_shortened(plain(card.text("first_mes"), nickname, "said").strip()),
        persona=joined(sections, language),
        lines=lines_of(card.text("mes_example"), {name, nickname, card.text("name"), card.text("nickname")}, nickname),
        book=_named(book, nickname) if book else None,
        talkativeness=card.talkativeness,
    )


def first_sentence(text: str) -> str:
    """The first sentence of a description, in one line and below its headings; "" for a list of properties."""
    lines = [line for line in text[:2_000].split("\n") if not _HEADING.match(line)]
    start = "\n".join(lines).strip().lstrip("#*_- ").strip()
    if _LIST.match(start):
        return ""
    sentence = " ".join(_END.split(start, maxsplit=1)[0].split()).strip("*_ ")
    return sentence if len(sentence) <= LONGEST_ABOUT else sentence[: LONGEST_ABOUT - 1].rstrip() + "…"


def _shortened(greeting: str) -> str:
    """As much of a greeting as role.toml may hold, in whole paragraphs where it has some."""
    if len(greeting) <= LONGEST_GREETING:
        return greeting
    cut = greeting[: LONGEST_GREETING - 1]
    return (cut[: cut.rfind("\n")] if "\n" in cut else cut).rstrip() + "…"


def _aliases(card: Card, name: str, nickname: str) -> tuple[str, ...]:
    own = card.own.get("aliases")
    wanted = [one for one in own if isinstance(one, str)] if isinstance(own, list) else [nickname]
    found = {name_key(one): one for one in wanted[:_MOST_ALIASES] if not name_fault(one)}
    return tuple(alias for key, alias in found.items() if key != name_key(name))


def _own_language(card: Card) -> str:
    value = card.own.get("language")
    return value if isinstance(value, str) and _LANGUAGE.fullmatch(value) else ""


def _own_about(card: Card) -> str:
    value = card.own.get("about")
    return " ".join(value.split())[:_LONGEST_ABOUT_KEPT] if isinstance(value, str) else ""


def _named(value: Table, char: str) -> Table:
    """A book in which the character has its name; whoever reads it later does not know whose it was."""
    return {key: _replaced(part, char) for key, part in value.items()}


def _replaced(value: Json, char: str) -> Json:
    if isinstance(value, str):
        return _OLD_CHAR.sub(lambda _: char, value)
    if isinstance(value, list):
        return [_replaced(part, char) for part in value]
    return {key: _replaced(part, char) for key, part in value.items()} if isinstance(value, dict) else value
