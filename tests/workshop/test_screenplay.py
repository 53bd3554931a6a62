"""Screenplays: every line is said by whom the page says, or is accounted for, however irregular the script is."""

import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.corpora import screenplay
from finetune.corpora.base import CorpusFile, Head, Options
from finetune.dialogue import Scene
from knowledge.errors import UnreadableError

Told = list[tuple[str, str]]


def opened(
    tmp_path: Path, text: str, names: tuple[str, ...] = (), encoding: str = "utf-8"
) -> tuple[list[Scene], Told, Told]:
    skipped: Told = []
    noted: Told = []
    (tmp_path / "script.txt").write_bytes(text.encode(encoding))
    file = CorpusFile(
        name="script.txt",
        path=tmp_path / "script.txt",
        skip=lambda place, reason: skipped.append((place, reason)),
        note=lambda place, what: noted.append((place, what)),
        options=Options(names=names),
    )
    return list(screenplay.read(file)), skipped, noted


def said(tmp_path: Path, text: str, names: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    scenes, _, _ = opened(tmp_path, text, names)
    return [(line.name, line.text) for scene in scenes for line in scene.lines]


def sure(text: str) -> float:
    return screenplay.claims(Head(suffix=".txt", data=text.encode(), text=text))


# The generator: a script whose speakers, words and order are known.

PEOPLE = (
    "甘棠",
    "小满",
    "太监总管老白",
    "阿九",
    "达芙妮·冯·艾森",
    "李想",
    "王道",
    "路人甲",
    "Mara",
    "Dr. Hale",
    "OLD TOM",
    "士兵2",
)
ONCE = ("更夫", "卖花女", "First Guard")
COLONS = ("：", ":", "∶", "﹕", "： ", " ：")
CUES = ("：", ":", "∶", "﹕", "半句")  # rows whose words are on the next one
ASIDES = ("（内心）", "(V.O.)", "（画外音）", "[aside]", " (angry)", "【冷笑】")
WORDS = (
    "好啊",
    "你去哪儿",
    "I will not go",
    "（笑）走吧",
    "现在是12:30",
    "看http://a.example/b",
    "他说：不行",
    "一、二、三",
)
ENDS = ("。", "！", "？", "……", "!", ".")
HEADS = (
    "第{n}场 夜 内 偏殿",
    "第{n}集",
    "Scene {n}",
    "{n}-2 日 外 长街",
    "INT. KITCHEN {n} - NIGHT",
    "### 第{n}幕：风雪",
    "---",
)
LABELS = ("时间：夜{n}", "地点：偏殿{n}", "场景：{n}号码头", "人物：甘棠、小满{n}", "Setting: a quay {n}")
DIRECTIONS = (
    "△灯灭{n}。",
    "（众人下{n}。）",
    "【远处钟声{n}】",
    "[laughter {n}]",
    "音效：雷声{n}",
    "旁白：三年后{n}。",
)

Answer = list[tuple[str, str]]


def script(seed: int, length: int) -> tuple[str, Answer]:
    """An irregular script, and who says which words in it."""
    rng = random.Random(seed)
    rows: list[str] = []
    answer: Answer = []
    once = list(ONCE)
    for number in range(length):
        kind = rng.random()
        if kind < 0.04:
            rows += ["", rng.choice(HEADS).format(n=number % 90 + 1), rng.choice(LABELS).format(n=number)]
        elif kind < 0.12:
            rows.append(rng.choice(DIRECTIONS).format(n=number))
        elif kind < 0.15:
            rows.append("")
        else:
            name = once.pop() if once and kind > 0.99 else rng.choice(PEOPLE)
            rows += speech(rng, name, number, answer)
    return "\n".join(rows), answer


def speech(rng: random.Random, name: str, number: int, answer: Answer) -> list[str]:
    """The rows of one speech, in one of the shapes that scripts have."""
    written = f"{rng.choice(WORDS)} {number}{rng.choice(ENDS)}"
    words = written.removeprefix("（笑）")  # what is said of it
    aside = rng.choice(ASIDES) if rng.random() < 0.15 else ""
    cue = f"{name}{aside}{rng.choice(COLONS)}"
    shape = rng.random()
    answer.append((name, words))
    if shape < 0.04:
        return [cue, f"　　{written}"]
    if shape < 0.08:
        gap = " " if words[0] == "I" else ""
        answer[-1] = (name, f"前半句{gap}{words}")
        return [f"{cue}前半句", f"  {words}"]
    if shape < 0.12:
        other = rng.choice([each for each in PEOPLE if each != name])
        answer.append((other, f"也好{number}。"))
        return [f"{cue}{written} {other}：也好{number}。"]
    if shape < 0.15:
        answer[-1:] = [("甘棠", words), ("小满", words)]
        return [f"甘棠、小满：{written}"]
    return [f"{cue}{written}"]


@pytest.mark.parametrize("seed", range(5))
def test_speakers_of_irregular_scripts_are_right(tmp_path: Path, seed: int) -> None:
    text, answer = script(seed, 2_000)
    spoken = [(name, words) for name, words in said(tmp_path, text) if name]
    right = len(set(spoken) & set(answer))
    assert right >= 0.995 * len(set(answer))
    assert len(set(spoken) - set(answer)) <= 0.005 * len(answer)
    assert len(spoken) == pytest.approx(len(answer), rel=0.005)


@pytest.mark.parametrize("seed", range(5))
def test_every_line_is_accounted_for(tmp_path: Path, seed: int) -> None:
    text, _ = script(seed + 100, 400)
    stray = "\n".join(
        f"说不清的第{n}行\n（没有关上 {n}\nA stray row {n}\n甲乙丙丁戊己庚辛壬癸{n}了：谁{n}" for n in range(30)
    )
    scenes, skipped, _ = opened(tmp_path, f"{text}\n{stray}\n第九十九场\n李想：")
    kept = "\n".join([place for place, _ in skipped] + [each for scene in scenes for each in texts(scene)])
    kept = "".join(kept.split())
    for row in (row.strip() for row in f"{text}\n{stray}".split("\n")):
        assert "".join(row.split())[-4:] in kept or not row.strip("#-") or row.endswith(CUES), row
    assert any("第九十九场" in place for place, _ in skipped)
    assert any("without words" in reason for _, reason in skipped)


def texts(scene: Scene) -> list[str]:
    return [scene.title, scene.premise, *(f"{line.name}：{line.text}" for line in scene.lines)]


@pytest.mark.parametrize(
    "heading",
    [
        *(
            "第一幕",
            "第十二场",
            "第3集",
            "第一幕（续）",
            "第一幕 续",
            "第一幕：风雪夜",
            "第12,幕",
            "第２场·夜",
            "【第一场】",
            "场次3",
        ),
        *("Scene 3", "ACT I SCENE 2", "ACT II, SCENE III. A quay.", "INT. KITCHEN - NIGHT", "EXT. HARBOUR - DAY"),
        *(
            "1-3 日 内 寝宫",
            "12、长街 夜 外",
            "内景 寝宫 夜",
            "## 第二幕",
            "Episode 4: The Rock",
            "# Session 12",
            "尾声",
        ),
    ],
)
def test_a_heading_opens_a_scene(tmp_path: Path, heading: str) -> None:
    scenes, _, _ = opened(tmp_path, f"甲：好。\n乙：好。\n{heading}\n甲：走。\n乙：走。")
    assert [len(scene.lines) for scene in scenes] == [2, 2]
    assert scenes[1].title == " ".join(heading.strip("#【】 ").split())


@pytest.mark.parametrize("rule", ["###", "---", "——————", "***", "* * *", "====", "＊＊＊"])
def test_a_rule_parts_scenes(tmp_path: Path, rule: str) -> None:
    scenes, _, _ = opened(tmp_path, f"甲：好。\n乙：好。\n{rule}\n甲：走。")
    assert [(scene.title, len(scene.lines)) for scene in scenes] == [("", 2), ("", 1)]


def test_acts_and_scenes_become_one_title(tmp_path: Path) -> None:
    scenes, skipped, _ = opened(tmp_path, "第一幕\n第二幕\n第一场\n时间：夜\n地点：殿\n甲：好。\n乙：好。")
    assert scenes[0].title == "第二幕 第一场"
    assert scenes[0].premise == "时间：夜\n地点：殿"
    assert skipped == [('line 1: "第一幕"', "a heading with nothing under it")]


@pytest.mark.parametrize(
    "row",
    [
        *(
            "12:30 出发。",
            "http://a.example/b",
            "他说：不行。",
            "甲笑着说：“不行。”",
            "重点：不许动。",
            "他终于明白了：走了。",
        ),
        *("He said: no.", "And so it went on: he left.", "窗外传来一个声音：来人。", "注意：小心。", "比分是3:2。"),
    ],
)
def test_words_before_colons_are_no_speakers(tmp_path: Path, row: str) -> None:
    spoken = said(tmp_path, f"甲：好。\n乙：好。\n{row}\n甲：走。")
    assert spoken == [("甲", "好。"), ("乙", "好。"), ("", row), ("甲", "走。")]


@pytest.mark.parametrize(
    "name", ["李想", "王道", "小云", "那美", "小不点", "不二周助", "the hooded stranger", "？？？"]
)
def test_a_name_that_recurs_is_a_speaker(tmp_path: Path, name: str) -> None:
    assert said(tmp_path, f"{name}：一。\n乙：二。\n" * 3) == [(name, "一。"), ("乙", "二。")] * 3


def test_a_named_speaker_is_always_one(tmp_path: Path) -> None:
    text = "甲：好。\n他说：一。\n时间：二。\nAT&T：三。"
    assert said(tmp_path, text, ("他说", "时间", "AT&T"))[1:] == [("他说", "一。"), ("时间", "二。"), ("AT&T", "三。")]


@pytest.mark.parametrize(
    ("cue", "names"),
    [
        *(("甲、乙", ["甲", "乙"]), ("甲 乙（同）", ["甲", "乙"]), ("甲和乙", ["甲", "乙"]), ("甲，乙", ["甲", "乙"])),
        *(("甲＆乙", ["甲", "乙"]), ("甲、乙二人", ["甲", "乙"]), ("众人", ["众人"]), ("ALL", ["ALL"])),
        *(("旁白", [""]), ("Narrator", [""])),
    ],
)
def test_several_speakers_each_get_the_words(tmp_path: Path, cue: str, names: list[str]) -> None:
    spoken = said(tmp_path, f"甲：好。\n乙：好。\n{cue}：走！")
    assert spoken[2:] == [(name, "走！") for name in names]


@pytest.mark.parametrize("cue", ["ALICE & BOB", "ALICE AND BOB", "ALICE, BOB", "ALICE/BOB"])
def test_english_names_together_are_several(tmp_path: Path, cue: str) -> None:
    assert said(tmp_path, f"ALICE: Yes.\nBOB: No.\n{cue}: Go!")[2:] == [("ALICE", "Go!"), ("BOB", "Go!")]


def test_several_speeches_stand_on_one_line(tmp_path: Path) -> None:
    text = "甲：你好。 乙（笑）：你也好。\n乙：我告诉过甲：你别来。\n甲：走。 丙：谁？\n"
    assert said(tmp_path, text) == [
        ("甲", "你好。"),
        ("乙", "你也好。"),
        ("乙", "我告诉过甲：你别来。"),
        ("甲", "走。 丙：谁？"),
    ]


def test_lines_without_speakers_follow_rules(tmp_path: Path) -> None:
    text = "甲：我想，\n你会来。\n甲走到窗前。\n乙：好。\n  真的。\n甲：\n\n　　不。\n（甲下，\n不回头。）\n乙：啊！"
    scenes, _, noted = opened(tmp_path, text)
    assert [(line.name, line.text) for line in scenes[0].lines] == [
        ("甲", "我想，你会来。"),
        ("", "甲走到窗前。"),
        ("乙", "好。\n真的。"),
        ("甲", "不。"),
        ("", "（甲下，不回头。）"),
        ("乙", "啊！"),
    ]
    assert [place.split(":")[0] for place, _ in noted] == ["line 2", "line 3", "line 5"]


def test_directions_before_words_stand_before_them(tmp_path: Path) -> None:
    scenes, skipped, _ = opened(tmp_path, "甲：\n（哭）\n我不走。\n乙：\n（乙下。）\n甲：回来！")
    assert [(line.name, line.text) for line in scenes[0].lines] == [
        ("", "（哭）"),
        ("甲", "我不走。"),
        ("", "（乙下。）"),
        ("甲", "回来！"),
    ]
    assert skipped == [('line 4: "乙"', "a name without words")]


@pytest.mark.parametrize(
    "mark", ["【地点】养心殿", "[地点] 养心殿", "【地点】：养心殿", "地點：养心殿", "**地点：**养心殿"]
)
def test_labels_of_any_shape_are_premises(tmp_path: Path, mark: str) -> None:
    scenes, _, _ = opened(tmp_path, f"甲：好。\n{mark}\n乙：好。\n甲：走。")
    assert scenes[1].premise == mark
    assert len(scenes[1].lines) == 2


@pytest.mark.parametrize(
    "name",
    [
        *("J.R.", "O'Brien", "Jean-Luc", "R2-D2", "Man #2", "Woman's Voice", "Mr. & Mrs. Hale", "SECOND LORD", "Zoë"),
        *("老板娘的儿子", "门外的声音", "小明妈妈", "A宝", "士兵甲", "达芙妮·冯", "上杉 越", "何有人", "我"),
    ],
)
def test_a_name_may_speak_only_once(tmp_path: Path, name: str) -> None:
    scenes, _, noted = opened(tmp_path, f"甲：好。\n乙：好。\n{name}：走。\n乙：好。\n甲：好。")
    assert (scenes[0].lines[2].name, scenes[0].lines[2].text) == (name, "走。")
    assert noted == [(f'line 3: "{name}"', "this name speaks only once")]


@pytest.mark.parametrize(
    "row",
    [
        "**甲：** 走。",
        "- 甲：走。",
        "[00:01:02] 甲：走。",
        "00:01:02 甲: 走。",
        "【甲】：走。",
        "　　甲 ：　走。",
        "（OS）甲：走。",
    ],
)
def test_marks_around_a_name_are_none_of_it(tmp_path: Path, row: str) -> None:
    assert said(tmp_path, f"甲：好。\n乙：好。\n{row}")[2] == ("甲", "走。")


def test_unpunctuated_scripts_keep_narration_apart(tmp_path: Path) -> None:
    assert said(tmp_path, "甲：好\n乙走了\n乙：再见\n甲：走吧")[1] == ("", "乙走了")


def test_a_cast_gives_personas_to_speakers(tmp_path: Path) -> None:
    text = "人物表\n甲：将军，三十岁\n乙——甲的妹妹\n丙（书童）\n\n第一场\n甲：好。\n乙：好。\n甲：走。"
    scenes, skipped, _ = opened(tmp_path, text)
    assert scenes[0].cast == {"甲": "将军，三十岁", "乙": "甲的妹妹"}
    assert len(scenes[0].lines) == 3
    assert ('line 4: "丙"', "somebody of the cast who never speaks") in skipped


@pytest.mark.parametrize(
    "slip", ["甘棠；走吧。", "甘棠;走吧。", "甘棠（回头）；走吧。", "　　甘棠 ； 走吧。", "- 甘棠；走吧。"]
)
def test_semicolons_after_known_names_are_colons(tmp_path: Path, slip: str) -> None:
    scenes, _, noted = opened(tmp_path, f"甘棠：好。\n小满：好。\n{slip}\n甘棠：走。")
    assert [(line.name, line.text) for line in scenes[0].lines][2] == ("甘棠", "走吧。")
    assert ('line 3: "甘棠"', "a semicolon after a name was taken for a colon") in noted


@pytest.mark.parametrize(
    "row",
    ["雪停了；天亮了。", "更夫；三更了。", "甘棠走了；小满没走。", "甘棠，你走；我不走。", "甘棠；", "阿九？你来了。"],
)
def test_semicolons_after_other_words_are_none(tmp_path: Path, row: str) -> None:
    assert ("", row) in said(tmp_path, f"甘棠：好。\n阿九：好。\n更夫：梆。\n甘棠：走。\n阿九：走。\n{row}\n甘棠：走。")


def test_semicolons_before_a_later_colon_count(tmp_path: Path) -> None:
    spoken = said(tmp_path, "甘棠：好。\n小满：好。\n甘棠；我只说一句：走。\n甘棠：走。")
    assert spoken[2] == ("甘棠", "我只说一句：走。")


@pytest.mark.parametrize(
    ("cue", "names"),
    [
        ("甘棠小满", ["甘棠", "小满"]),
        ("小满甘棠李尚书", ["小满", "甘棠", "李尚书"]),
        ("甘棠李尚书（跪）", ["甘棠", "李尚书"]),
    ],
)
def test_names_written_as_one_all_speak(tmp_path: Path, cue: str, names: list[str]) -> None:
    scenes, _, noted = opened(tmp_path, f"甘棠：好。\n小满：好。\n李尚书：好。\n{cue}：遵命！\n甘棠：走。")
    assert [(line.name, line.text) for line in scenes[0].lines[3:-1]] == [(name, "遵命！") for name in names]
    assert any("written as one word" in what and place.startswith("line 4") for place, what in noted)


@pytest.mark.parametrize("name", ["小满妈妈", "小满宫女", "小满甘", "甘棠小", "甲乙"])
def test_other_names_are_not_taken_apart(tmp_path: Path, name: str) -> None:
    others = "".join(f"{each}：好。\n" for each in ("甘棠", "小满", "妈妈", "宫女", "甲", "乙"))
    assert (name, "走。") in said(tmp_path, f"{others}{name}：走。\n甘棠：走。")


def test_a_name_above_its_parts_stays_whole(tmp_path: Path) -> None:
    text = "欧阳：好。\n明月：好。\n" + "欧阳明月：走。\n" * 3
    assert said(tmp_path, text)[2:] == [("欧阳明月", "走。")] * 3


def test_names_of_the_user_stay_whole(tmp_path: Path) -> None:
    text = "甘棠：好。\n小满：好。\n甘棠小满：走。"
    assert said(tmp_path, text, ("甘棠小满",))[2:] == [("甘棠小满", "走。")]


@pytest.mark.parametrize("name", ["甘棠的跟班", "甘棠的小厮", "小满的马夫"])
def test_followers_of_speakers_are_speakers(tmp_path: Path, name: str) -> None:
    assert said(tmp_path, f"甘棠：好。\n小满：好。\n甘棠：好。\n小满：好。\n{name}：走。")[4] == (name, "走。")


@pytest.mark.parametrize("words", ["甘棠的意思", "甘棠的信", "甘棠的目光", "最后的跟班", "甘棠的心事"])
def test_things_of_speakers_are_no_speakers(tmp_path: Path, words: str) -> None:
    assert ("", f"{words}：走。") in said(tmp_path, f"甘棠：好。\n小满：好。\n甘棠：好。\n{words}：走。\n小满：好。")


def test_a_comma_may_part_brackets_from_colons(tmp_path: Path) -> None:
    assert said(tmp_path, "甘棠：好。\n小满：好。\n甘棠（低头，又抬头），：走。")[2] == ("甘棠", "走。")


def test_film_scripts_have_names_above(tmp_path: Path) -> None:
    text = """FADE IN:

INT. KITCHEN - NIGHT

MARA comes in. Rain
on the window.

          MARA (CONT'D)
     (softly)
     Is anybody there?

          TOBIN (O.S.)
     Only me, and I
     am tired.

Tobin steps in.

CUT TO:

EXT. HARBOUR - DAY

          MARA
     Go home.
"""
    scenes, skipped, _ = opened(tmp_path, text)
    assert [scene.title for scene in scenes] == ["", "INT. KITCHEN - NIGHT", "EXT. HARBOUR - DAY"]
    assert [(line.name, line.text) for line in scenes[1].lines] == [
        ("", "MARA comes in. Rain on the window."),
        ("", "(softly)"),
        ("MARA", "Is anybody there?"),
        ("TOBIN", "Only me, and I am tired."),
        ("", "Tobin steps in."),
        ("", "CUT TO:"),
    ]
    assert skipped == []


def test_printed_plays_have_names_before_stops(tmp_path: Path) -> None:
    text = """ACT I

SCENE 1. A street.

Enter MARA and TOBIN.

MARA. Who goes there in the dark
And bears no lamp?

TOBIN. [_Aside._] She sees me, I must
hide.

MARA.--Speak!

[_Exit Tobin._]

MRS. HALE. Good evening.
"""
    scenes, _, _ = opened(tmp_path, text)
    assert scenes[0].title == "ACT I SCENE 1. A street."
    assert [(line.name, line.text) for line in scenes[0].lines] == [
        ("", "Enter MARA and TOBIN."),
        ("MARA", "Who goes there in the dark\nAnd bears no lamp?"),
        ("", "[_Aside._]"),
        ("TOBIN", "She sees me, I must hide."),
        ("MARA", "Speak!"),
        ("", "[_Exit Tobin._]"),
        ("MRS. HALE", "Good evening."),
    ]


def test_transcripts_keep_long_paragraphs_whole(tmp_path: Path) -> None:
    long = "You stand in the cave: it is dark, and something moves. " * 30
    text = (
        f"MATT: {long}\n\nLAURA: I'd like to\nroll for it. Remember: I have the lamp.\n\n[laughter]\n\nMATT: Go on.\n"
    )
    assert said(tmp_path, text) == [
        ("MATT", long.strip()),
        ("LAURA", "I'd like to roll for it. Remember: I have the lamp."),
        ("", "[laughter]"),
        ("MATT", "Go on."),
    ]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030", "utf-16"])
def test_files_of_windows_read_alike(tmp_path: Path, encoding: str) -> None:
    text = "第一场\n甘棠：雪落无声，你我都听见了。\n小满：（笑）好啊！\n"
    plain, _, _ = opened(tmp_path, text)
    assert opened(tmp_path, text.replace("\n", "\r\n"), encoding=encoding)[0] == plain


def test_scripts_are_claimed_and_novels_not() -> None:
    novel = "雪落了一夜。\n她走到窗前，想起从前的事。\n“你来了。”他说：“坐吧。”\n" * 50
    assert sure(script(1, 300)[0]) > 0.85
    assert sure(novel) < 0.2
    assert sure("2024-01-02 10:00:00 张三\n你好\n" * 20) < 0.3
    assert sure("") == 0.0


def test_a_place_says_where_scenes_begin(tmp_path: Path) -> None:
    scenes, _, _ = opened(tmp_path, "甲：好。\n\n第二场\n乙：好。\n甲：走。")
    assert [scene.source for scene in scenes] == ["script.txt, line 1", "script.txt, line 3"]


@pytest.mark.parametrize(
    "row",
    [
        *(
            "（" * 50_000,
            "甲" * 200_000,
            "甲：" * 100_000,
            " " * 200_000 + "甲：好",
            "(a)" * 60_000,
            "甲：" + "好。" * 99_999,
        ),
        *(
            "第" + "一" * 100_000,
            "*" * 100_000 + "甲：",
            "A. " * 60_000,
            "- " * 60_000,
            "1-" * 60_000,
            "甲(" + " " * 99_999,
            "甲；" * 70_000,
            "甲乙" * 9 + "：" + "（" * 90_000 + "；",
        ),
    ],
    ids=range(14),
)
def test_hostile_lines_are_read_to_the_end(tmp_path: Path, row: str) -> None:
    spoken = said(tmp_path, f"甲：好。\n乙：好。\n{row}\n{row}\n甲：走。\n")
    assert spoken[-1] == ("甲", "走。")


PIECES = [
    "甲",
    "乙",
    "MARA",
    "：",
    ":",
    "、",
    "（",
    "）",
    "[",
    "]",
    "\n",
    "\n\n",
    "  ",
    "。",
    "第一场",
    "###",
    "旁白",
    "人物表",
    "△",
    "好",
    "*",
    "—",
]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join))
def test_any_text_becomes_clean_lines(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        scenes, _, _ = opened(Path(folder), text)
    assert all(scene.lines for scene in scenes)
    for line in (line for scene in scenes for line in scene.lines):
        assert line.text.strip()
        assert line.name == line.name.strip()
    assert 0 <= sure(text) <= 1


def test_endless_files_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match=r"script\.txt: .* split it"):
        opened(tmp_path, "\n" * 2_000_001)
