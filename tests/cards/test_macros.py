"""Macros become the same plain text every time, and hostile ones take no time."""

import pytest

from cards.examples import lines_of
from cards.macros import Voice, plain
from cards.spelling import id_from, language_of

SAID = {
    "Good evening, {{user}}.": "Good evening.",
    "{{user}}, come in.": "Come in.",
    '*waves* "{{User}}! Here."': '*waves* "You! Here."',
    "I saw {{user}}'s hat.": "I saw your hat.",
    "{{user}}'s hat is wet.": "Your hat is wet.",
    "<USER> and <BOT>": "You and Mara",
    "晚上好，{{user}}！": "晚上好！",
    "我认识{{user}}。": "我认识你。",
}
TOLD = {
    "{{CHAR}} loves {{user}}'s hat.": "Mara loves the player's hat.",
    "{{char}}认识{{user}}。": "Mara认识玩家。",
    "{{random:a,b}} {{pick::c::d}}": "a c",
    "{{random:a\\,b,c}}": "a,b",
    "{{roll:d6}} {{roll:2d6}} {{roll:20}} {{roll 6}}": "3 7 10 3",
    "x{{// a note}}y{{comment: z}}{{hidden_key:k}}": "xy",
    "{{reverse:{{char}}}}": "araM",
    "{{original}}Be kind": "Be kind",
    "{{unknown}} {{": "unknown {{",
    "{{random:{{char}},b}}": "Mara",
}


@pytest.mark.parametrize(
    ("voice", "text", "meant"),
    [*(("said", *case) for case in SAID.items()), *(("told", *case) for case in TOLD.items())],
)
def test_a_macro_becomes_plain_text(voice: Voice, text: str, meant: str) -> None:
    assert plain(text, "Mara", voice) == meant


@pytest.mark.parametrize(
    ("text", "char", "meant"),
    [
        ("{{char}} owes {{user}} money.", "老贝", "老贝 owes the player money."),
        ("{{user}} went to the tower to meet 安吉拉.", "老贝", "the player went to the tower to meet 安吉拉."),
        ("{{char}}认识{{user}}。", "Bess", "Bess认识玩家。"),
    ],
)
def test_the_text_decides_the_language(text: str, char: str, meant: str) -> None:
    assert plain(text, char) == meant


def test_full_width_marks_are_chinese() -> None:
    assert plain("{{user}}？", "柳", "said") == "你？"


def test_a_name_of_macros_stays() -> None:
    assert plain("I am {{char}}, <bot>.", "{{char}}{{user}}") == "I am {{char}}{{user}}, {{char}}{{user}}."


@pytest.mark.parametrize(
    "part", ["{{", "}}", "{{random:", "<user", ", ", "{{user}}", "<START>", "{{char}}:", " \t", "*"]
)
def test_a_million_of_anything_ends(part: str) -> None:
    text = part * (1_000_000 // len(part))
    for voice in ("told", "said"):
        assert len(plain(text, "Mara", voice)) <= 2 * len(text)
    assert lines_of(text, {"Mara"}, "Mara").count("\n") <= 2_000


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("She keeps the light.", "en"),
        ("她守着灯塔。", "zh"),
        ("彼女は灯台を守る。", "ja"),
        ("등대를 지킨다.", "ko"),
        ("", "en"),
    ],
)
def test_the_script_tells_the_language(text: str, language: str) -> None:
    assert language_of(text) == language


def test_an_id_is_made_of_the_name() -> None:
    assert id_from("Mára  Vell!") == "mara-vell"
    assert id_from("安吉拉", "card 7") == "card-7"
    assert id_from("安吉拉", "卡") == id_from("安吉拉") != id_from("安")
