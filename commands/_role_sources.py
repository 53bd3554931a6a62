"""Adds a folder of documents to a role.toml, by changing or adding one line; comments and all else stay as they are."""

import re
from collections.abc import Iterator
from pathlib import Path

from chatroom.errors import FolderError
from chatroom.toml_table import parse_toml, rewrite, table_in

_TABLE = re.compile(r"^\[knowledge\][^\n]*(?:\n|\Z)", re.MULTILINE)
_EMPTY = re.compile(r"^sources[ \t]*=[ \t]*\[[ \t]*\]", re.MULTILINE)


def add_source(path: Path, folder: str) -> None:
    """Names a folder as the role's only source.

    Raises:
        FolderError: The file names sources already, or can't be changed safely; the text says what to write.
        OSError: It can't be written.
    """
    text = path.read_bytes().decode("utf-8-sig")
    wanted = _with_source(parse_toml(text.encode()), folder)
    for changed in _changes(text, f'sources = ["{folder}"]'):
        if table_in(changed) == wanted:
            rewrite(path, changed)
            return
    problem = "it names no folder of documents, and it can't be changed safely"
    remedy = f'add "{folder}" to the sources below [knowledge] by hand'
    raise FolderError(f"roles/{path.parent.name}/role.toml", problem, remedy, key="knowledge.sources")


def _with_source(table: dict[str, object], folder: str) -> dict[str, object]:
    """What the file is to say: `sources` where there were none."""
    before = table.get("knowledge", {})
    assert isinstance(before, dict)
    return {**table, "knowledge": {**before, "sources": [*before.get("sources", ()), folder]}}


def _changes(text: str, line: str) -> Iterator[str]:
    """Ways to say it, for a file that has an empty list, the table without the key, or neither."""
    yield _EMPTY.sub(line, text, count=1)
    if found := _TABLE.search(text):
        head = found.group() if found.group().endswith("\n") else f"{found.group()}\n"
        yield f"{text[: found.start()]}{head}{line}\n{text[found.end() :]}"
    yield f"{text.rstrip()}\n\n[knowledge]\n{line}\n"
