"""No text, whoever wrote it, may do more on a terminal than be read."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatroom.clients._safe_text import MAX_MARKS, safe_text

ANYTHING = st.text(st.characters(), max_size=60)  # lone surrogates too
HOSTILE = st.text(
    st.sampled_from("a\x1b[31m\x07\r\n\t\x9b\u202e\u2066\u0301\ufeff\U000e0041\u200d]0;x\x7f安"), max_size=60
)


@given(ANYTHING | HOSTILE)
def test_nothing_unsafe_comes_out(text: str) -> None:
    shown = safe_text(text)
    assert not [char for char in shown if unicodedata.category(char) in {"Cc", "Cs"}]
    assert not set(shown) & set("\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
    assert not [char for char in shown if 0xE0000 <= ord(char) <= 0xE007F]


@given(ANYTHING | HOSTILE)
def test_newlines_are_kept_where_asked(text: str) -> None:
    controls = {char for char in safe_text(text, newlines=True) if unicodedata.category(char) == "Cc"}
    assert controls <= {"\n"}


@given(ANYTHING | HOSTILE)
def test_making_safe_twice_changes_nothing(text: str) -> None:
    once = safe_text(text, newlines=True)
    assert safe_text(once, newlines=True) == once


@given(st.text(st.sampled_from("ab\u0301\u200d\u20dd"), max_size=80))
def test_no_base_carries_many_marks(text: str) -> None:
    marks = "".join("m" if unicodedata.category(char) in {"Mn", "Me", "Cf"} else " " for char in safe_text(text))
    assert "m" * (MAX_MARKS + 1) not in marks


@pytest.mark.parametrize(
    "text",
    [
        "Good evening.",
        "安吉拉，你好！",
        "[bold]not markup[/bold]",
        "naïve Zoë",
        "👩‍👩‍👧 🏴",
        "שלום",
        "ไม่เป็นไร",
        "ñ" * 3,
    ],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert safe_text(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "␛[31mred"),
        ("\x1b]52;c;aGk=\x07", "␛]52;c;aGk=␇"),
        ("a\u202eb", "a⟦U+202E⟧b"),
        ("\x9b2J", "⟦U+009B⟧2J"),
        ("one\r\ntwo\u2028three", "one two three"),
        ("a\tb", "a    b"),
        ("hi\U000e0041\U000e0042", "hi"),
        ("\ud800", "\ufffd"),
    ],
)
def test_hostile_text_becomes_visible(text: str, shown: str) -> None:
    assert safe_text(text) == shown
