"""What is searched for: the last line, and what it leans on."""

import json
from pathlib import Path

import pytest

from knowledge.language.mood import leans, mood, names, personal
from knowledge.searching.query import GIST, LONGEST, Line, query_of

QUESTIONS = Path(__file__).parents[2] / "benchmarks" / "knowledge" / "questions.jsonl"


def talk(*lines: str) -> list[Line]:
    return [Line(name=line.split(": ", 1)[0], text=line.split(": ", 1)[1]) for line in lines]


def test_a_line_alone_is_searched_whole() -> None:
    query = query_of([Line(text="How tall is the Eye?")])
    assert query.text == "How tall is the Eye?"
    assert query.lines == ("How tall is the Eye?",)


def test_no_lines_give_an_empty_query() -> None:
    assert query_of([]).text == ""
    assert query_of([Line(text="  ")]).text == ""


def test_a_pronoun_brings_the_name_along() -> None:
    query = query_of(talk("Ann: Tell me about Edrin.", "Mara: He was my brother.", "Ann: What happened to him?"))
    assert query.text.endswith("What happened to him?")
    assert "Edrin" in query.text
    assert "brother" in query.text


def test_a_pronoun_without_a_reply_works() -> None:
    assert "Edrin" in query_of(talk("Ann: Tell me about Edrin.", "Ann: What happened to her?")).text


def test_questions_in_a_row_reach_back_to_the_name() -> None:
    lines = talk(
        "Ann: Tell me about Edrin.",
        "Mara: He was the mate.",
        "Ann: How old was he?",
        "Mara: Thirty-eight.",
        "Ann: What happened to him?",
    )
    assert "Edrin" in query_of(lines).text


def test_a_new_topic_drags_nothing_along() -> None:
    query = query_of(talk("Ann: Tell me about Edrin.", "Mara: He was my brother.", "Ann: How many Teeth are there?"))
    assert query.text == "How many Teeth are there?"


def test_only_the_topic_before_is_reached() -> None:
    lines = talk(
        "Ann: What is the Wade?",
        "Mara: A causeway.",
        "Ann: And who was Edrin?",
        "Mara: My brother.",
        "Ann: How did he die?",
    )
    text = query_of(lines).text
    assert "Edrin" in text
    assert "Wade" not in text


def test_small_talk_leans_on_nothing() -> None:
    for said in ("haha that's funny", "I like it", "what do you think?", "wow, really?"):
        assert query_of(talk("Ann: Tell me about Edrin.", f"Ann: {said}")).text == said


def test_chinese_pronouns_lean_as_well() -> None:
    text = query_of(talk("安: 跟我说说灯塔。", "玛拉: 它有一百四十二级台阶。", "安: 它是谁建的？")).text
    assert "灯塔" in text
    assert text.endswith("它是谁建的？")


def test_the_one_spoken_to_is_not_searched() -> None:
    lines = talk("Mara: Good evening.", "Ann: Mara, how tall is the Eye?")
    assert query_of(lines).text == "how tall is the Eye?"
    assert query_of(talk("Mara: Good evening.", "Ann: How tall is the Eye, Mara?")).text == "How tall is the Eye?"


def test_one_who_is_asked_about_is_searched() -> None:
    assert "Mara" in query_of(talk("Mara: Good evening.", "Ann: Who is Mara Vell?")).text


def test_a_long_reply_does_not_drown_the_question() -> None:
    reply = "Well: " + "salt water and old rope " * 60
    text = query_of(talk("Ann: Tell me about Edrin.", f"Mara: {reply}", "Ann: What happened to him?")).text
    assert len(text) < 2 * GIST + 60
    assert "Edrin" in text


def test_a_pasted_page_is_searched_in_part() -> None:
    assert len(query_of([Line(text="what lies on the sea bed " * 4000)]).text) <= LONGEST


def test_queries_are_the_same_every_time() -> None:
    lines = talk("Mara: Yes.", "Tobin: No.", "Ann: Who is Pike?", "Tobin: A fish.", "Ann: Tobin, is he old?")
    assert len({query_of(lines).text for _ in range(5)}) == 1


@pytest.mark.parametrize(
    ("line", "leaning"),
    [
        ("Why?", True),
        ("What happened next?", True),
        ("后来呢？", True),
        ("为什么？", True),
        ("他后来怎么样了？", True),
        ("How many died?", True),
        ("Tell me more about her.", True),
        ("Who is Posy, and what does she draw?", False),
        ("Is it true that there was a church on the cliff?", False),
        ("What time is it?", False),
        ("其他角色是谁？", False),
        ("灯塔有多少级台阶？", False),
        ("?", False),
        ("", False),
    ],
)
def test_leaning_is_seen_by_form(line: str, leaning: bool) -> None:
    assert leans(line) is leaning


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("who is basil pike", "asks"),
        ("Tell me about the bell.", "asks"),
        ("In which year was it built?", "asks"),
        ("Is there a place where contraband is stored?", "asks"),
        ("灯塔在哪里", "asks"),
        ("Is the Wade open?", "wonders"),
        ("你饿吗", "wonders"),
        ("What a day!", "says"),
        ("Have a safe trip", "says"),
        ("告诉你一个秘密", "says"),
    ],
)
def test_moods_are_told_apart(line: str, wanted: str) -> None:
    assert mood(line) == wanted


def test_names_are_capitals_within_a_line() -> None:
    assert names("What is the Eye, and who is Posy? I'm new here, I think.") == ["Eye", "Posy"]
    assert names("WHAT TIME IS IT?") == []


def test_personal_lines_name_speaker_or_hearer() -> None:
    assert personal("Are you hungry?")
    assert personal("我饿了")
    assert not personal("Is the tower old?")


def test_bundled_pronoun_questions_all_lean() -> None:
    rows = [json.loads(line) for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]
    for row in rows:
        query = query_of(talk(*row["lines"]))
        alone = row["lines"][-1].split(": ", 1)[1]
        if row["kind"] == "pronoun":
            assert query.text != alone, row["lines"]
        elif row["kind"] == "named":
            assert query.text == alone, row["lines"]
