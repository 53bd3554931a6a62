"""Who is spoken to and who is only spoken of, in several scripts."""

import pytest

from chatroom.addressing import addressed, mentioned
from chatroom.messages import SeatedRole, Speaker

TABLE = [
    SeatedRole(id="mara", name="Mara Vell", aliases=("Mara", "the keeper")),
    SeatedRole(id="tobin", name="Tobin Hask", aliases=("Tobin",)),
    SeatedRole(id="angela", name="安吉拉", aliases=("安姐",)),
    Speaker(id="~ann", name="Ann", kind="person"),
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Good evening, Mara.", ["mara"]),
        ("good evening mara", ["mara"]),
        ("@mara is it lit", ["mara"]),
        ("Is it lit, Mara Vell?", ["mara"]),
        ("Mara what do you see", ["mara"]),
        ("What do you think of Mara, Tobin?", ["tobin"]),
        ("Hey Tobin and Mara, come here", ["tobin", "mara"]),
        ("Mara? Tobin?", ["mara", "tobin"]),
        ("Ann, are you there?", ["~ann"]),
        ("everyone, drink!", ["mara", "tobin", "angela"]),
        ("@all drink", ["mara", "tobin", "angela"]),
        ("安吉拉，你好", ["angela"]),
        ("你好安吉拉！", ["angela"]),
        ("安吉拉你好", ["angela"]),
        ("请问安姐，几点了", ["angela"]),
        ("今晚很冷，是不是，安吉拉？", ["angela"]),
        ("Ｍａｒａ，hello", ["mara"]),
        ("How are you Mara?", ["mara"]),
        ("What do you think Mara?", ["mara"]),
        ("Mara is it lit?", ["mara"]),
        ("Hello there Mara", ["mara"]),
        ("Mara and Tobin come here", ["mara", "tobin"]),
        ("Come here Mara and Tobin", ["mara", "tobin"]),
        ("谢谢你安吉拉", ["angela"]),
        ("大家，喝酒！", ["mara", "tobin", "angela"]),
    ],
)
def test_a_name_at_the_edge_is_addressed(text: str, expected: list[str]) -> None:
    assert addressed(text, TABLE) == expected


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Where is Mara?", ["mara"]),
        ("Mara's lamp is out.", ["mara"]),
        ("Do you know Mara?", ["mara"]),
        ("Have you seen Tobin?", ["tobin"]),
        ("You should ask Mara.", ["mara"]),
        ("Look at Mara.", ["mara"]),
        ("Mara is here.", ["mara"]),
        ("write to a@mara.com", ["mara"]),
        ("I come with Mara and Tobin.", ["mara", "tobin"]),
        ("I told Mara Vell, the keeper, that Tobin waits.", ["mara", "tobin"]),
        ("我昨天看见安吉拉在那里。", ["angela"]),
        ("下一位应该是安吉拉来说话", ["angela"]),
        ("The marathon of all tobinesque runners", []),
    ],
)
def test_a_name_spoken_of_is_not_addressed(text: str, named: list[str]) -> None:
    assert addressed(text, TABLE) == []
    assert mentioned(text, TABLE) == named


def test_the_longest_name_wins() -> None:
    table = [SeatedRole(id="an", name="安"), SeatedRole(id="angela", name="安吉拉")]
    assert addressed("安吉拉，你好", table) == ["angela"]


def test_a_shared_alias_addresses_both() -> None:
    table = [SeatedRole(id="a", name="A", aliases=("sister",)), SeatedRole(id="b", name="B", aliases=("sister",))]
    assert addressed("Sister, come.", table) == ["a", "b"]


def test_an_empty_table_hears_nothing() -> None:
    assert addressed("Mara, hello", []) == []
