"""Chat exports of five programs → scenes. The samples are written here, in the shape of each exporter.

Knows the contract of a corpus format and nothing of what the formats share inside.
"""

from types import ModuleType
from typing import Any

import pytest

from finetune.corpora import discord, qq, telegram, wechat, whatsapp
from knowledge.errors import UnreadableError
from tests.workshop.chats import FORMATS, Reader, head, reader  # noqa: F401

# WeChat

MEMOTRACE = """\
localId,TalkerId,Type,SubType,IsSender,CreateTime,Status,StrContent,StrTime,Remark,NickName,Sender
1,217,1,0,0,1704200000,,今天去看灯塔吗[委屈],2024-01-02 12:00:00,阿岚,lan,wxid_lan
2,217,1,0,0,1704200005,,"风好大，
站不稳",2024-01-02 12:00:05,阿岚,lan,wxid_lan
3,217,1,0,1,1704200060,,去！(╯°□°）╯︵ ┻━┻,2024-01-02 12:01:00,阿岚,lan,wxid_lan
4,217,3,0,0,1704200070,,,2024-01-02 12:01:10,阿岚,lan,wxid_lan
5,217,47,0,1,1704200071,,"<msg><emoji md5=""0f""/></msg>",2024-01-02 12:01:11,阿岚,lan,wxid_lan
6,217,10000,0,0,1704200080,,你撤回了一条消息,2024-01-02 12:01:20,阿岚,lan,wxid_lan
7,217,1,0,0,1704300000,,早😀,2024-01-03 16:00:00,阿岚,lan,wxid_lan
"""

PYWXDUMP = """\
id,MsgSvrID,type_name,is_sender,talker,room_name,msg,src,CreateTime,is_forward
1,900,文本,0,wxid_lan,wxid_lan,在吗,,2024-01-02 12:00:00,0
2,901,文本,1,我,wxid_lan,在的,,2024-01-02 12:00:09,0
3,902,语音,0,wxid_lan,wxid_lan,语音时长：3秒,audio/1.wav,2024-01-02 12:00:19,0
4,903,带有引用的文本消息,1,我,wxid_lan,"好呀

[引用](2024-01-02 12:00:00)阿岚:在吗",,2024-01-02 12:00:30,0
"""

BY_WORDS = """\
消息ID,类型,发送人,时间,内容,备注,昵称,更多信息
1,文本,小舟,2024-02-01 10:00:00,船到了,小舟,zhou,
2,文本,我,2024-02-01 10:01:00,这就来,我,我,
3,转账,小舟,2024-02-01 10:02:00,[转账] 50.00,小舟,zhou,
"""

WEFLOW = {
    "weflow": {"version": "1.0", "exportedAt": 1704300000},
    "session": {"wxid": "77@chatroom", "displayName": "灯塔守夜人", "type": "群聊"},
    "messages": [
        {"localId": 1, "createTime": 1704200000, "formattedTime": "2024-01-02 12:53:20", "type": "文本消息",
         "content": "谁值夜？", "isSend": 0, "senderUsername": "wxid_a", "senderDisplayName": "阿岚"},
        {"localId": 2, "createTime": 1704200010, "formattedTime": "2024-01-02 12:53:30", "type": "引用消息",
         "content": "[引用 阿岚：谁[偷笑]值夜？]我来", "isSend": 1, "senderUsername": "wxid_me",
         "senderDisplayName": "Me"},
        {"localId": 3, "createTime": 1704200020, "formattedTime": "2024-01-02 12:53:40", "type": "动画表情",
         "content": "[动画表情]", "isSend": 0, "senderUsername": "wxid_b", "senderDisplayName": "阿岚"},
        {"localId": 4, "createTime": 1704200030, "formattedTime": "2024-01-02 12:53:50", "type": "文本消息",
         "content": "辛苦[Facepalm]", "isSend": 0, "senderUsername": "wxid_b", "senderDisplayName": "阿岚"},
        {"localId": 5, "createTime": 1704200040, "formattedTime": "2024-01-02 12:54:00", "type": "系统消息",
         "content": "小舟加入了群聊", "isSend": None, "senderUsername": "", "senderDisplayName": ""},
    ],
}  # fmt: skip

CHATLOG = [
    {"seq": 1, "time": "2024-01-02T12:00:00+08:00", "talker": "77@chatroom", "talkerName": "守夜人",
     "isChatRoom": True, "sender": "wxid_a", "senderName": "阿岚", "isSelf": False, "type": 1, "subType": 0,
     "content": "灯亮了"},
    {"seq": 2, "time": "2024-01-02T12:00:10+08:00", "talker": "77@chatroom", "sender": "wxid_me",
     "senderName": "", "isSelf": True, "type": 49, "subType": 57, "content": "看见了"},
    {"seq": 3, "time": "2024-01-02T12:00:12+08:00", "talker": "77@chatroom", "sender": "wxid_b",
     "senderName": "", "isSelf": False, "type": 21474836529, "content": "一个链接"},
    {"seq": 4, "time": "2024-01-02T12:00:14+08:00", "talker": "77@chatroom", "sender": "wxid_b",
     "senderName": "", "isSelf": False, "type": 1, "content": "我也是"},
]  # fmt: skip


def test_memotrace_table_becomes_two_days(read: Reader) -> None:
    got = read(wechat, MEMOTRACE)
    assert got.titles == ["2024-01-02", "2024-01-03"]
    assert got.lines == [
        ("阿岚", "今天去看灯塔吗[委屈]\n风好大，\n站不稳"),
        ("我", "去！(╯°□°）╯︵ ┻━┻"),
        ("阿岚", "早😀"),
    ]
    assert sorted(got.reasons) == [
        "a notice of the system is left out",
        "media is left out: [动画表情]",
        "media is left out: [图片]",
    ]
    assert got.noted == []
    assert got.scenes[0].source == "chat.csv, line 2"


def test_owner_and_media_follow_options(read: Reader) -> None:
    got = read(wechat, MEMOTRACE, me="守灯人", media=True)
    assert ("守灯人", "去！(╯°□°）╯︵ ┻━┻") in got.lines
    assert ("阿岚", "[图片]") in got.lines
    assert ("守灯人", "[动画表情]") in got.lines
    assert got.reasons == ["a notice of the system is left out"]


def test_pywxdump_reply_drops_its_quote(read: Reader) -> None:
    got = read(wechat, PYWXDUMP)
    assert got.lines == [("wxid_lan", "在吗"), ("我", "在的\n好呀")]
    assert got.skipped == [("line 4", "media is left out: [语音]")]
    assert "what it quotes is left out" in got.notes


def test_table_with_kinds_in_words(read: Reader) -> None:
    got = read(wechat, "\ufeff" + BY_WORDS.replace("\n", "\r\n"), me="我自己")
    assert got.lines == [("小舟", "船到了"), ("我自己", "这就来")]
    assert got.reasons == ["media is left out: [转账]"]


def test_table_in_gb18030_is_read(read: Reader) -> None:
    assert read(wechat, BY_WORDS.encode("gb18030")).lines == [("小舟", "船到了"), ("我", "这就来")]


def test_weflow_group_keeps_namesakes_apart(read: Reader) -> None:
    got = read(wechat, WEFLOW)
    assert got.lines == [("阿岚", "谁值夜？"), ("我", "我来"), ("阿岚 (2)", "辛苦[Facepalm]")]
    assert "two people share this name" in got.notes
    assert len(got.skipped) == 2


def test_chatlog_list_names_by_id(read: Reader) -> None:
    got = read(wechat, CHATLOG)
    assert got.lines == [("阿岚", "灯亮了"), ("我", "看见了"), ("wxid_b", "我也是")]
    assert got.skipped == [("message 3", "media is left out: [链接]")]


def test_sender_before_group_text_is_taken(read: Reader) -> None:
    rows = [{"isSend": 0, "type": 1, "content": "wxid_a:\n灯亮了", "createTime": 1704200000}]
    assert read(wechat, rows).lines == [("wxid_a", "灯亮了")]


def test_chatlog_table_names_its_senders(read: Reader) -> None:
    top = "Time,SenderName,Sender,TalkerName,Talker,Content\n"
    got = read(
        wechat, top + "2024-01-02 12:00:00,阿岚,wxid_a,,wxid_a,在吗\n2024-01-02 12:00:01,我,wxid_me,,wxid_a,在\n"
    )
    assert got.lines == [("阿岚", "在吗"), ("我", "在")]


def test_reply_in_xml_keeps_new_words(read: Reader) -> None:
    body = "<msg><appmsg><title>那就&amp;走</title><type>57</type><refermsg>走？</refermsg></appmsg></msg>"
    rows = [{"isSend": 0, "type": 49, "content": body, "senderUsername": "a", "createTime": 1704200000}]
    assert read(wechat, rows).lines == [("a", "那就&走")]


def test_copied_quote_above_reply_goes(read: Reader) -> None:
    rows = [{"isSend": 0, "type": "文本消息", "senderUsername": "a", "createTime": 1704200000,
             "content": "「小舟：船呢」\n- - - - - - - - - - -\n在修"}]  # fmt: skip
    assert read(wechat, rows).lines == [("a", "在修")]


def test_chats_in_one_table_are_parted(read: Reader) -> None:
    rows = ["StrContent,StrTime,TalkerId,IsSender,Remark"]
    rows += [f"第{n}句,2024-01-02 12:00:0{n},{n % 2},0,{'甲乙'[n % 2]}" for n in range(6)]
    got = read(wechat, "\n".join(rows))
    assert got.titles == ["0, 2024-01-02", "1, 2024-01-02"]
    assert got.lines == [("甲", "第0句\n第2句\n第4句"), ("乙", "第1句\n第3句\n第5句")]


def test_newest_first_is_turned_round(read: Reader) -> None:
    rows = [{"isSend": n % 2, "content": f"{n}", "senderUsername": "a", "createTime": 1704200000 - n} for n in range(3)]
    got = read(wechat, rows)
    assert [text for _, text in got.lines] == ["2", "1", "0"]
    assert "turned round" in got.notes


def test_missing_quotation_mark_costs_no_crash(read: Reader) -> None:
    table = 'StrContent,StrTime,IsSender,Remark\n"没有结尾,2024-01-02 12:00:00,0,甲\n' + "好,,0,甲\n" * 3
    got = read(wechat, table)
    assert got.lines or got.skipped


def test_table_without_text_is_refused(read: Reader) -> None:
    with pytest.raises(UnreadableError, match="names no column with text"):
        read(wechat, "a,b\n1,2\n")


# QQ

QQ = """\
消息记录（此消息记录为文本格式，不支持重新导入）

================================================================
消息分组:我的群聊
================================================================
消息对象:守夜人
================================================================

2024-01-02 12:03:04 【群主】阿岚(12345678)
谁在塔上？[图片]
@小舟 是你吗

2024-01-02 12:03:10 小舟<zhou@example.org>
在。[图片]

2024-01-02 12:03:20 阿岚(87654321)
我也叫阿岚

2024-01-02 12:03:30 系统消息(10000)
小明加入了群聊

2024-01-02 12:03:40 小舟<zhou@example.org>
[表情]

2024-01-03 下午 1:03:40 (55555)
没有名字

================================================================
消息分组:我的好友
================================================================
消息对象:小舟
================================================================

2024-01-03 13:04:00 小舟
================
消息对象不明
"""


def test_qq_text_becomes_scenes_by_chat(read: Reader) -> None:
    got = read(qq, "\ufeff" + QQ.replace("\n", "\r\n"))
    assert got.titles == ["守夜人, 2024-01-02", "守夜人, 2024-01-03", "小舟, 2024-01-03"]
    assert got.lines == [
        ("阿岚", "谁在塔上？\n@小舟 是你吗"),
        ("小舟", "在。"),
        ("阿岚 (2)", "我也叫阿岚"),
        ("55555", "没有名字"),
        ("小舟 (2)", "================\n消息对象不明"),
    ]
    assert got.reasons.count("media is left out: [图片]") == 2
    assert "media is left out: [表情]" in got.reasons
    assert "a notice of the system is left out" in got.reasons
    assert len(got.skipped) == 4


def test_qq_keeps_placeholders_on_request(read: Reader) -> None:
    assert ("小舟", "在。[图片]") in read(qq, QQ, media=True).lines


def test_qq_notice_is_told_not_spoken(read: Reader) -> None:
    got = read(qq, "2024-01-02 12:03:04 阿岚(12345678)\n阿岚撤回了一条消息\n")
    assert not got.lines
    assert got.skipped == [("line 1", "a notice of the system is left out")]


def test_qq_tells_lines_before_messages(read: Reader) -> None:
    got = read(qq, "随手写的\n2024-01-02 12:03:04 阿岚(12345678)\n好\n")
    assert got.skipped == [("line 1", "it stands before the first message")]


# Telegram

CHAT: dict[str, Any] = {
    "name": "Saltmere",
    "type": "private_group",
    "id": 1,
    "messages": [
        {"id": 1, "type": "service", "date": "2024-01-02T12:00:00", "actor": "Mara", "action": "create_group"},
        {"id": 2, "type": "message", "date": "2024-01-02T12:00:01", "from": "Mara", "from_id": "user1",
         "text": ["Read ", {"type": "link", "text": "https://example.org"}, " first"]},
        {"id": 3, "type": "message", "date": "2024-01-02T12:00:02", "from": "Mara", "from_id": "user1",
         "media_type": "sticker", "sticker_emoji": "🔥", "file": "s.webp", "text": ""},
        {"id": 4, "type": "message", "date": "2024-01-02T12:00:03", "from": None, "from_id": "user2", "text": "Gone"},
        {"id": 5, "type": "message", "date": "2024-01-02T12:00:04", "from": None, "from_id": "user3", "text": "Me too"},
        {"id": 6, "type": "message", "date": "2024-01-02T12:00:05", "from": "Mara", "from_id": "user1",
         "photo": "p.jpg", "text": "Look"},
        {"id": 7, "type": "message", "date": "2024-01-02T12:00:06", "from": "Mara", "from_id": "user1",
         "media_type": "voice_message", "file": "v.ogg", "text": ""},
        {"id": 8, "type": "message", "date": "2024-01-02T19:00:00", "from": "Mara", "from_id": "user1",
         "forwarded_from": "Harbour News", "text": "Fog at dusk"},
    ],
}  # fmt: skip


def test_telegram_chat_becomes_scenes(read: Reader) -> None:
    got = read(telegram, CHAT)
    assert got.titles == ["2024-01-02", "2024-01-02"]
    assert got.lines == [
        ("Mara", "Read https://example.org first\n🔥"),
        ("Deleted account", "Gone"),
        ("Deleted account (2)", "Me too"),
        ("Mara", "Look"),
        ("Mara", "Fog at dusk"),
    ]
    assert got.skipped == [
        ("message 1", "a notice of the system is left out"),
        ("message 6", "media is left out: [Photo]"),
        ("message 7", "media is left out: [Voice]"),
    ]
    assert "it was forwarded" in got.notes


def test_telegram_account_parts_its_chats(read: Reader) -> None:
    account = {"about": "…", "chats": {"list": [CHAT, 7, {"messages": CHAT["messages"][1:2]}]}}
    got = read(telegram, account, media=True)
    assert got.titles == ["Saltmere, 2024-01-02", "Saltmere, 2024-01-02", "chat 3, 2024-01-02"]
    assert ("chat 2", "it is no chat: an object with a list of messages is expected") in got.skipped
    assert ("Mara", "[Photo]\nLook\n[Voice]") in got.lines


def test_telegram_without_messages_is_refused(read: Reader) -> None:
    with pytest.raises(UnreadableError, match="neither messages nor chats"):
        read(telegram, {"contacts": {"list": []}})


# Discord

DISCORD = {
    "guild": {"id": "1", "name": "Saltmere"},
    "channel": {"id": "2", "type": "GuildTextChat", "name": "table"},
    "messages": [
        {"id": "1", "type": "Default", "timestamp": "2024-01-02T12:00:00.123+01:00", "content": "Who rolls?",
         "author": {"id": "7", "name": "mara_v", "nickname": "Mara", "isBot": False}, "attachments": []},
        {"id": "2", "type": "Reply", "timestamp": "2024-01-02T12:00:10+01:00", "content": "Me :dice:",
         "author": {"id": "8", "name": "tom", "nickname": "", "isBot": False},
         "attachments": [{"fileName": "map.png"}], "embeds": [{"title": "x"}]},
        {"id": "3", "type": "ChannelPinnedMessage", "timestamp": "2024-01-02T12:00:20+01:00",
         "content": "Pinned a message.", "author": {"id": "7", "name": "mara_v"}},
        {"id": "4", "type": "Default", "timestamp": "2024-01-02T12:00:30+01:00", "content": "17",
         "author": {"id": "9", "name": "dicebot", "nickname": "Dice", "isBot": True}},
        {"id": "5", "type": "Default", "timestamp": "2024-01-02T12:00:40+01:00", "content": "",
         "author": {"id": "7", "name": "mara_v", "nickname": "Mara of the Light"}, "stickers": [{"name": "wave"}]},
    ],
}  # fmt: skip


def test_discord_channel_speaks_by_nickname(read: Reader) -> None:
    got = read(discord, DISCORD)
    assert got.titles == ["2024-01-02"]
    assert got.lines == [("Mara", "Who rolls?"), ("tom", "Me :dice:"), ("Dice", "17")]
    assert got.skipped == [
        ("message 2", "media is left out: [Image]"),
        ("message 3", "a notice of the system is left out"),
        ("message 5", "media is left out: [Sticker]"),
    ]
    assert "a bot speaks" in got.notes
    assert "the first one is kept" in got.notes


def test_discord_keeps_placeholders_on_request(read: Reader) -> None:
    got = read(discord, DISCORD, media=True)
    assert ("tom", "[Image]\nMe :dice:") in got.lines
    assert ("Mara", "[Sticker]") in got.lines


# WhatsApp

ANDROID = """\
12/31/23, 9:15\u202fPM - Messages and calls are end-to-end encrypted. Tap to learn more.
12/31/23, 9:15\u202fPM - Mara: Is the lamp lit?
It was: out at noon.
12/31/23, 9:16\u202fPM - Tom: <Media omitted>
12/31/23, 9:17\u202fPM - Tom: Yes <This message was edited>
12/31/23, 9:18\u202fPM - Mara: This message was deleted
12/31/23, 9:18\u202fPM - Mara changed the subject from "a: b" to "c"
12/31/23, 9:19\u202fPM - Mara: IMG-20231231-WA0001.jpg (file attached)
Our tower
1/1/24, 12:05\u202fAM - Tom: Happy new year @\u2068Mara\u2069
"""

IOS = """\
\ufeff[31.12.23, 21:15:03] Watch: \u200eMessages and calls are end-to-end encrypted.
[31.12.23, 21:15:04] Mara: Is the lamp lit?
\u200e[31.12.23, 21:15:09] Tom: \u200eimage omitted
[31.12.23, 21:16:00] Tom: Yes
\u200e[31.12.23, 21:16:10] Tom: notes.pdf • \u200e3 pages \u200edocument omitted
"""

CHINESE = """\
2023/12/31 下午9:15 - 阿岚: 灯亮了吗
2023/12/31 下午9:16 - 小舟: <附件已省略>
2023/12/31 下午9:17 - 小舟: 亮了：你看
2024/1/1 上午12:05 - 阿岚: 新年好
"""


def test_android_export_becomes_lines(read: Reader) -> None:
    got = read(whatsapp, ANDROID)
    assert got.titles == ["2023-12-31"]
    assert got.lines == [
        ("Mara", "Is the lamp lit?\nIt was: out at noon."),
        ("Tom", "Yes"),
        ("Mara", "Our tower"),
        ("Tom", "Happy new year @Mara"),
    ]
    assert got.skipped == [
        ("line 1", "a notice of the system is left out"),
        ("line 4", "media is left out: [Media]"),
        ("line 6", "a message that was deleted"),
        ("line 7", "a notice of the system is left out"),
        ("line 8", "media is left out: [File]"),
    ]


def test_ios_export_becomes_lines(read: Reader) -> None:
    got = read(whatsapp, IOS)
    assert got.titles == ["2023-12-31"]
    assert got.lines == [("Mara", "Is the lamp lit?"), ("Tom", "Yes")]
    assert got.reasons == [
        "a notice of the system is left out",
        "media is left out: [Photo]",
        "media is left out: [File]",
    ]


def test_chinese_export_becomes_lines(read: Reader) -> None:
    got = read(whatsapp, CHINESE, pause=60)
    assert got.titles == ["2023-12-31", "2024-01-01"]
    assert got.lines == [("阿岚", "灯亮了吗"), ("小舟", "亮了：你看"), ("阿岚", "新年好")]


@pytest.mark.parametrize(
    ("dates", "title", "noted"),
    [
        (["3/4/24", "3/13/24"], "2024-03-04", False),
        (["3/4/24", "13/4/24"], "2024-04-03", False),
        (["5/1/24", "6/1/24", "1/2/24"], "2024-01-05", False),
        (["1/5/24", "1/6/24", "2/1/24"], "2024-01-05", False),
        (["3/4/24", "3/4/24"], "2024-04-03", True),
    ],
)
def test_date_order_comes_from_whole_file(read: Reader, dates: list[str], title: str, noted: bool) -> None:
    got = read(whatsapp, "".join(f"{date}, 21:15 - Mara: Hello\n" for date in dates))
    assert got.titles[0] == title
    assert ("can't be told" in got.notes) == noted


# All of them

SAMPLES = [
    (wechat, MEMOTRACE, ".csv"),
    (wechat, PYWXDUMP, ".csv"),
    (wechat, BY_WORDS, ".csv"),
    (wechat, WEFLOW, ".json"),
    (wechat, CHATLOG, ".json"),
    (qq, QQ, ".txt"),
    (telegram, CHAT, ".json"),
    (discord, DISCORD, ".json"),
    (whatsapp, ANDROID, ".txt"),
    (whatsapp, IOS, ".txt"),
    (whatsapp, CHINESE, ".txt"),
]


@pytest.mark.parametrize(("form", "content", "suffix"), SAMPLES)
def test_each_export_is_claimed_once(form: ModuleType, content: object, suffix: str) -> None:
    claims = {each: each.claims(head(content, suffix)) for each in FORMATS}
    assert claims[form] >= 0.9
    assert all(claim < 0.5 for each, claim in claims.items() if each is not form)


@pytest.mark.parametrize("content", ["", "Mara: The lamp is lit.\nTom: Good.\n", "a,b\n1,2\n", '{"a": 1}', "[1, 2]"])
def test_other_files_are_not_claimed(content: str) -> None:
    assert all(form.claims(head(content, suffix)) == 0 for form in FORMATS for suffix in form.SUFFIXES)


@pytest.mark.parametrize("form", FORMATS)
def test_chats_are_private_and_described(form: ModuleType) -> None:
    assert form.PRIVATE is True
    assert form.HELP
    assert all(suffix.startswith(".") for suffix in form.SUFFIXES)
