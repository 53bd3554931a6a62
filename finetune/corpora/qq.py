"""QQ's text exports: a line with time, nickname and number, then the words, and so on.

`2024-01-02 12:03:04 昵称(123456)`, or with `<mail>`, or with a title as `【群主】昵称(…)`. A block 消息分组 / 消息对象
tells whose chat follows. Names come without the number; what the program itself reports, as `撤回了一条消息`, is left
out.
"""

import re
from collections.abc import Iterator
from datetime import datetime

import msgspec

from finetune.corpora._bubbles import NOTICE, Bubble, Names, bubble, check_size, clean_name, scenes, take_media
from finetune.corpora._clock import moment
from finetune.corpora.base import CorpusFile, Head
from finetune.dialogue import Scene
from knowledge.encodings import read_lines

HELP = "QQ chats: text exports of the message manager"
SUFFIXES = (".txt",)
PRIVATE = True

_HEADER = re.compile(
    r"([0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2} {1,2}(?:[上下]午 ?)?[0-9]{1,2}:[0-9]{2}:[0-9]{2})(?:[ \t]+(\S.*)|[ \t]*)"
)
_NUMBER = re.compile(r"[(（]([0-9]{4,20})[)）]")
_MAIL = re.compile(r"<([^<>\s]{1,100})>")
_TITLE = re.compile(r"【[^】]{0,30}】")
_CHAT = re.compile(r"消息对象[:：](.*)")
_FRAME = re.compile(r"消息(?:记录|分组|对象)(?:[:：(（].*|)")
_RULE = re.compile("={8,}")
_NOTICE = re.compile(
    r".{0,60}(?:撤回了?(?:一条|1条|群?成员的?)消息.{0,30}|(?:加入|退出)了?(?:本|该)?群聊?.{0,10}|被(?:移出|踢出)了?(?:本|该)?群.{0,10}"
    r"|邀请.{1,40}加入了?(?:本|该)?群聊?.{0,10}|已(?:成为|被设为).{0,20}管理员.{0,10}|修改了?群名.{0,40}|(?:被|解除)管理员禁言.{0,20})"
)
_MEDIA = re.compile(r"\[(图片|表情|动画表情|语音|视频|文件|闪照|位置|红包|转账|音乐|戳一戳|分享|卡片消息|短视频)\]")
_SYSTEM = frozenset({"10000", "1000000"})
"""Numbers under which the program itself speaks."""
_LOOK = 2000
_NAMELESS = "QQ"


class _Message(msgspec.Struct):
    """A message that is still being read."""

    place: str
    time: datetime | None
    who: str
    chat: str
    lines: list[str] = []


def claims(head: Head) -> float:
    lines = [line for line in head.text.split("\n")[:_LOOK] if line.strip()]
    headers = sum(bool(_HEADER.fullmatch(line.strip())) for line in lines)
    frames = any(line.startswith("消息对象") for line in lines)
    if not headers or not lines:
        return 0.5 if frames and "消息记录" in head.text else 0.0
    share = min(1.0, headers * 3 / len(lines))
    return min(0.97, share + 0.5) if frames else share * 0.9


def read(file: CorpusFile) -> Iterator[Scene]:
    check_size(file)
    names = Names(file.note, _NAMELESS)
    found = (_bubble(file, names, message) for message in _messages(file))
    yield from scenes(file, (each for each in found if each))


def _messages(file: CorpusFile) -> Iterator[_Message]:
    """The messages with their lines; a line before the first one is told."""
    message: _Message | None = None
    chat = ""
    for number, line in read_lines(file):
        text = line.strip()
        header = _HEADER.fullmatch(text)
        framed = not header and _is_frame(message, text)
        if not header and not framed:
            _add(file, message, number, line)
            continue
        if message:
            yield message
        named = _CHAT.fullmatch(text) if framed else None
        chat = clean_name(named[1]) if named else chat
        message = _Message(f"line {number}", moment(header[1]), header[2] or "", chat) if header else None
    if message:
        yield message


def _is_frame(message: _Message | None, text: str) -> bool:
    """Whether a line is part of the block above a chat, and takes the rule above it out of the message before."""
    if not message:
        return bool(_FRAME.fullmatch(text) or _RULE.fullmatch(text))
    last = len(message.lines) - 1
    if not _FRAME.fullmatch(text) or last < 0 or not _RULE.fullmatch(message.lines[last].strip()):
        return False
    message.lines.pop()
    return True


def _add(file: CorpusFile, message: _Message | None, number: int, line: str) -> None:
    if message:
        message.lines.append(line)
    elif line.strip():
        file.skip(f"line {number}", "it stands before the first message")


def _bubble(file: CorpusFile, names: Names, message: _Message) -> Bubble | None:
    text = "\n".join(message.lines).strip()
    person, name = _person(message.who)
    if person in _SYSTEM or _NOTICE.fullmatch(text):
        file.skip(message.place, NOTICE)
        return None
    words, media = take_media(file, text, _MEDIA)
    shown = names.of(message.place, person, name)
    return bubble(file, message.place, shown, words, time=message.time, chat=message.chat, media=media)


def _person(who: str) -> tuple[str, str]:
    """Number or mail, and the name without it and without a title."""
    name, person = _TITLE.sub("", who, count=1) if who.startswith("【") else who, ""
    for pattern, bracket in ((_NUMBER, "(" if name.endswith(")") else "（"), (_MAIL, "<")):
        at = name.rfind(bracket)
        found = pattern.fullmatch(name, at) if at >= 0 else None
        if found:
            return found[1], name[:at].strip()
    return person, name.strip()
