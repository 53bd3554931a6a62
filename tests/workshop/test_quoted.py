"""Quoted dialogue: words in their marks are said by the name before them, and nothing around them is lost."""

from pathlib import Path

import pytest

from finetune.corpora import quoted, screenplay
from finetune.corpora.base import CorpusFile, Head
from finetune.dialogue import Scene

Told = list[tuple[str, str]]


def opened(tmp_path: Path, text: str) -> tuple[list[Scene], Told, Told]:
    skipped: Told = []
    noted: Told = []
    (tmp_path / "scenes.txt").write_bytes(text.encode())
    file = CorpusFile(
        name="scenes.txt",
        path=tmp_path / "scenes.txt",
        skip=lambda place, reason: skipped.append((place, reason)),
        note=lambda place, what: noted.append((place, what)),
    )
    return list(quoted.read(file)), skipped, noted


def said(tmp_path: Path, text: str) -> list[tuple[str, str]]:
    return [(line.name, line.text) for scene in opened(tmp_path, text)[0] for line in scene.lines]


@pytest.mark.parametrize("marks", ["「」", "『』", "“”", '""', "＂＂"])
@pytest.mark.parametrize("colon", ["：", ":", "∶", ": "])
def test_every_mark_and_colon_is_read(tmp_path: Path, marks: str, colon: str) -> None:
    text = f"甘棠{colon}{marks[0]}雪停了。{marks[1]}\r\nDr. Hale（笑）{colon}{marks[0]}Yes.{marks[1]}"
    assert said(tmp_path, text) == [("甘棠", "雪停了。"), ("Dr. Hale", "Yes.")]


@pytest.mark.parametrize("name", ["旁白", "scene", "narrator", "Narrator", ""])
def test_narrators_speak_for_nobody(tmp_path: Path, name: str) -> None:
    assert said(tmp_path, f"{name}:「天黑了」") == [("", "天黑了")]


def test_rules_part_scenes(tmp_path: Path) -> None:
    scenes, skipped, noted = opened(tmp_path, "甲:「一」\n###\n\n###\n乙:「二」\n第二场\n甲:「三」\n###\n")
    assert [[line.text for line in scene.lines] for scene in scenes] == [["一"], ["二"], ["三"]]
    assert [scene.title for scene in scenes] == ["", "", "第二场"]
    assert scenes[1].source == "scenes.txt, line 5"
    assert (skipped, noted) == ([], [])


def test_quotations_run_over_lines(tmp_path: Path) -> None:
    assert said(tmp_path, "甲:「第一行\n\n第二行「里面」\n第三行」\n乙:「好」") == [
        ("甲", "第一行\n\n第二行「里面」\n第三行"),
        ("乙", "好"),
    ]


def test_words_after_a_quotation_stay(tmp_path: Path) -> None:
    assert said(tmp_path, "甲:「走」（起身）\n乙:「不」甲:「好」「再见」\n甲:「去」 now") == [
        ("甲", "走"),
        ("", "（起身）"),
        ("乙", "不"),
        ("甲", "好「再见」"),
        ("甲", "去 now"),
    ]


def test_an_open_quotation_ends_at_names(tmp_path: Path) -> None:
    scenes, _, noted = opened(tmp_path, "甲:「没关上\n乙:「好」\n甲:「也没\n###\n乙:「走」")
    assert [[line.text for line in scene.lines] for scene in scenes] == [["没关上", "好", "也没"], ["走"]]
    assert [place for place, _ in noted] == ["line 1", "line 3"]


def test_an_open_quotation_is_not_endless(tmp_path: Path) -> None:
    text = "甲:「没关上\n" + "字\n" * 1_000
    assert 2 < len(said(tmp_path, text)) < 1_000


def test_other_lines_are_accounted_for(tmp_path: Path) -> None:
    scenes, skipped, noted = opened(tmp_path, "时间：夜\n甲:「好」\n他说:「不」\n甲：没有引号\n灯灭。\n乙:「」")
    assert scenes[0].premise == "时间：夜"
    assert [(line.name, line.text) for line in scenes[0].lines] == [
        ("甲", "好"),
        ("", "他说:「不」"),
        ("甲", "没有引号"),
        ("", "灯灭。"),
    ]
    assert [place for place, _ in noted] == ['line 3: "他说:「不」"', 'line 5: "灯灭。"']
    assert skipped == [('line 6: "乙"', "a name without words")]


def test_several_names_each_get_the_words(tmp_path: Path) -> None:
    assert said(tmp_path, "甲、乙:「干杯」") == [("甲", "干杯"), ("乙", "干杯")]


def test_quoted_files_are_claimed_first() -> None:
    text = "甲:「好」\n乙:「不」（走开）\n旁白:「天黑\n了」\n###\n甲:「走」\n"
    head = Head(suffix=".txt", data=text.encode(), text=text)
    assert quoted.claims(head) == 1.0 > screenplay.claims(head)
    plain = "甲：好\n乙：不\n旁白：天黑了\n"
    head = Head(suffix=".txt", data=plain.encode(), text=plain)
    assert quoted.claims(head) == 0.0 < screenplay.claims(head)


@pytest.mark.parametrize(
    "row", ["甲:「" * 50_000, "「" * 200_000, "甲" * 200_000 + ":「", "甲:「" + "」「" * 100_000], ids=range(4)
)
def test_hostile_lines_are_read_to_the_end(tmp_path: Path, row: str) -> None:
    assert said(tmp_path, f"{row}\n{row}\n###\n甲:「好」")[-1] == ("甲", "好")
