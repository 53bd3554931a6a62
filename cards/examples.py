"""The example dialogues of a card ⇄ lines.jsonl: `<START>` blocks of `{{user}}:` and `{{char}}:` lines, and records.

Every reply of the character becomes a record with what was said before it; it ends where somebody else begins. Knows no
files and no other field.
"""

import json
import re
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import msgspec

from cards.macros import is_chinese, plain
from chatroom.names import name_fault, name_key

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
_LONGEST_SPEAKER, _MOST_WORDS = 40, 4
_NO_NAME = re.compile(r"[*\"“”「」『』<>|=,，。!！?？;；、…~～()（）\[\]【】/\\]|^\W*$")
_STATE = """
    note warning mood location time date weather status thoughts thought outfit clothes hp health inventory affection
    action actions setting scene place age name feeling feelings summary http https
    心情 地点 时间 日期 天气 状态 想法 内心 衣着 服装 好感度 生命值 物品 动作 备注 注意 场景 心理 表情
"""
_PARTICLES = frozenset({"of", "the", "at", "in", "and", "de", "la", "le", "du", "von", "van", "der"})
_NO_SPEAKERS = frozenset(_STATE.split())
"""Words before a colon that a character writes itself, as in the box with its state below a reply."""


class _Turn(NamedTuple):
    who: str
    """`char`, `user`, `other`, or "" for what nobody says."""
    text: str
    name: str = ""
    """Of somebody else, as written."""


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
    who, written, held = "", "", list[str]()
    for line in block.split("\n"):
        name, text = _labelled(line)
        found = "char" if name.casefold() in chars else "user" if name.casefold() in _USER else ""
        found = found or ("other" if text.strip() and _is_speaker(name) else "")
        if found:
            yield _Turn(who, "\n".join(held), written)
            who, written, held = found, name.strip("{}") if found == "other" else "", [text]
        else:
            held.append(line)
    yield _Turn(who, "\n".join(held), written)


def _labelled(line: str) -> tuple[str, str]:
    """Who speaks in a line, without marks of bold type, and what is said; no name where there is none."""
    ends = [at for at in (line.find(":", 0, _LONGEST_NAME), line.find("：", 0, _LONGEST_NAME)) if at > 0]
    end = min(ends, default=0)
    name, text = line[:end].strip(), line[end + 1 :] if end else line
    mark = next((mark for mark in ("**", "__") if name.startswith(mark)), "")
    if mark and (name.endswith(mark) or text.startswith(mark)):
        return name.removeprefix(mark).removesuffix(mark).strip(), text.removeprefix(mark)
    return name, text


def _is_speaker(name: str) -> bool:
    """Whether words before a colon look like the name of somebody else: `Tobin`, `Old Tom`, `{{guard}}`, `老海`."""
    bare, words = name.strip("{}"), name.split()
    if (
        not bare
        or len(name) > _LONGEST_SPEAKER
        or len(words) > _MOST_WORDS
        or name_fault(bare)
        or _NO_NAME.search(bare)
    ):
        return False
    if bare.casefold() in _NO_SPEAKERS:
        return False
    written = [word for word in words if word not in _PARTICLES]
    return bare != name or (words[0] in written and not any(word[0].islower() for word in written))


def _records(turns: Iterator[_Turn], char: str, chinese: bool) -> Iterator[Record]:
    names = {"char": char, "user": "用户" if chinese else "User", "": "旁白" if chinese else "Narrator"}
    before: deque[Said] = deque(maxlen=_CONTEXT)
    for turn in turns:
        text = plain(turn.text, char, "said").strip()
        if not text or len(text) > _LONGEST:
            continue
        if turn.who == "char":
            yield Record(tuple(before) or (Said(names["user"], _SILENCE),), text)
        before.append(Said(turn.name or names[turn.who], text))


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
