"""A character card: the fields that have a meaning here, and all the others, kept as they came.

V1 is flat, V2 and V3 hold their fields in `data`; here they are one noun. It knows neither files nor pictures nor
role folders.
"""

import json
from collections.abc import Mapping
from typing import cast

import msgspec

__all__ = ["SPEC_V2", "SPEC_V3", "Card", "Json", "Table", "card_of", "same_json"]

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Table = dict[str, Json]

SPEC_V2, SPEC_V3 = ("chara_card_v2", "2.0"), ("chara_card_v3", "3.0")
V1 = ("name", "description", "personality", "scenario", "first_mes", "mes_example")
OWN = "chatroom"
"""Our key among the extensions: what a role has and a card has no field for."""
NEWEST = 3.0
_REQUIRED: tuple[tuple[str, Json], ...] = (
    *((name, "") for name in V1),
    *((name, "") for name in ("creator_notes", "system_prompt", "post_history_instructions")),
    *((name, "") for name in ("creator", "character_version")),
    *((name, []) for name in ("alternate_greetings", "group_only_greetings", "tags")),
    ("extensions", {}),
)
"""What a V3 card must have, and its value where nobody wrote one."""


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A card of any version.

    Args:
        data: Every field of the character, as it came.
        around: What stood beside `data` and is no copy of a field in it.
        version: Of the format: 1, 2, 3 or a later one.
    """

    data: Mapping[str, Json]
    around: Mapping[str, Json] = {}
    version: float = NEWEST

    def text(self, name: str) -> str:
        """A field as text; "" for one that is missing or no text."""
        return text_of(self.data.get(name))

    def texts(self, name: str) -> tuple[str, ...]:
        """A field that is a list of texts; what is no text in it is passed over."""
        value = self.data.get(name)
        return tuple(part for part in value if isinstance(part, str)) if isinstance(value, list) else ()

    def table(self, name: str) -> Table:
        """A field that is an object; an empty one where it is missing."""
        value = self.data.get(name)
        return value if isinstance(value, dict) else {}

    @property
    def char(self) -> str:
        """Who `{{char}}` is: the nickname, else the name."""
        return self.text("nickname").strip() or self.text("name").strip()

    @property
    def extensions(self) -> Table:
        return self.table("extensions")

    @property
    def own(self) -> Table:
        """What an export of ours noted about the role."""
        value = self.extensions.get(OWN)
        return value if isinstance(value, dict) else {}

    @property
    def book(self) -> Table | None:
        """The lorebook, if its entries can be read."""
        book = self.table("character_book")
        return book if isinstance(book.get("entries"), list | dict) and book["entries"] else None

    @property
    def talkativeness(self) -> float | None:
        """From 0 to 1; None where the card does not say."""
        try:
            value = float(text_of(self.extensions.get("talkativeness")))
        except ValueError:
            return None
        return min(max(value, 0.0), 1.0) if value == value else None

    def document(self, spec: tuple[str, str] = SPEC_V3) -> Table:
        """The card as JSON of V2 or V3; V2 readers pass over the fields that are newer."""
        missing = {name: value for name, value in _REQUIRED if name not in self.data}
        return {**self.around, "spec": spec[0], "spec_version": spec[1], "data": {**self.data, **missing}}


def card_of(document: Json) -> Card:
    """The card in a JSON document.

    Raises:
        ValueError: It is none; the message is for people.
    """
    if not isinstance(document, dict):
        raise ValueError("it is no character card: an object is missing")
    data = document.get("data")
    if isinstance(data, dict) and _is_character(data):
        beside = {key: value for key, value in document.items() if key not in ("spec", "spec_version", "data", *data)}
        around = {key: value for key, value in beside.items() if key not in V1}
        return Card(data=data, around=around, version=_version(document))
    if _is_character(document):
        flat = {key: value for key, value in document.items() if key not in ("spec", "spec_version")}
        return Card(data=flat, version=1.0)
    if isinstance(document.get("entries"), list | dict) or document.get("spec") == "lorebook_v3":
        raise ValueError("it is a lorebook and no character card: give it to a role with knowledge import")
    raise ValueError("it is no character card: it has neither a name nor a description of anybody")


def text_of(value: Json) -> str:
    """A text or a number as text; "" for all else."""
    if isinstance(value, str):
        return value.replace("\r\n", "\n").replace("\r", "\n")
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def same_json(one: object, other: object) -> bool:
    """Whether two values are the same JSON; 1 and true are not."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _is_character(fields: Mapping[str, Json]) -> bool:
    if isinstance(fields.get("entries"), list | dict):
        return False
    return any(isinstance(fields.get(name), str) and cast(str, fields[name]).strip() for name in V1)


def _version(document: Table) -> float:
    """By `spec_version`, else by `spec`; what can't be understood counts as the newest that is known."""
    for text in (text_of(document.get("spec_version")), text_of(document.get("spec")).rpartition("_v")[2]):
        try:
            return float(text)
        except ValueError:
            continue
    return NEWEST
