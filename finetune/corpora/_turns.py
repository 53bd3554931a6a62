"""Question and answer turns → scenes: what alpaca, sharegpt and openai files have in common.

A turn of the user may hold a whole conversation in rows of `Name:text`; then each row is a line of its own. Names that
are met in such a conversation are known in the whole file, so that a single row is split too. It does not know which
keys a format keeps its turns under.
"""

import re
from collections.abc import Callable, Collection, Iterator
from typing import Literal, NamedTuple

from finetune.corpora._records import Placed, quiet, records
from finetune.corpora._spoken import answerer, asker, plain_name, spoken
from finetune.corpora.base import CorpusFile
from finetune.dialogue import Line, Scene

MOST_NAMES = 100_000
"""Names that a file's conversations may have."""

_MARKS = r":：，。！？!?,;；\"“”《》{}\[\]<>"
_ROW = re.compile(rf"\s{{0,8}}([^\W\d_][^\n{_MARKS}]{{0,29}})[:：](?!//)(.*)")
_LABEL_WORDS = """
    question answer context input output note notes example examples instruction instructions task q a step title
    name age gender sex date time place location job personality background hint http https passage article text
    sentence sentence1 sentence2 premise hypothesis options choices requirements format response request source
    target 问题 回答 答案 要求 输入 输出 示例 例子 例如 注意 背景 说明 提示 文本 原文 译文 姓名 名字 年龄 性别 身份
    性格 职业 爱好 时间 地点 标题 题目 选项 任务 指令 内容 格式 步骤 描述 问 答 材料 文章 句子 前提 假设
"""
_LABELS = frozenset(_LABEL_WORDS.split())
"""Words before a colon that name a part of a task, not somebody who speaks."""

_BLANK = "a turn has no text"


class Turn(NamedTuple):
    """What one side said.

    Args:
        name: Who that was, where the file says so.
        lead: What stands above the text and was said with it; where the text is a conversation, it is the premise.
    """

    kind: Literal["system", "user", "reply"]
    text: str
    name: str = ""
    lead: str = ""


class Talk(NamedTuple):
    """The turns of one record."""

    place: str
    turns: list[Turn]


Turns = Callable[[CorpusFile, Placed], list[Turn]]
"""Reads the turns of a record. It tells of a turn that can't be read; a record that can't is a ValueError."""


def read_talks(file: CorpusFile, turns: Turns) -> Iterator[Scene]:
    """Reads the scenes of a file of records: one each."""
    known = {*map(plain_name, file.options.names), *_names(quiet(file), turns)}
    for talk in _talks(file, turns):
        if scene := talk_scene(file, talk, known):
            yield scene


def talk_scene(file: CorpusFile, talk: Talk, known: Collection[str] = ()) -> Scene | None:
    """The scene of a conversation; None, and told, where nobody says anything in it."""
    said = "\n".join(turn.lead[:1000] + turn.text[:1000] for turn in talk.turns if turn.kind != "system")
    lines = [line for turn in talk.turns for line in _lines(file, talk.place, turn, said, known)]
    if not lines:
        file.skip(talk.place, "nothing is said in it")
        return None
    premise = "\n".join(text for turn in talk.turns if (text := _premise(turn, known)))
    return Scene(premise=premise, lines=lines, source=f"{file.name}, {talk.place}")


def conversation(text: str, known: Collection[str] = ()) -> list[tuple[str, str]]:
    """The rows of a conversation in one text, as names and words; [] where the text is none.

    It is one if its first row names a speaker and so do half of its rows: two at least, or one of a `known` name. A
    row without a name goes on with the words before it.
    """
    rows = [row for row in text.splitlines() if row.strip()]
    named = [_named(row) for row in rows]
    if not rows or named[0] is None:
        return []
    count = sum(one is not None for one in named)
    if count * 2 < len(rows) or (count < 2 and named[0][0] not in known):
        return []
    said: list[tuple[str, list[str]]] = []
    for row, one in zip(rows, named, strict=True):
        if one is not None:
            said.append((one[0], [one[1]]))
        else:
            said[-1][1].append(row.strip())
    return [(name, "\n".join(words)) for name, words in said]


def _talks(file: CorpusFile, turns: Turns) -> Iterator[Talk]:
    for record in records(file):
        try:
            yield Talk(record.place, turns(file, record))
        except ValueError as error:
            file.skip(record.place, str(error))


def _names(file: CorpusFile, turns: Turns) -> set[str]:
    """Who speaks in the conversations that stand within turns."""
    found: set[str] = set()
    for talk in _talks(file, turns):
        if len(found) >= MOST_NAMES:
            break
        found.update(name for turn in talk.turns if turn.kind == "user" for name, _ in conversation(turn.text))
    return found


def _named(row: str) -> tuple[str, str] | None:
    found = _ROW.fullmatch(row)
    if not found or not found[2].strip():
        return None
    name = plain_name(found[1])
    return (name, found[2].strip()) if _is_name(name) else None


def _is_name(name: str) -> bool:
    """Whether these words before a colon may be a name: of several in Latin letters the first has a capital."""
    words = name.split()
    return name.casefold() not in _LABELS and len(words) <= 4 and (len(words) == 1 or not name[0].islower())


def _premise(turn: Turn, known: Collection[str]) -> str:
    if turn.kind == "system":
        return turn.text.strip()
    return turn.lead.strip() if turn.lead and conversation(turn.text, known) else ""


def _lines(file: CorpusFile, place: str, turn: Turn, said: str, known: Collection[str]) -> Iterator[Line]:
    if turn.kind == "system":
        return
    rows = conversation(turn.text, known) if turn.kind == "user" and not turn.name else []
    for name, text in rows or [_unnamed(file, turn, said)]:
        if line := spoken(name, text):
            yield line
        else:
            file.skip(place, _BLANK)


def _unnamed(file: CorpusFile, turn: Turn, said: str) -> tuple[str, str]:
    """Who said a turn, and what; a reply may begin with the name of the one who gives it."""
    me = plain_name(file.options.me)
    name = turn.name or (asker(said) if turn.kind == "user" else me or answerer(said))
    if turn.kind == "reply" and turn.text.lstrip().startswith((f"{name}:", f"{name}：")):
        return name, turn.text.lstrip()[len(name) + 1 :]
    return name, f"{turn.lead}\n{turn.text}" if turn.lead else turn.text
