"""WeChat exports as records, whatever wrote them: a CSV row or a JSON object becomes named fields of one kind.

Exporters give the same few things many names (`StrContent`, `msg`, `内容`), told here once. Names of fields are
compared without case and underscores. A row that can't be read is told and passed over. Knows nothing of messages.
"""

import csv
import re
from collections.abc import Iterator, Mapping
from datetime import datetime

import msgspec

from finetune.corpora._chat_json import decoded, records, text_of
from finetune.corpora._clock import moment
from finetune.corpora.base import CorpusFile
from knowledge.encodings import read_lines
from knowledge.errors import UnreadableError

_TEXT = ("strcontent", "content", "msg", "内容", "消息内容", "message", "parsedcontent")
_TIME = ("strtime", "formattedtime", "time", "时间", "createtime", "timestamp", "ts", "msgcreatetime")
_MINE = ("issender", "issend", "isself", "issent", "isme")
_NAME = (
    "groupnickname",
    "remark",
    "备注",
    "senderremark",
    "senderdisplayname",
    "sendername",
    "发送人",
    "nickname",
    "昵称",
    "accountname",
)
_PERSON = ("sender", "senderusername", "senderwxid", "senderid")
_CHAT = ("roomname", "talkerid", "conversationid")
_KIND = ("typename", "类型", "type", "msgtype", "messagetype", "localtype")
_PART = ("subtype",)
_YES, _NO = frozenset({"1", "true", "是"}), frozenset({"0", "false", "否"})
_KNOWN = frozenset({*_TEXT, *_TIME, *_MINE, *_NAME, *_PERSON, *_CHAT, *_KIND, *_PART, "talker", "talkername", "mesdes"})
_PREFIX = re.compile(r"(wxid_\w{1,40}):\n")
_LONGEST_ROW = 1_000_000


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One message as the exporter has it.

    Args:
        mine: Whether the owner of the export sent it; None where that isn't said.
        person: The sender's id, "" where there is none.
        chat: What the exporter calls the chat, "" where it doesn't.
    """

    place: str
    text: str
    time: datetime | None
    mine: bool | None
    person: str
    name: str
    chat: str
    kind: str
    part: str


class _Export(msgspec.Struct):
    messages: list[msgspec.Raw]


def names_in(header: str) -> frozenset[str]:
    """The known fields in the first line of a table."""
    cells = header.replace('"', "").split(",")
    return frozenset(_plain(cell) for cell in cells) & _KNOWN


def json_records(file: CorpusFile) -> Iterator[Record]:
    """The messages of a list, or of an object with a list of `messages`."""
    export = decoded(file, list[msgspec.Raw] | _Export)  # type: ignore[arg-type]
    raws = export.messages if isinstance(export, _Export) else export
    for place, fields in records(file, raws):
        yield _record(place, {_plain(key): value for key, value in fields.items()})


def csv_records(file: CorpusFile) -> Iterator[Record]:
    """The rows of a table with a header.

    Raises:
        UnreadableError: It has no header, or the header names no text.
    """
    rows = _rows(file)
    _, header = next(rows, (0, []))
    columns = [_plain(cell) for cell in header]
    if not set(columns) & set(_TEXT):
        raise UnreadableError(
            file.name, "its first line names no column with text, as StrContent, msg or 内容", "line 1"
        )
    for number, cells in rows:
        if len(cells) < 2:
            file.skip(f"line {number}", "it has a single cell: the row is broken")
            continue
        yield _record(f"line {number}", dict(zip(columns, cells, strict=False)))


def _rows(file: CorpusFile) -> Iterator[tuple[int, list[str]]]:
    """Rows with the line at which they begin; a row that is too long or broken is told."""
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_ROW))
    numbers = [0]
    reader = csv.reader(_counted(file, numbers))
    while True:
        first = numbers[0] + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            file.skip(f"lines {first} to {numbers[0]}", "a row of the table is broken: a quotation mark may be missing")
            continue
        if any(cell.strip() for cell in cells):
            yield first, cells


def _counted(file: CorpusFile, numbers: list[int]) -> Iterator[str]:
    for number, line in read_lines(file):
        numbers[0] = number
        yield line.replace("\0", "") + "\n"


def _record(place: str, fields: Mapping[str, object]) -> Record:
    talker = text_of(fields.get("talker"))
    person, text = _sender(_first(fields, _PERSON), _first(fields, _TEXT))
    return Record(
        place=place,
        text=text,
        time=next((time for name in _TIME if (time := moment(fields.get(name)))), None),
        mine=_mine(fields),
        person=person or ("" if "sendername" in fields else talker),
        name=_first(fields, _NAME),
        chat=_first(fields, _CHAT) or (talker if "sender" in fields or "sendername" in fields else ""),
        kind=_first(fields, _KIND),
        part=_first(fields, _PART),
    )


def _sender(person: str, text: str) -> tuple[str, str]:
    """The id of the sender and the text: in groups some exporters leave the id in front of it, on a line of its own."""
    found = None if person else _PREFIX.match(text)
    return (found[1], text[found.end() :]) if found else (person, text)


def _mine(fields: Mapping[str, object]) -> bool | None:
    for name in _MINE:
        value = fields.get(name)
        said = str(value).lower() if isinstance(value, bool) else text_of(value).strip().lower()
        if said in _YES or said in _NO:
            return said in _YES
    return {"0": True, "1": False}.get(text_of(fields.get("mesdes")))


def _first(fields: Mapping[str, object], names: tuple[str, ...]) -> str:
    return next((text for name in names if (text := text_of(fields.get(name))).strip()), "")


def _plain(name: str) -> str:
    return name.strip().strip("\ufeff").replace("_", "").replace(" ", "").lower()
