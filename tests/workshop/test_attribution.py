"""A model says who speaks in a novel: what it is asked, which answers are refused, and that nothing is asked twice."""

from pathlib import Path

import msgspec
import pytest

from commands.base import main
from finetune.augment.attribute import MOST_SPEECHES, Question, attributed, questions, read
from finetune.corpora import novel
from finetune.dialogue import Line, Scene

BOOK = """\
CHAPTER I

“You might have told me,” said Tom quietly.

Mrs. Hale put the kettle down. “I did not know it,” said Mrs. Hale.

“It was the miller,” said Ben.

“Who else knew?”

A chair fell over.

“Nobody,” a voice replied. “Nobody at all.”

“Then we shall see,” said Tom.
"""


def scene(*lines: tuple[str, str]) -> Scene:
    return Scene(lines=[Line(name=name, text=text) for name, text in lines])


TALK = scene(
    ("Tom", "Hm."), ("", "“Who else?”"), ("", "A chair fell."), ("", "“Nobody,” a voice said."), ("Ben", "No.")
)


def only(*scenes: Scene) -> Question:
    (question,) = questions(scenes, novel.speech_in)
    return question


def test_a_question_shows_passage_and_names() -> None:
    job = only(TALK).job
    assert job.material.split("\n") == [
        "Tom: Hm.", "[1] “Who else?”", "A chair fell.", "[2] “Nobody,” a voice said.", "Ben: No."
    ]  # fmt: skip
    assert "Tom, Ben" in job.instruction
    assert '{"1":"Tom","2":"unknown"}' in job.instruction


def test_a_chinese_passage_is_asked_in_chinese() -> None:
    job = only(scene(("林冲", "走！"), ("", "“去哪里？”"))).job
    assert job.language == "zh"
    assert "林冲" in job.instruction


def test_what_is_known_is_not_asked() -> None:
    assert questions([scene(("Tom", "Hm."), ("", "A chair fell."))], novel.speech_in) == []
    assert questions([scene(("", "“Who is there?”"))], novel.speech_in) == []
    assert questions([TALK], novel.speech_in, is_open=lambda each: False) == []


def test_many_speeches_make_several_questions() -> None:
    many = scene(("Tom", "Hm."), *[("", "“And who else?”")] * (2 * MOST_SPEECHES + 1))
    asked = questions([many], novel.speech_in)
    assert [len(each.places) for each in asked] == [MOST_SPEECHES, MOST_SPEECHES, 1]
    assert len({place for each in asked for place in each.places}) == 2 * MOST_SPEECHES + 1


@pytest.mark.parametrize(
    ("reply", "names", "unknown", "refused"),
    [
        ('{"1": "Tom", "2": "Ben"}', {"1": "Tom", "2": "Ben"}, 0, 0),
        ('```json\n{"1": "Tom", "2": "unknown"}\n```', {"1": "Tom"}, 1, 0),
        ('{"1": "Tom"}', {"1": "Tom"}, 0, 1),
        ('{"1": "Tom", "2": "Queen Anne"}', {"1": "Tom"}, 0, 1),
        ('{"1": "Tom", "3": "Ben"}', {}, 0, 2),
        ('{"1": ["Tom"]}', {}, 0, 2),
        ("Tom says the first one.", {}, 0, 2),
        ('{"1": "Tom"', {}, 0, 2),
        ("{" * 100_000 + "}", {}, 0, 2),
        ("", {}, 0, 2),
        ("\ud800{}", {}, 0, 2),
    ],
)
def test_only_names_of_the_list_count(reply: str, names: dict[str, str], unknown: int, refused: int) -> None:
    answer = read(reply, only(TALK))
    assert (answer.names, answer.unknown, answer.refused) == (names, unknown, refused)


def test_told_words_stay_beside_the_speech() -> None:
    question = only(TALK)
    (made,) = attributed([TALK], [(question, read('{"2": "Ben"}', question))], novel.speech_in, "engine/base")
    assert made.lines[3:] == [
        Line(name="Ben", text="Nobody.", made_by="engine/base"),
        Line(name="", text="a voice said."),
        Line(name="Ben", text="No."),
    ]
    assert made.lines[:3] == TALK.lines[:3]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("home", "roles", "rooms", "models"):
        monkeypatch.setenv(f"CHATROOM_{name.upper()}", str(tmp_path / name))
    (tmp_path / "book.txt").write_text(BOOK, "utf-8")
    return tmp_path


def ask(home: Path, *replies: str) -> int:
    """Reads the book with an engine that gives these replies."""
    (home / "script.txt").write_text("\n".join(replies), "utf-8")
    flags = ["--attribute", "scripted", "--base", str(home / "script.txt"), "--out", str(home / "scenes.jsonl")]
    return main(["corpus", "read", str(home / "book.txt"), *flags])


def told(home: Path) -> list[Line]:
    rows = (home / "scenes.jsonl").read_bytes().splitlines()
    lines = [line for row in rows for line in msgspec.json.decode(row, type=Scene).lines]
    return [line for line in lines if line.made_by]


def test_named_lines_are_marked_and_counted(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(home, '{"1": "Tom", "2": "Mrs. Hale"}') == 0
    assert [(line.name, line.text, line.made_by) for line in told(home)] == [
        ("Tom", "Who else knew?", "scripted/script.txt"),
        ("Mrs. Hale", "Nobody. Nobody at all.", "scripted/script.txt"),
    ]
    assert "speaker told by scripted/script.txt: 2 lines" in capsys.readouterr().out


def test_refused_answers_are_counted_and_stay_open(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(home, '{"1": "Queen Anne", "2": "unknown"}') == 0
    assert told(home) == []
    assert "0 named, 1 unknown, 1 answers refused" in capsys.readouterr().out


def test_what_was_answered_is_not_asked_again(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(home, '{"1": "Tom"}') == 0
    assert ask(home, "!engine_lost it went away") == 0
    assert [line.name for line in told(home)] == ["Tom"]
    assert "0 of 1 questions now, 1 before" in capsys.readouterr().out


def test_an_engine_that_fails_loses_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(home, "!engine_lost it went away") == 1
    assert "goes on from there" in capsys.readouterr().err
    assert ask(home, '{"1": "Ben"}') == 0
    assert [line.name for line in told(home)] == ["Ben"]


def test_other_formats_are_not_asked(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "book.txt").write_text('TOM: Who is it?\nBEN: "Nobody."\nTOM: Ah.\nBEN: Quite.\n', "utf-8")
    assert ask(home, '{"1": "TOM"}') == 0
    assert told(home) == []
    assert "0 of 0 questions" in capsys.readouterr().out


def test_a_base_that_is_missing_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--attribute", "scripted", "--base", "models/nothing"]
    assert main(["corpus", "read", str(home / "book.txt"), *flags]) != 0
    assert "there is no such base" in capsys.readouterr().err
