"""The example dialogues of a card ⇄ lines.jsonl: `<START>` blocks of `{{user}}:` and `{{char}}:` lines, and records.

Every reply of the character becomes a record with what was said before it. Knows no files and no other field.
"""

import json
import re
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import msgspec

from cards.macros import is_chinese, plain
from chatroom.names import name_key

__all__ = ["MOST", "examples_of", "lines_of"]

MOST = 2_000
"""Records; whoever has more lines has them in a file of its own."""
_CONTEXT, _LONGEST, _LONGEST_NAME = 6, 8_000, 60
_SHOWN, _SHOWN_LETTERS = 16, 2_000
"""Of the lines of a role, how many a card shows: other programs put all of them into each prompt."""
_START = re.compile(r"<START>", re.IGNORECASE)
_CHAR = ("{{char}}", "<bot>", "<char>")
_USER = ("{{user}}", "<user>", "user", "you", "用户", "你")
_SILENCE = "…"


class _Turn(NamedTuple):
    who: str
    """`char`, `user`, or "" for what nobody says."""
    text: str


class Said(msgspec.Struct, frozen=True):
    name: str
    text: str


class Record(msgspec.Struct, frozen=True):
    """A line of lines.jsonl."""

    context: tuple[Said, ...]
    reply: str


def lines_of(examples: str, names: Collection[str], char: str) -> str:
    """The text of lines.jsonl; "" where the examples have no line of the character.

    Args:
        names: What the character is called.
        char: Who `{{char}}` is.
    """
    rows: list[str] = []
    chinese = is_chinese(examples)
    for block in _START.split(examples):
        for record in _records(_turns(block, names, char), char, chinese):
            if len(rows) == MOST:
                break
            rows.append(json.dumps(msgspec.to_builtins(record), ensure_ascii=False))
    return "".join(f"{row}\n" for row in rows)


def _turns(block: str, names: Collection[str], char: str) -> Iterator[_Turn]:
    chars = {name.strip().casefold() for name in (*_CHAR, *names)} - {""}
    who, held = "", list[str]()
    for line in block.split("\n"):
        name, text = _labelled(line)
        found = "char" if name in chars else "user" if name in _USER else ""
        if found:
            yield _Turn(who, "\n".join(held))
            who, held = found, [text]
        else:
            held.append(line)
    yield _Turn(who, "\n".join(held))


def _labelled(line: str) -> tuple[str, str]:
    """Who speaks in a line, folded, and what is said; no name where there is none."""
    ends = [at for at in (line.find(":", 0, _LONGEST_NAME), line.find("：", 0, _LONGEST_NAME)) if at > 0]
    end = min(ends, default=0)
    return line[:end].strip().casefold(), line[end + 1 :] if end else line


def _records(turns: Iterator[_Turn], char: str, chinese: bool) -> Iterator[Record]:
    names = {"char": char, "user": "用户" if chinese else "User", "": "旁白" if chinese else "Narrator"}
    before: deque[Said] = deque(maxlen=_CONTEXT)
    for turn in turns:
        text = plain(turn.text, char, "said").strip()
        if not text or len(text) > _LONGEST:
            continue
        if turn.who == "char":
            yield Record(tuple(before) or (Said(names["user"], _SILENCE),), text)
        before.append(Said(names[turn.who], text))


def examples_of(lines: str, names: Collection[str]) -> str:
    """Example dialogues from lines.jsonl: some of its records, from all over the file.

    Args:
        names: What the role is called.
    """
    rows = [row for row in lines.split("\n") if row.strip()]
    short = [record for row in rows if (record := _record(row)) and _length(record) <= _SHOWN_LETTERS]
    step = max(1, -(-len(short) // _SHOWN))
    keys = {name_key(name) for name in names}
    return "\n".join(_block(record, keys) for record in short[::step])


def _record(row: str) -> Record | None:
    try:
        return msgspec.json.decode(row, type=Record)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return None  # `role check` tells it


def _length(record: Record) -> int:
    return len(record.reply) + sum(len(said.text) for said in record.context)


def _block(record: Record, own: Collection[str]) -> str:
    others = {said.name for said in record.context if name_key(said.name) not in own}
    rows: Sequence[str] = [
        f"{'{{char}}' if name_key(said.name) in own else '{{user}}' if len(others) == 1 else said.name}: {said.text}"
        for said in record.context
    ]
    return "\n".join(("<START>", *rows, f"{{{{char}}}}: {record.reply}"))
