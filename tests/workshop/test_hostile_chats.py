"""Chat exports that are damaged, absurd or made to hurt: they are read or refused, and never cost a message in silence.

Knows the contract of a corpus format alone.
"""

from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finetune.corpora import discord, qq, telegram, wechat, whatsapp
from finetune.corpora.base import CorpusFile
from knowledge.errors import UnreadableError
from tests.workshop.chats import FORMATS, Read, Reader, reader  # noqa: F401


@pytest.mark.parametrize("form", [wechat, telegram, discord])
@pytest.mark.parametrize(
    "content", ['{"messages": [{"id":', '{"messages": 5}', "[" * 100_000, '{"messages":' + "[" * 9999]
)
def test_damaged_json_is_refused_by_name(read: Reader, form: ModuleType, content: str) -> None:
    with pytest.raises(UnreadableError, match=r"chat\."):
        read(form, content)


def test_every_message_is_line_or_told(read: Reader) -> None:
    rows = [{"isSend": n % 2, "type": n % 60, "content": f"句{n}", "createTime": 1704200000 + n} for n in range(300)]
    got = read(wechat, rows)
    spoken = {piece for _, text in got.lines for piece in text.split("\n")}
    told = {place for place, _ in got.skipped}
    assert all((f"句{n}" in spoken) != (f"message {n + 1}" in told) for n in range(300))


def test_absurd_times_part_nothing(read: Reader) -> None:
    dates = ["9999-99-99 99:99:99", "10" * 30, "", "NaN", "-5", "2024-01-02T12:00:00"]
    messages = [{"type": "message", "from": "Mara", "from_id": "u", "date": date, "text": "Hi"} for date in dates]
    got = read(telegram, {"messages": messages})
    assert got.lines == [("Mara", "\n".join(["Hi"] * 6))]
    assert got.titles == ["2024-01-02"]
    assert len(got.noted) == 5


def test_nobody_is_without_name(read: Reader) -> None:
    rows = [{"content": "hi", "isSend": 0, "senderUsername": who, "createTime": 1704200000} for who in ["", "\0", "a"]]
    got = read(wechat, rows)
    assert [name for name, _ in got.lines] == ["对方", "对方 (2)", "a"]


def test_oversized_export_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "chat.txt"
    with path.open("wb") as stream:
        stream.truncate(513_000_000)
    for form in FORMATS:
        with pytest.raises(UnreadableError, match="larger than 512 MB"):
            list(form.read(CorpusFile(name=path.name, path=path)))


def test_nul_and_odd_breaks_are_cleaned(read: Reader) -> None:
    message = {"from": " Ma\u2028ra\x00 ", "from_id": "u", "text": "a\x00b\u2028c\r\nd\x85e"}
    blank = {"from": "Mara", "from_id": "u", "text": "\u200b\u2060 \x00"}
    got = read(telegram, {"messages": [message, blank]})
    assert got.lines == [("Ma ra", "ab\nc\nd\ne")]
    assert got.skipped == [("message 2", "it has no text")]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = {
    wechat: ["content", "isSend", "type", "subType", "createTime", "senderUsername", "senderDisplayName", "talker"],
    telegram: ["type", "text", "from", "from_id", "date", "date_unixtime", "media_type", "photo", "sticker_emoji"],
    discord: ["type", "content", "author", "timestamp", "attachments", "stickers", "embeds", "forwardedMessage"],
}
ANY_FILE = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def hold(got: Read, messages: int) -> None:
    """What every reading keeps to, whatever the file."""
    assert all(text.strip() and name and name == name.strip() for name, text in got.lines)
    assert all(scene.lines for scene in got.scenes)
    bubbles = sum(len(text.split("\n")) for _, text in got.lines)
    assert bubbles + len(got.skipped) >= messages


@pytest.mark.parametrize("form", FIELDS)
@given(data=st.data())
@ANY_FILE
def test_fields_of_any_type_are_survived(read: Reader, form: ModuleType, data: st.DataObject) -> None:
    message = st.dictionaries(st.sampled_from(FIELDS[form]), JSON, max_size=9) | JSON
    messages = data.draw(st.lists(message, max_size=5))
    try:
        got = read(form, {"messages": messages, "chats": {"list": []}})
    except UnreadableError:
        return
    hold(got, len(messages))


PIECES = st.sampled_from(
    [
        *(
            "12/31/23, 9:15 PM - ",
            "[31.12.23, 21:15:03] ",
            "2024-01-02 12:03:04 ",
            "阿岚(12345)",
            "Mara: ",
            "image omitted",
        ),
        *(
            "消息对象:",
            "========",
            "「",
            "」\n- - - - -\n",
            "[图片]",
            "\u200e",
            "【",
            "(",
            "<",
            ">",
            '"',
            ",",
            "\n",
            "\r\n",
        ),
        "9" * 30,
    ]
)


@pytest.mark.parametrize("form", FORMATS)
@given(pieces=st.lists(PIECES | st.text(max_size=8), max_size=12))
@ANY_FILE
def test_texts_of_any_kind_are_survived(read: Reader, form: ModuleType, pieces: list[str]) -> None:
    text = "".join(pieces)
    top = "StrContent,IsSender,StrTime,Remark\n" if form is wechat else ""
    try:
        hold(read(form, (top + text).encode("utf-8", "replace")), 0)
    except UnreadableError:
        return


@pytest.mark.parametrize("form", [qq, whatsapp])
@pytest.mark.parametrize(
    "hostile",
    ["[" * 50_000, "1/2/3, " * 9000, "(1234" * 9000, "<a" * 20_000, "「" * 50_000, " " * 50_000, "【" * 50_000],
)
def test_hostile_lines_are_read_whole(read: Reader, form: ModuleType, hostile: str) -> None:
    heads = ["2024-01-02 12:03:04 甲", "1/2/23, 9:15 PM - ", "1/2/23, 9:15 PM - A: ", ""]
    got = read(form, "\n".join(f"{head}{hostile}" for head in heads))
    assert got.scenes or got.skipped
