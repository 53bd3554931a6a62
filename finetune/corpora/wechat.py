"""WeChat chats: CSV as WeChatMsg / MemoTrace, PyWxDump and WeClone write it, JSON as WeFlow and chatlog do.

Who exported it is `me`, else `我`. Everything that people chose is kept: tags as `[委屈]`, emoji, kaomoji. Pictures,
voices, transfers and the like are media; XML is never text. A reply keeps its own words, not those that it quotes.
Chats that take turns in one table are put apart. Fields and kinds are told by the two modules beside it.
"""

from collections.abc import Iterator

from finetune.corpora._bubbles import NOTICE, Bubble, Names, bubble, by_chat, check_size, scenes
from finetune.corpora._wechat_kinds import (
    OTHER,
    QUOTE,
    SYSTEM,
    TEXT,
    alone,
    is_notice,
    is_xml,
    kind_of,
    reply_in_xml,
    without_copied,
    without_quote,
)
from finetune.corpora._wechat_tables import Record, csv_records, json_records, names_in
from finetune.corpora.base import CorpusFile, Head
from finetune.dialogue import Scene

HELP = "WeChat chats: CSV of MemoTrace / PyWxDump, JSON of WeFlow / chatlog"
SUFFIXES = (".csv", ".json")
PRIVATE = True

_I = "我"
_OWNER = "\0owner"
"""An id that no export has."""
_NAMELESS = "对方"
_TABLES = (
    {"strcontent", "issender"},
    {"msg", "issender"},
    {"类型", "发送人", "内容"},
    {"sendername", "talker", "content"},
)
_OBJECTS = (
    ('"weflow"', '"messages"'),
    ('"isSend"', '"content"'),
    ('"isSelf"', '"talker"'),
    ('"is_sender"', '"msg"'),
    ('"IsSender"', '"StrContent"'),
    ('"isSent"', '"senderUsername"'),
    ('"mesDes"', '"messageType"'),
)


def claims(head: Head) -> float:
    text = head.text.lstrip("\ufeff \t\r\n")
    if text.startswith(("{", "[")):
        return 0.95 if any(all(mark in text for mark in marks) for marks in _OBJECTS) else 0.0
    known = names_in(text.partition("\n")[0])
    return 0.97 if any(table <= known for table in _TABLES) else 0.0


def read(file: CorpusFile) -> Iterator[Scene]:
    check_size(file)
    names = Names(file.note, _NAMELESS)
    names.of("", _OWNER, file.options.me or _I)
    found = (_bubble(file, names, record) for record in (json_records if _is_json(file) else csv_records)(file))
    yield from scenes(file, by_chat(file, (each for each in found if each)))


def _is_json(file: CorpusFile) -> bool:
    with file.open() as stream:
        return stream.read(64).lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n\0")[:1] in (b"{", b"[")


def _bubble(file: CorpusFile, names: Names, record: Record) -> Bubble | None:
    kind = kind_of(record.kind, record.part)
    if kind == SYSTEM or is_notice(record.text):
        file.skip(record.place, NOTICE)
        return None
    text, media = _content(file, record, kind)
    name = _name(names, record)
    return bubble(file, record.place, name, text, time=record.time, chat=record.chat, media=[media] if media else [])


def _content(file: CorpusFile, record: Record, kind: str) -> tuple[str, str]:
    """The words of a message, and what it holds besides."""
    text = record.text
    if is_xml(text):
        reply = reply_in_xml(text)
        if reply:
            file.note(record.place, "it is a reply: what it quotes is left out")
        return reply, "" if reply else kind if kind not in (TEXT, QUOTE, "") else OTHER
    if kind in (TEXT, QUOTE, ""):
        return _words(file, record, kind)
    return "", kind


def _words(file: CorpusFile, record: Record, kind: str) -> tuple[str, str]:
    if placeholder := alone(record.text):
        return "", placeholder
    words = without_quote(record.text) if kind == QUOTE else without_copied(record.text)
    if words.strip() != record.text.strip():
        file.note(record.place, "it is a reply: what it quotes is left out")
    if not kind:
        file.note(record.place, "a kind of message that isn't known: its text is kept")
    return words, ""


def _name(names: Names, record: Record) -> str:
    if record.mine or (record.mine is None and record.name.strip() == _I):
        return names.of(record.place, _OWNER, "")
    person = "" if record.mine is False and record.person == _I else record.person
    return names.of(record.place, person, record.name or person or record.chat)
