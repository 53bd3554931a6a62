"""What a role knows, as the lorebook of a card: the lorebook it came with, and its pages as entries.

A page comes to mind by its title and its other names. Pages that the role itself may not know stay at home.
"""

from collections.abc import Iterator
from pathlib import Path

from cards.card import Table
from cards.read import parsed
from cards.to_role import BOOK
from chatroom.role_files import Folder
from chatroom.roles import Role
from knowledge.documents import Document
from knowledge.encodings import LARGEST_TEXT
from knowledge.errors import UnreadableError
from knowledge.reading import find_files, read

__all__ = ["kept_book", "with_pages"]

_MOST_ENTRIES, _MOST_LETTERS = 2_000, 8_000_000


def kept_book(folder: Path) -> Table | None:
    """The lorebook that lies in a role folder, as it is now; None where there is none.

    Raises:
        UnreadableError: It can't be read.
    """
    opened = Folder.at(folder, f"roles/{folder.name}")
    if not opened.has(BOOK):
        return None
    try:
        document, _ = parsed(opened.read(BOOK, LARGEST_TEXT))
    except ValueError as error:
        raise UnreadableError(f"roles/{folder.name}/{BOOK}", str(error)) from None
    if not isinstance(document, dict):
        return None
    data = document.get("data")
    return data if isinstance(data, dict) else document


def with_pages(book: Table | None, role: Role) -> tuple[Table | None, list[str]]:
    """A lorebook with the role's pages after its own entries, and what is told of those that are not in it."""
    entries: list[Table] = []
    notes: list[str] = []
    letters = 0
    for document in _documents(role, notes):
        entry = _entry(document, len(entries))
        letters += len(str(entry["content"]))
        if len(entries) == _MOST_ENTRIES or letters > _MOST_LETTERS:
            notes.append(f"a card holds no more than {len(entries):,} of its pages; a package holds all")
            break
        entries.append(entry)
    old = (book or {}).get("entries", [])
    if not entries or not isinstance(old, list):
        return book, notes
    return {"extensions": {}, **(book or {}), "entries": [*old, *entries]}, notes


def _documents(role: Role, notes: list[str]) -> Iterator[Document]:
    names = {role.id, role.name, *role.aliases}
    for file in find_files(role.sources, role.folder).files:
        if file.name == BOOK:
            continue
        try:
            for document in read(file):
                if document.audience is None or names.intersection(document.audience):
                    yield document
        except UnreadableError as error:
            notes.append(f"left out: {error}")


def _entry(document: Document, number: int) -> Table:
    rule = document.rule
    keys = rule.keys if rule else (document.title, *document.aliases)
    return {
        "keys": [*dict.fromkeys(keys)],
        "content": _text(document),
        "extensions": {},
        "enabled": True,
        "insertion_order": 100 + number,
        "use_regex": False,
        "constant": bool(rule and rule.constant),
        "secondary_keys": [*rule.secondary] if rule else [],
        "selective": bool(rule and rule.secondary),
        "name": document.title,
        "comment": document.title,
    }


def _text(document: Document) -> str:
    parts = []
    for section in document.sections:
        heading = " / ".join(section.path)
        parts.append(f"{heading}\n{section.text}" if heading else section.text)
    return "\n\n".join(parts).strip()
