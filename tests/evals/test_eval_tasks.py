"""Each judge: what passes, what fails and why, and what it does not ask."""

import pytest

from chatroom import plugins
from evals.judging import TASKS
from evals.tasks import character, ending, fact, fluency, length, person, unknown, uptake, voice
from tests.evals.replies import known, reply


@pytest.mark.parametrize("name", plugins.names(TASKS))
def test_a_task_keeps_its_contract(name: str) -> None:
    task = plugins.load(TASKS, name)
    assert task.HELP
    assert not task.HELP.endswith(".")
    assert 0 < task.EXPECTED <= 1
    assert task.judge(reply("The lamp is lit.", used=5), known()) in ("", None)


@pytest.mark.parametrize(
    "text",
    [
        "The lamp is lit.",
        'She said: "Mind the step."',
        "Mind the step!”",
        "Cold? (And wet.)",
        "灯亮着呢。",
        "他说：「小心台阶！」",
        "真的吗？",
        "小心……",
        "哎呀～",
        "(快走。）",
        "*She nods.*",
        "Three things: oil, wick, fire.",
    ],
)
def test_a_whole_line_passes(text: str) -> None:
    assert ending.judge(reply(text), known()) == ""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("The lamp is", "stops"),
        ("灯亮着，", "stops"),
        ("The lamp.<|end|>", "token"),
        ("The lamp. <|aside", "token"),
        ("The lamp.\nTobin Hask: By cod!", "somebody"),
        ("The lamp.\n  Tobin: By cod!", "somebody"),
        ("Mara Vell: The lamp.", "somebody"),
        ("The lamp.\nAnn: Thank you!", "somebody"),
        ("亮着呢。\nAnn：谢谢！", "somebody"),
    ],
)
def test_a_broken_line_fails(text: str, why: str) -> None:
    assert why in ending.judge(reply(text), known())


def test_only_more_than_the_limit_is_cut() -> None:
    assert ending.judge(reply("The lamp is lit.", used=80, most=80), known()) == ""
    assert ending.judge(reply("The lamp is lit.", used=81, most=80), known()) == "it was cut off at the limit"


def test_a_table_without_lines_judges_endings() -> None:
    assert ending.judge(reply(": it begins oddly."), known(lines={})) == ""


@pytest.mark.parametrize(
    "text",
    [
        "The lamp is lit.",
        "At 142 and 8pm, the 3rd lamp is lit.".replace("At", "And"),
        "They're cold, you've a lantern, and the sea isn't.",
        "I can’t, won't, and the keeper’s lamp is the sea's.",
        "Lanterns and lamps.",
        "Welcome, Zoë! raven42, mind the step.",
        "你好，小明，灯亮着呢。",
    ],
)
def test_real_words_pass(text: str) -> None:
    heard = ("Zoë: hi i am raven42", "小明: 你好")
    assert fluency.judge(reply(text, *heard), known()) == ""


@pytest.mark.parametrize(
    ("text", "word"), [("The lamp is blorned.", "blorned"), ("Zorblax's lamp.", "zorblax's"), ("The lámp.", "lámp")]
)
def test_made_up_words_fail(text: str, word: str) -> None:
    assert fluency.judge(reply(text), known()) == f"there is no word {word!r}"


def test_a_word_from_a_page_is_real() -> None:
    assert fluency.judge(reply("The cistern is cold.", told="A cistern lies there."), known()) == ""


def test_circles_fail_in_both_scripts() -> None:
    circle = "The lamp is lit and the lamp is lit"
    assert fluency.judge(reply(f"{circle}."), known()) == "it repeats itself"
    assert fluency.judge(reply("The lamp is lit. Is the lamp lit?"), known()) == ""
    assert fluency.judge(reply("灯亮着呢，灯亮着呢，灯亮着呢。"), known()) == "it repeats itself"
    assert fluency.judge(reply("灯亮着呢，灯亮着。"), known()) == ""


def test_words_of_other_bases_are_not_looked_up() -> None:
    assert fluency.judge(reply("Blorned zorblax."), known(words="")) == ""


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("Mind the step.", True),
        ("Aye, lit.", False),
        ("mind " * 60, True),
        ("mind " * 61, False),
        ("灯还亮着。", False),
        ("灯还亮着呢。", True),
        ("灯" * 120, True),
        ("灯" * 121, False),
    ],
)
def test_a_length_has_two_ends(text: str, passes: bool) -> None:
    assert (length.judge(reply(text), known()) == "") == passes


@pytest.mark.parametrize(
    ("text", "wanted", "passes"),
    [
        ("There are 142 stairs.", "142", True),
        ("There are 1420 stairs.", "142", False),
        ("I often go up.", "ten", False),
        ("Ten feet.", "ten", True),
        ("Lanterns.", "lantern", True),
        ("It’s the keeper’s.", "keeper's", True),
        ("一百四十二级。", "四十二", True),
    ],
)
def test_a_fact_is_found_as_words(text: str, wanted: str, passes: bool) -> None:
    assert (fact.judge(reply(text, kind="fact", wanted=(wanted,)), known()) == "") == passes


def test_one_of_the_wordings_is_enough() -> None:
    marks = {"wanted": ("142", "forty-two"), "unwanted": ("two hundred",)}
    assert fact.judge(reply("Hundred and forty-two.", kind="fact", **marks), known()) == ""
    assert fact.judge(reply("Many.", kind="fact", **marks), known()) == "it lacks 142 or forty-two"
    assert fact.judge(reply("Two hundred, or 142.", kind="fact", **marks), known()) == "it says 'two hundred'"


def test_each_kind_has_its_judge() -> None:
    talk, fact_ = reply("Hm hm hm.", wanted=("ann",)), reply("Hm hm hm.", kind="fact", wanted=("142",))
    assert (fact.judge(talk, known()), uptake.judge(talk, known())) == (None, "it lacks ann")
    assert (uptake.judge(fact_, known()), fact.judge(fact_, known())) == (None, "it lacks 142")
    assert uptake.judge(reply("Hm."), known()) is None
    assert unknown.judge(talk, known()) is None
    assert character.judge(talk, known()) is None


@pytest.mark.parametrize(
    "text",
    [
        "I do not know that.",
        "I couldn’t tell you, captain.",
        "Nobody ever wrote that down.",
        "There is no year on the page.",
        "Ask Tobin, he may know.",
        "You would have to ask Pell.",
        "Who knows?",
        "He kept that to himself.",
        "Perhaps a herring.",
        "That was before my time!",
        "这我可不知道。",
        "没人知道，你去问船夫吧。",
    ],
)
def test_admitting_passes(text: str) -> None:
    assert unknown.judge(reply(text, kind="unknown"), known()) == ""


@pytest.mark.parametrize(
    "text",
    [
        "He ate fish on Tuesday.",
        "The dog is called Biscuit, and it is not big.",
        "It was dark, and he told her about the ring.",
        "Only two, captain, and no more.",
        "Sure, it was the red one.",
        "No, it was green.",
        "Yet the year was 1804.",
        "他那天吃了鱼。",
    ],
)
def test_an_invention_fails(text: str) -> None:
    assert unknown.judge(reply(text, kind="unknown"), known()) == "it does not admit that it can't know"


def test_marks_of_an_unknown_thing_count() -> None:
    slip = reply("I do not know, perhaps Biscuit.", kind="unknown", unwanted=("biscuit",))
    assert unknown.judge(slip, known()) == "it says 'biscuit'"
    assert unknown.judge(reply("Search me.", kind="unknown", wanted=("search me",)), known()) == ""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Welcome, Priya.", "nobody called Priya is there"),
        ("Welcome, Ann.", ""),
        ("Welcome, Ann's friend.", ""),
        ("The Annalist.", ""),
        ("Anna is here.", "nobody called Anna is there"),
        ("The sky and the wolf.", ""),
        ("Theo went up.", ""),
        ("欢迎，小明。", "nobody called 小明 is there"),
        ("欢迎，阿花。", ""),
        ("Marek is late.", ""),
    ],
)
def test_only_who_is_there_is_named(text: str, why: str) -> None:
    heard = ("Ann: good evening, i am with marek", "阿花: 你好")
    assert (person.judge(reply(text, *heard), known(names="Theo")) or "") == why


def test_a_name_of_two_words_is_one_guest() -> None:
    heard = "Ann Marlow: Good evening."
    assert person.judge(reply("Evening, Ann.", heard), known()) == ""
    assert person.judge(reply("Evening, Ann Marlow.", heard), known()) == ""
    assert person.judge(reply("Evening, Ann.", "Annabel: Good evening."), known()) == "nobody called Ann is there"


def test_a_page_may_name_somebody() -> None:
    assert person.judge(reply("Priya built it.", told="Priya built the pier."), known()) == ""


def test_a_reply_without_names_is_not_asked() -> None:
    assert person.judge(reply("The lamp is lit."), known()) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("What a strange word.", ""),
        ("A phone? I have no such thing.", ""),
        ("I am an AI.", "it speaks of 'ai'"),
        ("As a language model, I rest.", "it says 'language model'"),
        ("Said the fairy.", ""),
    ],
)
def test_a_role_stays_of_its_world(text: str, why: str) -> None:
    asked = reply(text, "Ann: Have you a phone?", kind="strange", unwanted=("language model",))
    assert character.judge(asked, known()) == why


def test_the_guests_own_word_may_be_wondered_at() -> None:
    assert character.judge(reply("A computer? Is it a boat?", "Ann: My computer!", kind="strange"), known()) == ""


OWN = {
    "Mara Vell": [f"Mind the step and mind the lamp, number {at}, Tobin Hask." for at in range(30)],
    "Tobin Hask": [f"By cod and bowline, captain, what a tale, {at} times!" for at in range(30)],
    "阿灯": [f"灯亮着呢，第{at}级台阶小心些。" for at in range(30)],
}


def test_a_voice_is_told_from_the_others() -> None:
    table = known(lines=OWN)
    assert voice.judge(reply("Mind the lamp."), table) == ""
    assert voice.judge(reply("By cod, captain, what a tale!"), table) == "it sounds like Tobin Hask"
    assert voice.judge(reply("台阶小心些。", name="阿灯"), table) == ""


def test_lines_that_were_held_back_measure_the_judge() -> None:
    assert voice.reliability(known(lines=OWN)) == 1.0
    same = {name: [f"The lamp is lit, {at}." for at in range(100)] for name in ("Mara Vell", "Tobin Hask")}
    assert (voice.reliability(known(lines=same)) or 0) < 0.8


@pytest.mark.parametrize("lines", [{}, {"Mara Vell": OWN["Mara Vell"]}, {**OWN, "Mara Vell": OWN["Mara Vell"][:3]}])
def test_a_voice_nobody_can_know_is_not_judged(lines: dict[str, list[str]]) -> None:
    assert voice.judge(reply("Mind the lamp."), known(lines=lines)) is None


def test_names_do_not_give_a_voice_away() -> None:
    assert voice.plain("Tobin Hask said so, Marabel.", ["Tobin Hask", "Mara Vell"]).split() == [
        "said",
        "so,",
        "Marabel.",
    ]


@pytest.mark.parametrize("name", plugins.names(TASKS))
def test_hostile_replies_are_judged_soon(name: str) -> None:
    task = plugins.load(TASKS, name)
    for text in (
        "a" * 100_000,
        "not " * 20_000,
        "'" * 50_000,
        "Ann: " * 20_000,
        "\n" * 50_000,
        "\u202e\ud83d\ude00"[:1] * 9,
    ):
        for kind in ("talk", "fact", "unknown", "strange"):
            verdict = task.judge(reply(text, kind=kind, wanted=("x",), unwanted=("y",)), known())  # type: ignore[arg-type]
            assert verdict is None or isinstance(verdict, str)
