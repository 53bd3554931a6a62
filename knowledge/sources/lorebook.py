"""Lorebooks: World Info of SillyTavern, books of character cards, and what AgnAI, NovelAI and Risu write.

A `.json` file is a book, or a character card with one in it; a `.png` is a character card. Each entry that is switched
on becomes a document whose rule says when it comes to mind. This file finds the entries; _lorebook_entry.py reads one.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from knowledge.documents import Document
from knowledge.encodings import LARGEST_TEXT, read_text
from knowledge.errors import UnreadableError
from knowledge.sources._loose_fields import Fields, text_of
from knowledge.sources._lorebook_entry import Book, clamped, document
from knowledge.sources._png_card import SIGNATURE, card_text
from knowledge.sources._record import opening
from knowledge.sources.base import SourceFile

HELP = "lorebooks, and character cards with one"
SUFFIXES = (".json", ".png")

_NO_BOOK = (
    "this character card has no lorebook, so there is nothing to look up: what it says of the character belongs into"
    " the role's persona"
)
_NO_ENTRIES = "it is no lorebook, for it has no entries: export it anew, or write records of your own as JSON Lines"
_LONGEST_ID, _LONGEST_NAME = 40, 200


def claims(head: bytes) -> bool:
    return head.startswith(SIGNATURE) or opening(head).startswith("{")


def read(file: SourceFile) -> Iterator[Document]:
    with file.open() as stream:
        is_picture = stream.read(len(SIGNATURE)) == SIGNATURE
    value = _parsed(file, card_text(file) if is_picture else read_text(file, LARGEST_TEXT))
    book, entries = _opened(file, value)
    for number, record in entries:
        place = f"entry {number}"
        try:
            if found := document(book, place, number, record):
                yield found
        except ValueError as error:
            file.skip(place, str(error))
    if book.ignored:
        parts = ", ".join(f"{name} ({count:,})" for name, count in book.ignored.most_common())
        file.skip("", f"some entries use what is not known here, and come up without regard to it: {parts}")


def _parsed(file: SourceFile, text: str) -> Fields:
    """Reads JSON as programs write it, with line ends inside of strings and NaN."""
    try:
        value = json.loads(text, strict=False)
    except ValueError as error:
        raise UnreadableError(file.name, f"it is no JSON: {error}") from None
    except RecursionError:
        raise UnreadableError(file.name, "it is nested too deeply") from None
    if not isinstance(value, dict):
        raise UnreadableError(file.name, _NO_ENTRIES)
    return Fields(value)


def _opened(file: SourceFile, value: Fields) -> tuple[Book, Iterator[tuple[str, object]]]:
    """The book in a file, and its entries by their ids."""
    data = value.first("data")
    inner = Fields(data) if isinstance(data, dict) else value
    is_card = value.text("spec").startswith("chara_card") or inner.has("character_book", "first_mes", "mes_example")
    fields = Fields(inner.first("character_book")) if is_card else inner
    entries = data if isinstance(data, list) else fields.first("entries")
    if not isinstance(entries, list | dict):
        raise UnreadableError(file.name, _NO_BOOK if is_card else _NO_ENTRIES)
    book = Book(
        file=file,
        char=inner.text("nickname", "name").strip()[:_LONGEST_NAME] if is_card else "",
        depth=clamped(fields.number("scan_depth", "scanDepth")),
        recursive=fields.flag("recursive_scanning", "recursiveScanning", default=True),
        ignored=Counter(),
    )
    return book, _numbered(entries)


def _numbered(entries: list[object] | Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Entries and their ids: the entry's own, else its key in the file, else its number; no two are the same."""
    pairs: Iterable[tuple[str, object]]
    pairs = entries.items() if isinstance(entries, Mapping) else ((str(at), one) for at, one in enumerate(entries, 1))
    seen: Counter[str] = Counter()
    for key, record in pairs:
        own = text_of(Fields(record).first("uid", "id")) or text_of(key)
        own = (
            own
            if own.isprintable() and len(own) <= _LONGEST_ID
            else own[:_LONGEST_ID].encode("unicode_escape").decode()
        )
        seen[own] += 1
        yield own if seen[own] == 1 else f"{own} ({seen[own]})", record
