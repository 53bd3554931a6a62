"""What the user does, and what becomes of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from unicodedata import category

from textual.color import Color
from textual.events import Paste
from textual.pilot import Pilot

from chatroom.clients.base import Offline, Online
from chatroom.clients.tui import colours
from chatroom.clients.tui.app import ChatApp
from chatroom.clients.tui.completion import completions
from chatroom.clients.tui.composer import Composer
from chatroom.clients.tui.message_view import MessageView
from chatroom.clients.tui.transcript_view import TranscriptView
from chatroom.errors import RefusedError
from chatroom.frames import Error, Ok, Presence, RetriedFrame, Seated
from chatroom.messages import Passage, Speaker
from tests.tui.stage import ANN, EVENING, MARA, ROSTER, TOBIN, Stage, delta, floor, said, shown, start, until, welcome

LONG = [said(seq, MARA, f"line number {seq}.") for seq in range(101, 161)]


@asynccontextmanager
async def on_screen(stage: Stage, words: str, size: tuple[int, int] = (80, 24)) -> AsyncIterator[Pilot[None]]:
    async with ChatApp(stage, "Ann").run_test(size=size) as pilot:
        await until(pilot, lambda: words in shown(pilot))
        yield pilot


def typed(pilot: Pilot[None]) -> str:
    return pilot.app.query_one(Composer).text


async def test_enter_says_what_was_typed() -> None:
    stage = Stage(welcome(*EVENING))
    async with on_screen(stage, "听见了") as pilot:
        await pilot.press(*"Hello", "ctrl+j", *"there", "enter")
        await until(pilot, lambda: stage.done == [("say", "Hello\nthere")])
        assert typed(pilot) == ""


async def test_a_refused_line_is_given_back() -> None:
    stage = Stage(welcome(*EVENING))
    stage.refusal = RefusedError("rate", "you talk too fast")
    async with on_screen(stage, "听见了") as pilot:
        await pilot.press(*"Hello", "enter")
        await until(pilot, lambda: "you talk too fast" in shown(pilot))
        assert typed(pilot) == "Hello"


async def test_a_line_too_long_stays() -> None:
    stage = Stage(welcome(*EVENING))
    async with on_screen(stage, "听见了") as pilot:
        pilot.app.query_one(Composer).text = "x" * 4001
        await pilot.press("enter")
        await until(pilot, lambda: "4,001 of 4,000" in shown(pilot))
        assert len(typed(pilot)) == 4001
        assert stage.done == []


async def test_commands_reach_the_server() -> None:
    stage = Stage(welcome(*EVENING))
    async with on_screen(stage, "听见了") as pilot:
        for line in ("/invite ilse", "/dismiss mara", "/retry", "//really"):
            await pilot.press(*line, "enter")
        done = [("invite", "ilse"), ("dismiss", "mara"), ("retry", None), ("say", "/really")]
        await until(pilot, lambda: stage.done == done)
        await pilot.press(*"/dance", "enter")
        await until(pilot, lambda: "there is no /dance" in shown(pilot))


async def test_escape_stops_a_running_reply_only() -> None:
    stage = Stage(welcome(*EVENING))
    async with on_screen(stage, "听见了") as pilot:
        await pilot.press("escape")
        stage.tell(floor(5, busy=True, next="mara"), start("m6", MARA), delta("m6", 0, "I rang it"))
        await until(pilot, lambda: "I rang it" in shown(pilot))
        await pilot.press("escape", "ctrl+x", "ctrl+r")
        await until(pilot, lambda: stage.done == [("stop", None), ("stop", None), ("retry", None)])


async def test_tab_takes_the_marked_name() -> None:
    stage = Stage(welcome(*EVENING))
    async with on_screen(stage, "听见了") as pilot:
        await pilot.press(*"Well, @", "down", "tab", *"why?", "enter")
        await until(pilot, lambda: stage.done == [("say", "Well, @Tobin Reck why?")])


async def test_a_reply_keeps_its_widget() -> None:
    stage = Stage(welcome(*EVENING), start("t", MARA), delta("t", 0, "I rang"))
    async with on_screen(stage, "I rang") as pilot:
        view = pilot.app.query(MessageView).last()
        stage.tell(delta("t", 6, " it myself"))
        await until(pilot, lambda: "I rang it myself" in shown(pilot))
        stage.tell(said(6, ANN, "Go on."), said(7, MARA, "I rang it myself, once.", id="t"))
        await until(pilot, lambda: "myself, once." in shown(pilot))
        assert pilot.app.query(MessageView).last() is view
        assert shown(pilot).index("Go on.") < shown(pilot).index("myself, once.")


async def test_a_retried_reply_leaves_the_screen() -> None:
    stage = Stage(welcome(*EVENING, said(6, MARA, "Nonsense.")))
    async with on_screen(stage, "Nonsense.") as pilot:
        stage.tell(RetriedFrame(room="saltmere", seq=7, prev=6, at=0, supersedes="m6", by="~ann"))
        await until(pilot, lambda: "Nonsense." not in shown(pilot))


async def test_new_words_do_not_tear_one_away() -> None:
    stage = Stage(welcome(*LONG))
    async with on_screen(stage, "line number 160.") as pilot:
        await pilot.press("pageup", "pageup")
        await until(pilot, lambda: "line number 160." not in shown(pilot))
        place = pilot.app.query_one(TranscriptView).scroll_y
        stage.tell(said(161, MARA, "something new"))
        await until(pilot, lambda: "1 new below" in shown(pilot))
        assert pilot.app.query_one(TranscriptView).scroll_y == place
        await pilot.press("ctrl+end")
        await until(pilot, lambda: "something new" in shown(pilot) and "new below" not in shown(pilot))


async def test_a_wheel_leaves_the_end_gently() -> None:
    stage = Stage(welcome(*LONG))
    async with on_screen(stage, "line number 160.") as pilot:
        view = pilot.app.query_one(TranscriptView)
        view.scroll_up(animate=True, duration=0.1)
        await until(pilot, lambda: view.scroll_y == view.max_scroll_y - 1)
        stage.tell(said(161, MARA, "something new"))
        await until(pilot, lambda: "1 new below" in shown(pilot))


async def test_scrolling_down_at_the_end_still_follows() -> None:
    stage = Stage(welcome(*LONG))
    async with on_screen(stage, "line number 160.") as pilot:
        await pilot.press("pagedown", "pagedown")
        stage.tell(*(said(seq, MARA, f"line number {seq}.") for seq in range(161, 170)))
        await until(pilot, lambda: "line number 169." in shown(pilot))
        assert "new below" not in shown(pilot)


async def test_reading_back_loads_earlier_pages() -> None:
    stage = Stage(welcome(*LONG, more=True))
    stage.earlier = [Ok(cid="c", events=tuple(said(seq, MARA, f"line number {seq}.") for seq in range(51, 101)))]
    async with on_screen(stage, "line number 160.") as pilot:
        view = pilot.app.query_one(TranscriptView)
        while not stage.done:
            await pilot.press("pageup")
        assert stage.done == [("history", 101)]
        await until(pilot, lambda: len(view.query(MessageView)) == 110 and view.scroll_y > 100)
        await until(pilot, lambda: "line number 101." in shown(pilot))
        for _ in range(20):
            await pilot.press("pageup")
        await until(pilot, lambda: "line number 51." in shown(pilot) and "A winter evening" in shown(pilot))


async def test_typing_goes_on_while_offline() -> None:
    stage = Stage(welcome(*EVENING), Offline("the connection was lost", 2.0))
    async with on_screen(stage, "offline: the connection was lost; again in 2 s") as pilot:
        await pilot.press(*"still here")
        stage.tell(Online())
        await until(pilot, lambda: "● online" in shown(pilot))
        assert typed(pilot) == "still here"


async def test_a_long_note_wraps_until_a_key() -> None:
    many = tuple(Seated(who=Speaker(id=f"~p{n}", name=f"Person {n}", kind="person")) for n in range(12))
    async with on_screen(Stage(welcome(*EVENING, roster=many)), "听见了") as pilot:
        await pilot.press(*"/who", "enter")
        await until(pilot, lambda: "Person 11 is here" in shown(pilot))
        await pilot.press("escape")
        await until(pilot, lambda: "Person 11 is here" not in shown(pilot))


async def test_a_note_yields_to_the_connection() -> None:
    stage = Stage(welcome(*EVENING))
    stage.refusal = RefusedError("offline", "not connected")
    async with on_screen(stage, "听见了") as pilot:
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "not connected" in shown(pilot))
        stage.tell(Offline("the connection was lost", 2.0))
        await until(pilot, lambda: "again in 2 s" in shown(pilot))


async def test_a_new_fault_is_told_once() -> None:
    broken = Presence(room="saltmere", roster=(Seated(who=MARA, fault="no adapter"), Seated(who=ANN)))
    stage = Stage(welcome(*EVENING))
    async with on_screen(stage, "听见了") as pilot:
        stage.tell(broken)
        await until(pilot, lambda: "Mara Vell can't speak: no adapter" in shown(pilot))
        await pilot.press("a")
        stage.tell(Presence(room="saltmere", roster=ROSTER), broken, start("t", MARA), delta("t", 0, "Well"))
        await until(pilot, lambda: "Well" in shown(pilot))
        assert "can't speak" not in shown(pilot)


async def test_a_table_that_cannot_answer_is_told() -> None:
    stage = Stage(welcome(*EVENING, roster=(Seated(who=MARA, fault="no adapter"), Seated(who=ANN))))
    async with on_screen(stage, "听见了") as pilot:
        await pilot.press(*"Hello", "enter")
        await until(pilot, lambda: "nobody here can answer" in shown(pilot))


async def test_only_the_last_failure_offers_a_retry() -> None:
    failures = [said(seq, MARA, "", status="failed", error=f"reason {seq}") for seq in (6, 7)]
    stage = Stage(welcome(*EVENING, *failures))
    async with on_screen(stage, "reason 7  (Ctrl+R tries again)") as pilot:
        assert shown(pilot).count("Ctrl+R") == 1
        stage.tell(said(8, MARA, "", status="failed", error="reason 8"))
        await until(pilot, lambda: "reason 8  (Ctrl+R tries again)" in shown(pilot))
        assert shown(pilot).count("Ctrl+R") == 1


async def test_a_refusal_at_the_door_ends_it() -> None:
    stage = Stage()
    app = ChatApp(stage, "Ann")
    async with app.run_test() as pilot:
        stage.tell(RefusedError("bad_token", "the token is wrong"))
        await until(pilot, lambda: app.return_code == 1)
    assert app.refusal == "the token is wrong"


async def test_the_screen_follows_the_terminal() -> None:
    async with on_screen(Stage(welcome(*EVENING)), "Characters") as pilot:
        await pilot.resize_terminal(60, 20)
        await until(pilot, lambda: "Characters" not in shown(pilot))
        await pilot.resize_terminal(100, 30)
        await until(pilot, lambda: "Characters" in shown(pilot))


async def test_pasted_escape_codes_stay_out() -> None:
    async with on_screen(Stage(welcome(*EVENING)), "听见了") as pilot:
        pilot.app.query_one(Composer).post_message(Paste("one\r\ntwo\x1b[2J"))
        await until(pilot, lambda: typed(pilot) == "one\ntwo␛[2J")


async def test_no_control_character_reaches_the_screen() -> None:
    eve = Speaker(id="~eve", name="Eve\x1b[31m\u202e", kind="person")
    hostile = said(1, eve, "[/] \x1b]52;c;aGk=\x07 \x9b2J \u2066 \r\x08 z" + "\u0301" * 2000)
    stage = Stage(
        welcome(hostile, roster=(Seated(who=eve, fault="\x1b[0m broken"),)), Error(code="x", text="\x1b[2J ouch")
    )
    async with on_screen(stage, "ouch") as pilot:
        stage.tell(start("t", MARA), delta("t", 0, "well \x1b[5m[blink]"))
        await until(pilot, lambda: "[blink]" in shown(pilot))
        screen = shown(pilot).replace("\n", "")
        assert not [char for char in screen if category(char) == "Cc" or char in "\u202e\u2066"]
        assert screen.count("\u0301") <= 8


async def test_long_talk_keeps_few_widgets() -> None:
    stage = Stage(welcome(*LONG))
    async with on_screen(stage, "line number 160.") as pilot:
        stage.tell(*(said(seq, MARA, f"line number {seq}.") for seq in range(161, 501)))
        await until(pilot, lambda: "line number 500." in shown(pilot))
        assert len(pilot.app.query(MessageView)) <= 300


def test_speakers_can_be_read_on_both_grounds() -> None:
    for theme, palette in ((colours.NIGHT, colours._ON_DARK), (colours.DAY, colours._ON_LIGHT)):
        ground = Color.parse(theme.background)
        for colour in palette:
            light, dark = sorted((_luminance(ground), _luminance(Color.parse(colour))), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, colour


def _luminance(colour: Color) -> float:
    parts = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in colour.normalized]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def test_names_are_found_by_any_word() -> None:
    assert [choice.text for choice in completions("Oh, @the k", ROSTER)] == ["@Mara Vell "]
    assert [choice.text for choice in completions("你好 @安", ROSTER)] == ["@安吉拉 "]
    assert [choice.text for choice in completions("hello@re", ROSTER)] == []
    assert [choice.text for choice in completions("@", ROSTER, "~ann")][-1] == "@Ben "
    assert [choice.text for choice in completions("/st", ROSTER)] == ["/stop"]
    assert [choice.text for choice in completions("/dismiss ma", ROSTER)] == ["Mara Vell"]
    assert completions("//st", ROSTER) == []


async def test_f3_shows_what_a_reply_was_given() -> None:
    eye = Passage(id="p", text="It has a hundred rings.", title="The Eye", source="wiki/the-eye.md, line 1", score=0.71)
    rows = (said(1, MARA, "It turns.", passages=(eye,)), said(2, TOBIN, "So they say."))
    async with on_screen(Stage(welcome(*rows)), "So they say") as pilot:
        await pilot.press("f3")
        await until(pilot, lambda: "Nothing was looked up" in shown(pilot))
        await pilot.press("up")
        await until(pilot, lambda: "wiki/the-eye.md, line 1" in shown(pilot) and "a hundred rings" in shown(pilot))
        await pilot.press("escape")
        await until(pilot, lambda: "wiki/the-eye.md" not in shown(pilot))


async def test_a_click_on_a_reply_asks_why() -> None:
    eye = Passage(id="p", text="It has a hundred rings.", title="The Eye", source="wiki/the-eye.md")
    rows = (said(1, MARA, "It turns.", passages=(eye,)), said(2, TOBIN, "So they say."), said(3, ANN, "Hm."))
    async with on_screen(Stage(welcome(*rows)), "So they say") as pilot:
        views = list(pilot.app.query(MessageView))
        await pilot.click(views[2])
        await pilot.click(views[0])
        await until(pilot, lambda: "a hundred rings" in shown(pilot))


async def test_why_needs_a_reply_to_ask_about() -> None:
    async with on_screen(Stage(welcome(said(1, ANN, "Hello?"))), "Hello?") as pilot:
        await pilot.press("f3")
        await until(pilot, lambda: "nobody has said anything" in shown(pilot))
