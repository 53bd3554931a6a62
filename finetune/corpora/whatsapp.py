"""WhatsApp's `Export chat`: `12/31/23, 9:15 PM - Name: text` (Android) or `[31.12.23, 21:15:03] Name: text` (iOS).

A message goes on until the next line with a date. Which of day and month comes first is told by the whole file: by a
number above 12, else by the order in which the messages make sense; where neither tells, that is noted. Lines without a
name are notices. Knows the words for missing media in English, Chinese and a few other languages.
"""

import re
from collections.abc import Iterator
from datetime import datetime

import msgspec

from finetune.corpora._bubbles import NOTICE, Bubble, Names, bubble, check_size, clean_name, scenes
from finetune.corpora._clock import clock
from finetune.corpora._dates import Date, DateOrder, ordered
from finetune.corpora.base import CorpusFile, Head
from finetune.dialogue import Scene
from knowledge.encodings import read_lines

HELP = "WhatsApp chats: text exports of Android and iOS"
SUFFIXES = (".txt",)
PRIVATE = True

_HALF = r"上午|下午|凌晨|早上|中午|傍晚|晚上|[AaPp]\.?\s?[Mm]\.?"
_HEADER = re.compile(
    r"(?P<open>\[?)(?P<a>[0-9]{1,4})[./年-](?P<b>[0-9]{1,2})[./月-](?P<c>[0-9]{1,4})日?\.?,?\s{1,2}"
    rf"(?P<before>(?:{_HALF})?)\s?(?P<hour>[0-9]{{1,2}})[:.](?P<minute>[0-9]{{2}})(?:[:.](?P<second>[0-9]{{2}}))?"
    rf"(?:\s?(?P<after>{_HALF}))?(?(open)(?:\]\s|\s[-–]\s)|\s[-–]\s)\s?(?P<rest>.*)"
)
_NAME = re.compile(r"([^:]{1,100}):(?:\s(.*)|)", re.DOTALL)
_SPACES = str.maketrans({"\u202f": " ", "\xa0": " ", "\ufeff": None, "\u200f": None, "\u202a": None, "\u202c": None})
_ISOLATES = str.maketrans(dict.fromkeys("\u200e\u2068\u2069"))
_WORDS = {
    "image": "Photo",
    "photo": "Photo",
    "video": "Video",
    "video note": "Video",
    "audio": "Voice",
    "sticker": "Sticker",
    "gif": "Animation",
    "document": "File",
    "contact card": "Contact",
    "图像": "Photo",
    "图片": "Photo",
    "影像": "Video",
    "视频": "Video",
    "音频": "Voice",
    "语音": "Voice",
    "贴图": "Sticker",
    "文档": "File",
    "文件": "File",
}
_OMITTED = re.compile(
    r"(image|photo|video note|video|audio|sticker|GIF|document|Contact card) omitted"
    r"|(图像|图片|影像|视频|音频|语音|贴图|文档|文件|GIF)已?(?:省略|忽略|略去)"
)
_BRACKETED = re.compile(
    r"<(?:[^<>\n]{1,40} (?:omitted|omitidos?|omis|weggelassen|ausgeschlossen|omessi)"
    r"|[^<>\n]{1,12}已(?:省略|忽略)|[已省]略[^<>\n]{1,12}|(?:attached|附件)[:：][^<>\n]{1,200})>"
)
_ATTACHED = re.compile(r"[^\n/]{1,200}\.[A-Za-z0-9]{2,5} [(（](?:file attached|文件附件|附件|Datei angehängt)[)）]")
_DELETED = re.compile(
    r"(?:This message was deleted|You deleted this message|此(?:消息|訊息)已[删刪]除"
    r"|[您你]已?[删刪]除了?此[条則]?(?:消息|訊息)|这条(?:消息|信息)已删除)[.。]?"
)
_EDITED = re.compile(r"\s?<(?:This message was edited|(?:此|这条)?(?:消息|訊息)?已(?:编辑|編輯))>$")
_CONTENTS = re.compile("end-to-end encrypted|端到端加密|端對端加密")


class _Message(msgspec.Struct):
    """A message that is still being read, with the date as it stands."""

    number: int
    stamp: re.Match[str]
    lines: list[str]


def claims(head: Head) -> float:
    lines = [line for line in head.text.split("\n") if line.strip()]
    headers = [found for line in lines if (found := _header(line))]
    if not headers or not _header(lines[0]):
        return min(0.3, len(headers) / max(len(lines), 1))
    named = sum(bool(_NAME.fullmatch(found["rest"])) for found in headers)
    return 0.95 if named * 2 >= len(headers) else 0.4


def read(file: CorpusFile) -> Iterator[Scene]:
    check_size(file)
    order = _order(file)
    names = Names(file.note, "WhatsApp")
    found = (_bubble(file, names, message, order) for message in _messages(file))
    yield from scenes(file, (each for each in found if each))


def _order(file: CorpusFile) -> str:
    """Which of day, month and year comes first, from all dates of the file."""
    quiet = CorpusFile(name=file.name, path=file.path, options=file.options)
    order, half = DateOrder(), False
    for _, line in read_lines(quiet):
        if found := _header(line):
            order.see(_date(found))
            half = half or bool(found["after"])
    if order.is_open:
        file.note("dates", "whether day or month comes first can't be told: scenes may be parted wrongly")
    return order.likeliest(month_first=half)


def _messages(file: CorpusFile) -> Iterator[_Message]:
    message: _Message | None = None
    for number, line in read_lines(file):
        if found := _header(line):
            if message:
                yield message
            message = _Message(number, found, [found["rest"]])
        elif message:
            message.lines.append(line.translate(_SPACES))
        elif line.strip():
            file.skip(f"line {number}", "it stands before the first message")
    if message:
        yield message


def _header(line: str) -> re.Match[str] | None:
    return _HEADER.match(line.translate(_SPACES).lstrip("\u200e "))


def _date(found: re.Match[str]) -> Date:
    return int(found["a"]), int(found["b"]), int(found["c"])


def _bubble(file: CorpusFile, names: Names, message: _Message, order: str) -> Bubble | None:
    place = f"line {message.number}"
    spoken = _NAME.fullmatch("\n".join(message.lines))
    name = clean_name(spoken[1]) if spoken else ""
    if not spoken or not name or name[0] in "\"'“" or '"' in name or "“" in name:
        file.skip(place, NOTICE)
        return None
    text, media, reason = _content(spoken[2] or "")
    if reason:
        file.skip(place, reason)
        return None
    if text.startswith("\u200e"):
        file.note(place, "it may be a notice of the program, not what was said")
    time = _time(message.stamp, order)
    return bubble(file, place, names.of(place, "", name), text.translate(_ISOLATES), time=time, media=media)


def _content(text: str) -> tuple[str, list[str], str]:
    """The words of a message, its media, and why it is none of that."""
    bare = text.translate(_ISOLATES).strip()
    if _DELETED.fullmatch(bare):
        return "", [], "a message that was deleted"
    if text.startswith("\u200e") and _CONTENTS.search(bare[:300]):
        return "", [], NOTICE
    text = _EDITED.sub("", text.rstrip())
    first, _, rest = text.partition("\n")
    kind = _media(first)
    return (rest, [kind], "") if kind else (text, [], "")


def _media(line: str) -> str:
    """What a line stands for that tells of something left out; "" for any other."""
    bare = line.translate(_ISOLATES).strip()
    omitted = _OMITTED.fullmatch(bare) or (
        _OMITTED.search(line, max(0, line.rfind("\u200e"))) if "\u200e" in line else None
    )
    if omitted and line.rstrip().endswith(omitted[0]):
        return _WORDS.get((omitted[1] or omitted[2]).lower(), "Media")
    return "Media" if _BRACKETED.fullmatch(bare) else "File" if _ATTACHED.fullmatch(bare) else ""


def _time(found: re.Match[str], order: str) -> datetime | None:
    half = (found["before"] or found["after"] or "").lower().replace(".", "").replace(" ", "")
    year, month, day = ordered(_date(found), order)
    return clock(year, month, day, half, int(found["hour"]), int(found["minute"]), int(found["second"] or 0))
