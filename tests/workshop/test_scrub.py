"""Scrubbing: what identifies people goes, the same thing to the same placeholder, and everything else stays."""

import msgspec
import pytest

from finetune.dialogue import Line, Scene
from finetune.scrub.scrub import Scrubber

PERSONAL = {
    "a Chinese mobile number": ("打我电话13800138000吧", "13800138000", "[电话1]"),
    "one with spaces": ("我的手机 138 0013 8000", "138 0013 8000", "[电话1]"),
    "one with country and dashes": ("加 +86 138-0013-8000", "+86 138-0013-8000", "[电话1]"),
    "one in full-width digits": ("打１３８００１３８０００", "１３８００１３８０００", "[电话1]"),
    "one split by invisible signs": ("打138\u200b0013\u200b8000", "138\u200b0013\u200b8000", "[电话1]"),
    "one written out": ("记住一三八〇〇一三八〇〇〇", "一三八〇〇一三八〇〇〇", "[电话1]"),
    "a fixed line with its extension": ("座机010-62345678转801", "010-62345678转801", "[电话1]"),
    "a fixed line in brackets": ("打(0571) 8765 4321", "(0571) 8765 4321", "[电话1]"),
    "a service line": ("热线 400-810-8888", "400-810-8888", "[电话1]"),
    "an American number": ("my cell is (415) 555-2671 ok", "(415) 555-2671", "[phone 1]"),
    "a short number with a label": ("call me at 555-0123", "555-0123", "[phone 1]"),
    "a British number abroad": ("it is +44 20 7946 0958", "+44 20 7946 0958", "[phone 1]"),
    "an identity card": ("身份证11010519491231002X", "11010519491231002X", "[证件1]"),
    "an identity card without label": ("是11010519491231002X。", "11010519491231002X", "[证件1]"),
    "an old identity card": ("旧证110105491231002", "110105491231002", "[证件1]"),
    "an American social number": ("it was 536-90-4399 then", "536-90-4399", "[id 1]"),
    "a passport with its label": ("护照号：E12345678", "E12345678", "[护照1]"),
    "a bank card in groups": ("the card 4111 1111 1111 1111 works", "4111 1111 1111 1111", "[card 1]"),
    "a bank card in one": ("转到6222021234567890128", "6222021234567890128", "[卡号1]"),
    "an account by IBAN": ("to GB82 WEST 1234 5698 7654 32 AND soon", "GB82 WEST 1234 5698 7654 32", "[card 1]"),
    "a mail address": ("写信到mara.vell@example.com给我", "mara.vell@example.com", "[邮箱1]"),
    "a mail address in full width": ("写信到ｍａｒａ＠example．com给我", "ｍａｒａ＠example．com", "[邮箱1]"),
    "a mail address in disguise": ("mine is mara (at) home (dot) org", "mara (at) home (dot) org", "[mail 1]"),
    "a link with a password": ("看 https://u:pw@host.example/x 吧", "https://u:pw@host.example/x", "[链接1]"),
    "a link with a token": (
        "open https://a.example/cb?token=abc123 now",
        "https://a.example/cb?token=abc123",
        "[link 1]",
    ),
    "an address in Chinese": (
        "我住在北京市朝阳区建国路88号3号楼2单元501室，来吧",
        "北京市朝阳区建国路88号3号楼2单元501室",
        "[地址1]",
    ),
    "an address after a label": ("收货地址：幸福村3组12号", "幸福村3组12号", "[地址1]"),
    "an address without a street": ("到翠苑小区12栋3单元402见", "翠苑小区12栋3单元402", "[地址1]"),
    "an address in English": (
        "at 12 Baker Street, London NW1 6XE now",
        "12 Baker Street, London NW1 6XE",
        "[address 1]",
    ),
    "an American address": (
        "at 742 Evergreen Terrace, Springfield, IL 62704 now",
        "742 Evergreen Terrace, Springfield, IL 62704",
        "[address 1]",
    ),
    "a WeChat account": ("微信号：mara_vell88", "mara_vell88", "[账号1]"),
    "a WeChat account after 加": ("加我微信 abc12345 吧", "abc12345", "[账号1]"),
    "a QQ account": ("我的QQ：123456789", "123456789", "[账号1]"),
    "a Telegram account": ("find me on Telegram @mara_v please", "@mara_v", "[account 1]"),
    "an account's own form": ("他是wxid_a1b2c3d4e5f6", "wxid_a1b2c3d4e5f6", "[账号1]"),
    "a service key": ("use sk-proj-abcdefghijklmnop1234 here", "sk-proj-abcdefghijklmnop1234", "[key 1]"),
    "a repository token": (f"use ghp_{'a1B2' * 9} here", f"ghp_{'a1B2' * 9}", "[key 1]"),
    "a signed token": ("use eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc here", None, "[key 1]"),
    "a key in a block": ("-----BEGIN PRIVATE KEY-----\nMIIabc\n-----END PRIVATE KEY-----", None, "[密钥1]"),
    "a password in Chinese": ("密码是abc12345", "abc12345", "[密钥1]"),
    "a password without a sign": ("wifi密码88888888，连吧", "88888888", "[密钥1]"),
    "a key with its label": ("api_key: 9f8e7d6c5b4a3928 ok", "9f8e7d6c5b4a3928", "[key 1]"),
    "a password in English": ("password: hunter2", "hunter2", "[key 1]"),
    "a code that was sent": ("验证码 482913，别告诉人", "482913", "[密钥1]"),
    "an address of a machine": ("服务器 192.168.1.20:8080", "192.168.1.20", "[网络地址1]"),
    "a long address of a machine": ("at 2001:db8:85a3::8a2e:370:7334 now", "2001:db8:85a3::8a2e:370:7334", "[ip 1]"),
    "a licence plate": ("车牌京A·12345", "京A·12345", "[车牌1]"),
    "an electric car's plate": ("开粤B12345D来", "粤B12345D", "[车牌1]"),
}
HARMLESS = [
    "在1984年到2024年间，2024-05-06 12:30:45，10:30-11:45",
    "It costs 13 800 gold, or 13800 gold; 138,001,380 people paid $415-555-2671.",
    "rolled 4d6: 6 5 3 1, then 12 14 9 17 20 11 8",
    "第3章 第12回 1. 2. 3. 4. 5. 10 20 30 40 50 60 70 80",
    "version 1.2.3.4 and v10.20.30.40, 版本10.11.12.13",
    "打了13800000000点伤害，赚了15012345678元",
    "ISBN 978-7-02-000220-7 and 9787020002207",
    "The password is swordfish, said the guard. 密码是芝麻开门",
    "他走了300里路，见了三个人；长街八百号人都看着他",
    "Discord: great place. Telegram is great. QQ是什么？微信怎么用",
    "1700000000000 1700000000 20240506123456 12345678",
    "I have 12 Dark Riders on the way, and 3 Elven Way.",
    "x = 0.12345678901234567, pi 3.14159265358979",
    "https://example.com/page?id=3 says 2/3/2024",
    "战斗力 9001，等级 100000000，token is a small coin",
    "卡号一样的11010519491231002",
    "the time is 12:30:45:00 and std::vector is empty",
    "“这里一百号人。”他说道。",
    "4111 1111 1111 1112",
    "公寓里3室，大厦12层，key: value1, 1:2:3:4:5:6:7:8, firmware 4.19.128.1",
]


@pytest.mark.parametrize(("text", "personal", "expected"), PERSONAL.values(), ids=PERSONAL.keys())
def test_what_is_personal_is_replaced(text: str, personal: str | None, expected: str) -> None:
    scrubbed = Scrubber().text(text)
    assert scrubbed == text.replace(personal, expected) if personal else expected in scrubbed


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_harmless_stays(text: str) -> None:
    assert Scrubber().text(text) == text


def test_one_number_has_one_placeholder() -> None:
    scrubber = Scrubber()
    first = scrubber.text("打13800138000吧")
    assert scrubber.text("打15912345678吧") == "打[电话2]吧"
    assert scrubber.text("打+86 138-0013-8000吧") == first
    assert scrubber.text("１３８００１３８０００") == "[电话1]"


def test_scrubbing_twice_changes_nothing() -> None:
    everything = "，".join(text for text, _, _ in PERSONAL.values()) + "\n" + "\n".join(HARMLESS)
    once = Scrubber(names=["李明", "phone"]).text(everything)
    assert Scrubber(names=["李明", "phone"]).text(once) == once
    for text, _, _ in PERSONAL.values():
        once = Scrubber().text(text + text)
        assert Scrubber().text(once) == once


def test_earlier_placeholders_keep_their_numbers() -> None:
    lines = [Line(name="", text="打13800138000"), Line(name="", text="打[电话1]")]
    (scene,) = Scrubber().scenes([Scene(lines=lines)])
    assert [line.text for line in scene.lines] == ["打[电话2]", "打[电话1]"]


def test_names_are_whole_words_or_chinese() -> None:
    scrubber = Scrubber(names=["Mara", "李明", "Mara Vell"])
    assert scrubber.text("Mara and MARA ran the Marathon") == "[name 1] and [name 1] ran the Marathon"
    assert scrubber.text("Mara Vell，老李明天来") == "[name 2]，老[人名3]天来"


def test_names_go_from_every_place() -> None:
    scene = Scene(
        title="与李明的聊天",
        premise="李明在家",
        source="李明.txt, line 3",
        cast={"李明": "李明是医生"},
        lines=[Line(name="李明", text="我是李明", audience=("李明", "Mara"))],
    )
    scrubbed = Scrubber(names=["李明"]).scenes([scene])
    assert "李明" not in msgspec.json.encode(scrubbed).decode()
    assert scrubbed[0].lines == [Line(name="[人名1]", text="我是[人名1]", audience=("[人名1]", "Mara"))]


def test_a_number_that_speaks_is_replaced() -> None:
    (scene,) = Scrubber().scenes([Scene(lines=[Line(name="+86 138 0013 8000", text="在吗")])])
    assert scene.lines[0].name == "[电话1]"


def test_what_is_kept_stays() -> None:
    assert Scrubber(keep={"400-810-8888"}).text("热线400-810-8888") == "热线400-810-8888"
    assert Scrubber(keep={"13800138000"}).text("打138 0013 8000") == "打138 0013 8000"


def test_the_longer_of_two_wins() -> None:
    assert Scrubber(names=["mara"]).text("to mara@example.com now") == "to [mail 1] now"


def test_the_language_is_of_the_text_around() -> None:
    assert Scrubber(language="en").text("+44 20 7946 0958") == "[phone 1]"
    assert Scrubber(language="zh").text("+44 20 7946 0958") == "[电话1]"
    assert Scrubber(language="zh").text("please call +44 20 7946 0958") == "please call [phone 1]"
    assert Scrubber(language="en").text("请打+44 20 7946 0958") == "请打[电话1]"


def test_a_report_tells_counts_and_no_more() -> None:
    scrubber = Scrubber(names=["李明"])
    scrubber.text("李明的电话13800138000，再说一遍13800138000，邮箱a.b@example.com")
    told = msgspec.to_builtins(scrubber.report)
    assert told["kinds"]["phone"] == {"count": 2, "distinct": 1}
    assert told["placeholders"] == {"[人名1]": 1, "[电话1]": 2, "[邮箱1]": 1}
    said = f"{told} {scrubber.report} {scrubber!r}"
    assert not any(personal in said for personal in ("13800138000", "李明", "example"))


@pytest.mark.parametrize(
    "unit",
    [
        "1",
        "1 ",
        "1-",
        "a",
        "ab@",
        "a.",
        "市",
        "路1号",
        "小区1期",
        "AA11 ",
        "1.",
        "f:",
        "Aa ",
        "://",
        "密码是",
        "\u200b1",
    ],
)
def test_hostile_lines_come_through(unit: str) -> None:
    assert Scrubber(names=["a", "市长"]).text(unit * (30_000 // len(unit)))
