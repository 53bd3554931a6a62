"""What a WeChat message is, by the number or the word that an exporter gives it, and the words within it.

A kind is `文本`, `引用` (a reply that quotes), `系统`, or the word of a placeholder, as `图片`. Words that people
chose, emoji and tags as `[委屈]` are text and stay; XML never is. Knows no file and no exporter.
"""

import re
from html import unescape

TEXT, QUOTE, SYSTEM, OTHER = "文本", "引用", "系统", "其他"

_NUMBERS = {
    1: TEXT,
    3: "图片",
    34: "语音",
    37: SYSTEM,
    40: SYSTEM,
    42: "名片",
    43: "视频",
    44: "视频",
    47: "动画表情",
    48: "位置",
    50: "通话",
    62: "视频",
    64: "通话",
    66: "名片",
    10000: SYSTEM,
    10002: SYSTEM,
}
_APP = 49
_PARTS = {
    1: TEXT,
    3: "音乐",
    4: "链接",
    5: "链接",
    6: "文件",
    8: "动画表情",
    17: "位置",
    19: "聊天记录",
    33: "小程序",
    36: "小程序",
    40: "聊天记录",
    51: "视频号",
    53: "接龙",
    57: QUOTE,
    62: SYSTEM,
    63: "视频号",
    74: "文件",
    76: "音乐",
    87: "群公告",
    88: "视频号",
    2000: "转账",
    2001: "红包",
    2003: "红包",
}
"""Of kind 49, by its second number."""
_WORDS = (
    ("引用", QUOTE),
    ("撤回", SYSTEM),
    ("系统", SYSTEM),
    ("拍一拍", SYSTEM),
    ("公告", "群公告"),
    ("聊天记录", "聊天记录"),
    ("动画", "动画表情"),
    ("表情", "动画表情"),
    ("视频号", "视频号"),
    ("通话", "通话"),
    ("图片", "图片"),
    ("语音", "语音"),
    ("视频", "视频"),
    ("位置", "位置"),
    ("文件", "文件"),
    ("红包", "红包"),
    ("转账", "转账"),
    ("名片", "名片"),
    ("小程序", "小程序"),
    ("音乐", "音乐"),
    ("链接", "链接"),
    ("卡片", "链接"),
    ("分享", "链接"),
    ("接龙", "接龙"),
    ("文本", TEXT),
    ("文字", TEXT),
    ("text", TEXT),
    ("quote", QUOTE),
    ("system", SYSTEM),
    ("image", "图片"),
    ("voice", "语音"),
    ("video", "视频"),
    ("emoji", "动画表情"),
    ("file", "文件"),
    ("link", "链接"),
)
"""Words within the name of a kind; the first that is found counts."""

_ALONE = re.compile(
    r"\[(图片|语音|视频|动画表情|表情|位置|文件|红包|微信红包|转账|名片|小程序|音乐|链接|聊天记录|视频号|语音通话|视频通话)\]"
)
_XML = re.compile(r"\s*(?:[\w@.-]{1,64}:\s{0,3})?<(?:\?xml|msg|appmsg|sysmsg|voipmsg|voipinvitemsg|emoji|img)\b")
_TITLE = re.compile(r"<title>([^<]{1,20000})</title>")
_QUOTING = re.compile(r"<refermsg>|<type>57</type>")
_REVOKED = re.compile(r"(?:你|您|[\"“].{1,60}[\"”]|.{1,30}) ?撤回了一条消息.{0,10}|.{0,60}拍了拍.{0,60}")
_COPIED = re.compile(r"」\n(?:- ?){5,60}\n")
_AFTER = re.compile(r"\n+\s{0,4}(?:\[引用|【引用|引用[:：]|「|↳|\[回复)")
_BEFORE = ("[引用", "【引用", "[回复")
_DEEP = 4000


def kind_of(number: str, part: str) -> str:
    """The kind for what stands in the type column, and in the one for its part; "" for one that isn't known."""
    if not number.strip():
        return TEXT
    try:
        value, second = int(number[:20]), int(part[:20] or 0)
    except ValueError:
        word = number[:40].lower()
        return next((kind for mark, kind in _WORDS if mark in word), "")
    if value % 2**32 == _APP:
        return _PARTS.get(second or value >> 32, OTHER)
    if value == 10000 or value == 10002:
        return SYSTEM
    return _NUMBERS.get(value, "")


def alone(text: str) -> str:
    """The word of a text that is nothing but a placeholder, else ""."""
    found = _ALONE.fullmatch(text.strip()[:20]) if len(text) < 40 else None
    return found[1] if found else ""


def is_xml(text: str) -> bool:
    return _XML.match(text[:200]) is not None


def is_notice(text: str) -> bool:
    """Whether a text is what the program reports of a message taken back or of a pat."""
    return len(text) < 100 and _REVOKED.fullmatch(text.strip()) is not None


def reply_in_xml(text: str) -> str:
    """The new words of a reply whose body is XML; "" for any other body."""
    found = _TITLE.search(text[:200_000]) if _QUOTING.search(text[:200_000]) else None
    return unescape(found[1]) if found else ""


def without_copied(text: str) -> str:
    """A text without the `「name：words」` and the rule that the phone puts above a reply."""
    found = _COPIED.search(text) if text.startswith("「") else None
    return text[found.end() :] if found else text


def without_quote(text: str) -> str:
    """A reply without the words that it quotes, which exporters write before or after it."""
    text = without_copied(text).strip()
    if text.startswith(_BEFORE):
        end = _closing(text)
        return text[end:].strip() if end else text
    found = _AFTER.search(text)
    return text[: found.start()].strip() if found and found.start() else text


def _closing(text: str) -> int:
    """The place after the bracket that closes the first one; 0 where none does."""
    depth = 0
    for at, char in enumerate(text[:_DEEP]):
        depth += (char in "[【") - (char in "]】")
        if not depth:
            return at + 1
    return 0
