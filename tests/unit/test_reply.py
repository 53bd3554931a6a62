"""A stream of text becomes one speaker's reply, however it is cut into pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatroom.reply import Reply, written


def heard(text: str, *, size: int = 1, line_ends: bool = True) -> tuple[str, str]:
    reply = Reply(
        own=["Mara Vell", "Mara"], others={"Tobin Hask": "tobin", "Tobin": "tobin", "安": "an"}, line_ends=line_ends
    )
    shown = [reply.feed(text[start : start + size]) for start in range(0, len(text), size)]
    shown.append(reply.finish())
    assert "".join(shown) == reply.text
    return reply.text, reply.hands_to


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize(
    ("text", "expected", "hands_to"),
    [
        (" Hello there. ", "Hello there.", ""),
        (" Mara Vell: Aye: lit.", "Aye: lit.", ""),
        ("Aye.\nTobin: No.", "Aye.", "tobin"),
        ("Aye.\n安：不。", "Aye.", "an"),
        ("Aye.\nTobias: No.", "Aye.", ""),
        ("Aye.\n  And more.\nElse", "Aye.\nAnd more.", ""),
        ("Tobin Hask: I am here.", "", "tobin"),
        ("Mara: Tobin: I am here.", "", "tobin"),
        ("Tobin says no.", "Tobin says no.", ""),
        ("Tobin", "Tobin", ""),
        ("\n\nAye.\r\n  More\u2028Else", "Aye.\nMore", ""),
    ],
)
def test_a_reply_ends_where_another_begins(text: str, expected: str, hands_to: str, size: int) -> None:
    assert heard(text, size=size) == (expected, hands_to)


def test_paragraphs_stay_in_the_chat_layout() -> None:
    text = "One.\n\nTwo.\nThree: no name.\nTobin: Mine."
    assert heard(text, line_ends=False) == ("One.\n\nTwo.\nThree: no name.", "tobin")


@given(st.text(alphabet="aT \n:obinMr", max_size=40), st.integers(1, 5))
def test_pieces_do_not_change_the_reply(text: str, size: int) -> None:
    assert heard(text, size=size) == heard(text, size=1000)


@given(st.text(max_size=60))
def test_no_message_writes_a_second_line(text: str) -> None:
    first, *rest = written("Ann", text).split("\n")
    assert first.startswith("Ann: ")
    assert all(line.startswith("  ") for line in rest)
    assert len(written("Ann", text).splitlines()) == len(rest) + 1
