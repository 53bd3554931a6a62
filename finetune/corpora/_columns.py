"""Which column of a dialogue table holds what: by the user's word, else by the columns' names.

Names are compared without case, spaces, underscores, hyphens and what stands in brackets. It does not know what a table
is stored in.
"""

import re
from collections.abc import Mapping, Sequence

import msgspec

_SPEAKER = """
    speaker speakername character charactername charname whospeaks saidby person personname rolename role actor npc
    talker author sender nickname name who from 说话人 说话者 说话人物 说话角色 角色 角色名 角色名称 角色名字 人物
    人物名 人物名称 发言人 发言者 讲话人 讲话者 讲述者 对话人 对话者 姓名 名字 名称 昵称 說話人 說話者 發言人 發言者
    角色名稱 キャラ キャラ名 話者 発言者
"""
_TEXT = """
    dialogue dialog dialoguetext dialogtext dialogueline spokenline utterance linetext text content message msg
    sentence speech quote lines line said transcript subtitle 台词 台词内容 台词文本 对话 对话内容 对话文本 对白
    话语 说话内容 发言 发言内容 内容 文本 原文 正文 句子 语句 消息 字幕 台詞 對話 對白 對話內容 話語 發言 內容
    セリフ 台本 発言
"""
_SCENE = """
    season act episode chapter part scene sceneid sceneno scenenumber scenename episodeid episodeno chapterid quest
    questname mission conversation conversationid session sessionid location 季 部 集 剧集 集数 章 章节 章節 回 回目
    幕 场 場 场次 場次 场景 場景 场景名 任务 任務 任务名 会话 會話 シーン
"""
SPEAKER, TEXT, SCENE = (tuple(names.split()) for names in (_SPEAKER, _TEXT, _SCENE))
"""Names of columns as `plain` has them, the surest first."""
AUDIENCE = ("audience", "heardby", "listeners", "听众", "聽眾", "听者")

_ASIDE = re.compile(r"[(（\[【][^()（）\[\]【】]{0,60}[)）\]】]")
_FILLING = str.maketrans("", "", " \t\u3000\u00a0_-.*#:：\ufeff\"'")
_SHOWN, _LONGEST = 20, 40
"""Columns that an error lists, and characters of a name in it."""

REMEDY = "name them with --columns speaker=…,text=…"


class Columns(msgspec.Struct, frozen=True, kw_only=True):
    """Positions in a row, from 0; a scene may be told by several columns, as episode and scene.

    Args:
        headless: Whether there is no header: the first row is a row like all.
    """

    speaker: int
    text: int
    scene: tuple[int, ...] = ()
    audience: int | None = None
    headless: bool = False


def find_columns(header: Sequence[str], given: Mapping[str, str]) -> Columns:
    """Finds the columns; where the user gives numbers that are no names, there is no header.

    Raises:
        ValueError: One can't be found; the text lists those that there are.
    """
    numbers = {kind: int(name) - 1 for kind, name in given.items() if _is_number(name, header)}
    if {"speaker", "text"} <= numbers.keys():
        return _numbered(numbers, header)
    scene = _named("scene", header, given)
    speaker, text = _needed("speaker", header, given, SPEAKER), _needed("text", header, given, TEXT)
    guessed = tuple(at for at, name in enumerate(header) if plain(name) in SCENE and at not in (speaker, text))
    audience = _named("audience", header, given)
    return Columns(
        speaker=speaker,
        text=text,
        scene=guessed if scene is None else (scene,),
        audience=_guessed(header, AUDIENCE) if audience is None else audience,
    )


def has_columns(header: Sequence[str]) -> bool:
    """Whether these names tell by themselves who speaks and what."""
    return _guessed(header, SPEAKER) is not None and _guessed(header, TEXT) is not None


def listed(header: Sequence[str]) -> str:
    """The names of columns, for a person."""
    names = [" ".join(name.split())[:_LONGEST] or "(empty)" for name in header[:_SHOWN]]
    return ", ".join(names) + (f" and {len(header) - _SHOWN} more" if len(header) > _SHOWN else "")


def plain(name: str) -> str:
    """A column's name as it is compared."""
    return _ASIDE.sub("", name[:200]).translate(_FILLING).casefold()


def _is_number(name: str, header: Sequence[str]) -> bool:
    return name.isdecimal() and len(name) < 5 and int(name) > 0 and name not in header


def _numbered(numbers: Mapping[str, int], header: Sequence[str]) -> Columns:
    if max(numbers.values()) >= len(header):
        raise ValueError(f"it has {len(header)} columns, so there is no number {max(numbers.values()) + 1}: {REMEDY}")
    return Columns(
        speaker=numbers["speaker"],
        text=numbers["text"],
        scene=(numbers["scene"],) if "scene" in numbers else (),
        audience=numbers.get("audience"),
        headless=True,
    )


def _named(kind: str, header: Sequence[str], given: Mapping[str, str]) -> int | None:
    """The column that the user named; None where no name was given."""
    if not (name := given.get(kind, "").strip()):
        return None
    names = [column.strip() for column in header]
    if name in names:
        return names.index(name)
    same = [at for at, column in enumerate(header) if plain(column) == plain(name)]
    if not same:
        raise ValueError(f"it has no column {name!r}; its columns are {listed(header)}: {REMEDY}")
    return same[0]


def _needed(kind: str, header: Sequence[str], given: Mapping[str, str], known: Sequence[str]) -> int:
    found = _named(kind, header, given)
    found = _guessed(header, known) if found is None else found
    if found is None:
        raise ValueError(f"no column is known to hold the {kind}; its columns are {listed(header)}: {REMEDY}")
    return found


def _guessed(header: Sequence[str], known: Sequence[str]) -> int | None:
    """The column with the name that comes first in `known`."""
    names = [plain(name) for name in header]
    return next((names.index(name) for name in known if name in names), None)
