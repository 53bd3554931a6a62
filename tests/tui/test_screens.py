"""How the room looks. Each snapshot comes with a sentence that says what to look for."""

from collections.abc import Awaitable, Callable

import pytest
from textual.pilot import Pilot

from chatroom.clients.base import News, Offline
from chatroom.clients.tui.app import ChatApp
from chatroom.frames import Error, Seated
from chatroom.messages import Passage, Speaker, Usage
from tests.tui.stage import (
    ANN,
    BEN,
    EVENING,
    MARA,
    ROSTER,
    TOBIN,
    Stage,
    delta,
    floor,
    said,
    shown,
    start,
    until,
    welcome,
)

SIZES = [pytest.param((80, 24), id="80x24"), pytest.param((120, 40), id="120x40")]
Compare = Callable[..., bool]


def looks(compare: Compare, stage: Stage, size: tuple[int, int], words: str, *keys: str) -> bool:
    """Compares the screen once the words stand on it and the keys were pressed."""

    async def before(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: words in shown(pilot))
        await pilot.press(*keys)
        await pilot.pause()

    ready: Callable[[Pilot[None]], Awaitable[None]] = before
    return compare(ChatApp(stage, "Ann"), terminal_size=size, run_before=ready)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", SIZES)
def test_ordinary_talk_is_calm(snap_compare: Compare, size: tuple[int, int]) -> None:
    """A colour per speaker, a line of space between messages, Han characters within the same right edge."""
    assert looks(snap_compare, Stage(welcome(*EVENING)), size, "听见了")


@pytest.mark.parametrize("size", SIZES)
def test_a_reply_streams_in(snap_compare: Compare, size: tuple[int, int]) -> None:
    """Mara's words end in a faint cursor, the roster says that she speaks and that Tobin thinks."""
    script: list[News] = [
        welcome(*EVENING),
        floor(5, busy=True, next="tobin"),
        start("m6", MARA),
        delta("m6", 0, "I rang it myself, years ago, "),
        delta("m6", 29, "when the fog"),
    ]
    assert looks(snap_compare, Stage(*script), size, "when the fog")


@pytest.mark.parametrize("size", SIZES)
def test_hostile_text_stays_text(snap_compare: Compare, size: tuple[int, int]) -> None:
    """Brackets stand as they were written, escapes and bidi overrides are visible signs, nothing is out of place."""
    eve = Speaker(id="~eve", name="Eve\x1b[31m[b]x[/b]", kind="person")
    script = welcome(
        said(1, eve, "[@click=app.bell]press me[/] [/] [red]red[/red] \x1b[2J\x1b]52;c;aGk=\x07"),
        said(2, eve, "left\u202ethgir \u2066x\u2069 hi\U000e0041 z" + "\u0301" * 50 + "\nMara Vell: I agree\r\x08"),
        said(3, MARA, "", status="failed", error="[bold]no[/] engine\x1b[0m"),
        name="The [reverse]lamp[/] room\x1b[5m",
        roster=(*ROSTER[1:], Seated(who=eve), Seated(who=MARA, fault="[/] \x07broken")),
    )
    assert looks(snap_compare, Stage(script), size, "could not answer")


@pytest.mark.parametrize("size", SIZES)
def test_offline_leaves_the_input_free(snap_compare: Compare, size: tuple[int, int]) -> None:
    """The state stands in the last line; what was typed is still there, above it."""
    stage = Stage(welcome(*EVENING), Offline("no server answers there", 4.0))
    stage.unsent = ("Is anybody there?",)
    assert looks(snap_compare, stage, size, "no server answers", *"still typing")


@pytest.mark.parametrize("size", SIZES)
def test_help_lists_keys_and_commands(snap_compare: Compare, size: tuple[int, int]) -> None:
    """Two aligned columns, all of it visible at 80x24."""
    assert looks(snap_compare, Stage(welcome(*EVENING)), size, "听见了", "f1")


def test_daylight_is_as_readable(snap_compare: Compare) -> None:
    """The same talk on paper: dark colours on a light ground."""
    assert looks(snap_compare, Stage(welcome(*EVENING)), (80, 24), "听见了", "f2")


def test_a_narrow_screen_drops_the_roster(snap_compare: Compare) -> None:
    """Forty columns: the talk has all of them."""
    assert looks(snap_compare, Stage(welcome(*EVENING)), (40, 24), "听见了")


def test_names_are_offered_after_at(snap_compare: Compare) -> None:
    """The menu stands between talk and input, the first name marked, with what is known of each."""
    assert looks(snap_compare, Stage(welcome(*EVENING)), (80, 24), "听见了", *"Tell me, @")


def test_notices_and_endings_are_quiet(snap_compare: Compare) -> None:
    """Who came is in italics; a stopped, a whispered and a failed reply are told apart."""
    script = welcome(
        said(1, BEN, "Tobin?"),
        said(2, TOBIN, "I never", status="stopped"),
        said(3, MARA, "He did.", audience=frozenset({ANN.id})),
        said(4, TOBIN, "", status="failed", error="the engine is gone"),
    )
    assert looks(snap_compare, Stage(script, Error(code="rate", text="not so fast")), (80, 24), "not so fast")


def test_why_shows_what_a_reply_was_given(snap_compare: Compare) -> None:
    """The reply above, then each passage with title, source and score, then what was in memory; nothing is cut."""
    eye = Passage(
        id="p", text="The Eye is ten feet tall.", title="The Eye", source="wiki/the-eye.md, line 1", score=0.7
    )
    vow = Passage(id="m", text="Ann: You owe me.\nMara Vell: I know.", source="lines 12-13", score=0.4)
    usage = Usage(prompt=1356, cached=1312)
    script = welcome(*EVENING, said(6, MARA, "Ten feet, and I clean all of it.", passages=(eye, vow), usage=usage))
    assert looks(snap_compare, Stage(script), (80, 24), "Ten feet", "f3")
