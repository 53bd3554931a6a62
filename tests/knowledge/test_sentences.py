"""Sentences of English, Chinese and Japanese; nothing is lost and nothing hangs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.language.sentences import sentences

WRAPPED = (
    "The keeper carries the oil up the stairs by hand, one can\n"
    "at a time. It comes by boat from the mainland, and when the\n"
    "weather is bad Tobin brings it over.\n"
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The lamp is lit. It is seen far off.", ["The lamp is lit. ", "It is seen far off."]),
        ("Who? You! Stop it... Now.", ["Who? ", "You! ", "Stop it... ", "Now."]),
        ("She waited... and waited. Then she went.", ["She waited... and waited. ", "Then she went."]),
        ("He said “Go.” She went. (It was late.) So.", ["He said “Go.” ", "She went. ", "(It was late.) ", "So."]),
        ("“Is it lit?” she asked. Yes.", ["“Is it lit?” she asked. ", "Yes."]),
        ("It has a bell.[3] Nobody rings it.", ["It has a bell.[3] ", "Nobody rings it."]),
        ("It has 142 steps. 3 are loose.", ["It has 142 steps. ", "3 are loose."]),
        ("It is lit at 5 p.m. in winter. Then dark.", ["It is lit at 5 p.m. in winter. ", "Then dark."]),
        ("灯塔亮了。她走上去！为什么？", ["灯塔亮了。", "她走上去！", "为什么？"]),
        ("她说：「走吧。」他不走。", ["她说：「走吧。」", "他不走。"]),
        ("“你来了？”她问。", ["“你来了？”", "她问。"]),
        ("等等……雨停了。", ["等等……", "雨停了。"]),
        ("灯は消えた。「はい。」と彼は言う。", ["灯は消えた。", "「はい。」", "と彼は言う。"]),
        ("Say OK!然后走。", ["Say OK!", "然后走。"]),
    ],
)
def test_a_sentence_ends_at_its_mark(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Mr. Vell met Dr. Pell and Mrs. Hask.",
        "The book is by J. R. Pell (and A. Smith).",
        "It has many names, e.g. The Eye, i.e. Mara's lens.",
        "It weighs 3.5 tons and costs 1.000.000 crowns.",
        "He lives at No. 5, see p. 12 and Fig. 3 there.",
        "The U.S. Navy sent it on Jan. 5 to St. Orrin.",
        "Read keeper.log or www.example.org today",
        "1. Trim the wicks",
        "她付了3.5个银币，走了",
    ],
)
def test_a_full_stop_inside_ends_nothing(text: str) -> None:
    assert sentences(text) == [text]


def test_verse_and_lists_end_with_their_lines() -> None:
    verse = "The lamp is lit\nThe wind is high\n\n- brush\n- rag\n1. Trim it.\n2. Wind it.\n灯亮了\n风停了"
    assert "|".join(sentences(verse)) == (
        "The lamp is lit\n|The wind is high\n\n|- brush\n|- rag\n|1. Trim it.\n|2. Wind it.\n|灯亮了\n|风停了"
    )


def test_a_wrapped_line_goes_on() -> None:
    assert [len(piece.split("\n")) for piece in sentences(WRAPPED)] == [2, 3]
    assert sentences(WRAPPED)[0].endswith("at a time. ")


@given(st.text(alphabet="aB1 .!?。！…」”)]\n\t[『，é\u3000", max_size=80) | st.text(max_size=80))
def test_the_pieces_joined_are_the_text(text: str) -> None:
    pieces = sentences(text)
    assert "".join(pieces) == text
    assert all(pieces)


@pytest.mark.parametrize("text", ["a", "a ", ".", '"', "\n", " ", "[1", ".[1", "灯", "...)"])
def test_a_text_without_borders_never_hangs(text: str) -> None:
    long = text * (300_000 // len(text))  # a quadratic walk would take minutes
    assert "".join(sentences(long)) == long
