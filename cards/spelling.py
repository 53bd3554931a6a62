"""Names and ids as this table spells them, from whatever a card is called.

A name is one short visible line without a colon; an id is a folder's name. Knows no card.
"""

import hashlib
import re
import unicodedata

from cards.macros import is_han
from chatroom.names import LONGEST, name_fault, name_key

__all__ = ["id_from", "language_of", "name_from"]

_SPACE = re.compile(r"[\s:：_]+")
_NO_ID = re.compile(r"[^a-z0-9]+")
_LONGEST_ID = 64
_KANA = re.compile(r"[\u3040-\u30ff]")
_HANGUL = re.compile(r"[\uac00-\ud7af]")
_CYRILLIC = re.compile(r"[\u0400-\u04ff]")
_LETTERS_LOOKED_AT = 20_000


def name_from(*wanted: str) -> str:
    """The first of these that can be a name, when it is cleaned; "Guest" where none can."""
    for name in wanted:
        clean = _cleaned(name)
        if clean and not name_fault(clean):
            return clean
        plain = name_key(clean).title() if clean else ""  # letters that look like Latin ones become these
        if plain and not name_fault(plain):
            return plain
    return "Guest"


def id_from(*wanted: str) -> str:
    """An id from the first of these that has Latin letters or digits, else from a digest of the first."""
    for name in wanted:
        flat = unicodedata.normalize("NFKD", name[:1_000]).encode("ascii", "ignore").decode().lower()
        if id := _NO_ID.sub("-", flat).strip("-")[:_LONGEST_ID].strip("-"):
            return id
    return f"role-{hashlib.sha256(wanted[0].encode('utf-8', 'replace')).hexdigest()[:8]}"


def language_of(text: str) -> str:
    """The language of a text, as far as its script tells."""
    text = text[:_LETTERS_LOOKED_AT]
    letters = sum(char.isalpha() for char in text) or 1
    for language, script in (("ja", _KANA), ("ko", _HANGUL), ("ru", _CYRILLIC)):
        if len(script.findall(text)) * 5 > letters:
            return language
    han = sum(is_han(char) for char in text if not char.isascii())
    return "zh" if han * 5 > letters else "en"


def _cleaned(name: str) -> str:
    shown = "".join(char for char in name[:1_000] if _is_visible(char))
    shown = _SPACE.sub(" ", unicodedata.normalize("NFC", shown)).strip(" /@#")
    return shown[:LONGEST].strip()


def _is_visible(char: str) -> bool:
    return char.isspace() or not unicodedata.category(char).startswith("C")
