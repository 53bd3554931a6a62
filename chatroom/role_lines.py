"""Checks lines.jsonl, a role's own words: one record a line, what was said before and what the role replied.

A room never reads it, training does; so a fault here is told by `role check` and keeps nobody from the table.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from chatroom.role_files import Faults, Folder

FILE = "lines.jsonl"
LARGEST = 64_000_000
MOST_FAULTS = 5

Text = Annotated[str, Meta(min_length=1)]


class _Said(msgspec.Struct, frozen=True):
    name: Text
    text: Text


class _Record(msgspec.Struct, frozen=True):
    context: Annotated[tuple[_Said, ...], Meta(min_length=1)]
    reply: Text


def check_lines(folder: Folder, faults: Faults) -> None:
    """Checks every record; the first few that are wrong are named by their line."""
    if not folder.has(FILE):
        return
    first = len(faults)
    with faults.kept():
        for number, row in enumerate(folder.text(FILE, LARGEST).split("\n"), start=1):
            if row.strip() and (problem := _problem(row)):
                remedy = 'write {"context": [{"name": ..., "text": ...}], "reply": ...} in one line'
                faults.append(folder.fault(FILE, problem, remedy, key=f"line {number}"))
            if len(faults) - first == MOST_FAULTS:
                return


def _problem(row: str) -> str:
    try:
        msgspec.json.decode(row, type=_Record)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
        return str(error).replace("`", "").replace("$.", "")
    return ""
