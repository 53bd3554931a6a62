"""Novels: who speaks, what is only thought or held up between quotes, scenes, and what is told of doubt."""

from pathlib import Path

import pytest

from finetune.corpora import novel
from finetune.corpora.base import CorpusFile, Head, Options
from finetune.dialogue import Scene

ZH = """\
第一章　风雪夜

　　雪下了一夜。沈雁推开客栈的门，掸去肩上的雪。
　　陆九笑道：“沈兄来得好迟！”
　　“路上不好走。”沈雁道。
　　“坐下喝一杯？”
　　“也好。”
　　陆九点点头，低声问道：“可曾遇见官兵？”
　　沈雁放下酒碗，冷冷地说：“遇见了。”他顿了顿，又道，“三个。”
　　所谓“江湖”，不过如此。
　　陆九心想：“他怎么还不走？”
　　门外忽然有人喊：“开门！”

第二章　天明

　　沈雁对陆九说：
　　“你先走。”
"""
EN = """\
CHAPTER I. The Mill

The wheel had stopped in the night, and nobody in the house had noticed it
until the morning, when the silence woke them one after another.

“You might have told me,” said Tom quietly. “I was up at four.”

Mrs. Hale put the kettle down. “I did not know it myself.”

“Who did, then?”

“Ask the miller,” she said.

“I have asked him,” Tom answered, reaching for his coat, “and he says
nothing at all.

“He says nothing, and he looks at the wall.”

“Then he knows,” said Mrs. Hale.

The so-called “expert” came at noon.

* * *

“Is it mended?” asked Tom.

“It is,” a voice replied.
"""


class Told:
    """What a reader skips and notes."""

    def __init__(self) -> None:
        self.skipped: list[tuple[str, str]] = []
        self.noted: list[tuple[str, str]] = []

    def count(self, what: str) -> int:
        return sum(reason == what for _, reason in self.noted)


def scenes_of(folder: Path, text: str | bytes, *names: str) -> tuple[list[Scene], Told]:
    path = folder / "book.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    told = Told()
    file = CorpusFile(
        name="book.txt",
        path=path,
        skip=lambda place, reason: told.skipped.append((place, reason)),
        note=lambda place, what: told.noted.append((place, what)),
        options=Options(names=names),
    )
    return list(novel.read(file)), told


def spoken(scenes: list[Scene]) -> list[tuple[str, str]]:
    return [(line.name, line.text) for scene in scenes for line in scene.lines if line.name]


def narration(scenes: list[Scene]) -> str:
    return "\n".join(line.text for scene in scenes for line in scene.lines if not line.name)


def head(text: str) -> Head:
    return Head(suffix=".txt", data=text.encode(), text=text)


def test_chinese_speech_has_its_speakers(tmp_path: Path) -> None:
    scenes, _ = scenes_of(tmp_path, ZH)
    assert spoken(scenes) == [
        ("陆九", "沈兄来得好迟！"),
        ("沈雁", "路上不好走。"),
        ("陆九", "坐下喝一杯？"),
        ("沈雁", "也好。"),
        ("陆九", "可曾遇见官兵？"),
        ("沈雁", "遇见了。三个。"),
        ("沈雁", "你先走。"),
    ]


def test_english_speech_has_its_speakers(tmp_path: Path) -> None:
    scenes, _ = scenes_of(tmp_path, EN)
    assert spoken(scenes) == [
        ("Tom", "You might have told me. I was up at four."),
        ("Mrs. Hale", "I did not know it myself."),
        ("Tom", "Who did, then?"),
        ("Mrs. Hale", "Ask the miller."),
        ("Tom", "I have asked him, and he says nothing at all.\nHe says nothing, and he looks at the wall."),
        ("Mrs. Hale", "Then he knows."),
        ("Tom", "Is it mended?"),
    ]


def test_chapters_and_marks_part_scenes(tmp_path: Path) -> None:
    chinese, _ = scenes_of(tmp_path, ZH)
    english, told = scenes_of(tmp_path, EN)
    assert [scene.title for scene in chinese] == ["第一章 风雪夜", "第二章 天明"]
    assert [scene.source for scene in english] == ["book.txt, line 3", "book.txt, line 25"]
    assert ("line 23", "a mark between two scenes") in told.skipped


def test_speech_by_nobody_known_stays_narration(tmp_path: Path) -> None:
    scenes, told = scenes_of(tmp_path, ZH)
    assert "门外忽然有人喊：“开门！”" in narration(scenes)
    assert told.count(novel.UNKNOWN) == 1
    scenes, told = scenes_of(tmp_path, EN)
    assert "“It is,” a voice replied." in narration(scenes)
    assert told.count(novel.UNKNOWN) == 1


def test_notes_count_how_speakers_are_known(tmp_path: Path) -> None:
    scenes, told = scenes_of(tmp_path, ZH)
    assert told.count(novel.BY_TURNS) == 2
    assert told.count(novel.BY_RULE) + told.count(novel.BY_TURNS) == len(spoken(scenes))


def test_thoughts_and_held_up_words_are_narration(tmp_path: Path) -> None:
    scenes, _ = scenes_of(tmp_path, ZH)
    assert "所谓“江湖”，不过如此。" in narration(scenes)
    assert "他怎么还不走？" in narration(scenes)
    assert "“expert”" in narration(scenes_of(tmp_path, EN)[0])


def test_three_people_are_not_taken_in_turns(tmp_path: Path) -> None:
    text = "“A one.” said Ann.\n“A two.” said Ben.\n“A three.” said Cyd.\n“Who is next?”\n“A five.” said Ann.\n"
    scenes, told = scenes_of(tmp_path, text)
    assert "“Who is next?”" in narration(scenes)
    assert told.count(novel.UNKNOWN) == 1


def test_a_broken_alternation_stays_open(tmp_path: Path) -> None:
    text = "“One.” said Ann.\n“Two.” said Ben.\n“Three?”\n“Four.” said Ann.\n“Five.” said Ben.\n"
    scenes, _ = scenes_of(tmp_path, text)
    assert "Three?" not in [words for _, words in spoken(scenes)]


@pytest.mark.parametrize(
    ("line", "speaker", "words"),
    [
        ("「快走！」林小滿喊道。", "林小滿", "快走！"),
        ("林小滿答曰：『不必。』", "林小滿", "不必。"),
        ("林小滿：“来了。”", "林小滿", "来了。"),
        ("林小滿放下书，走到窗前，说道：“下雨了。”", "林小滿", "下雨了。"),
        ("林小滿皱了皱眉。“又是你。”", "林小滿", "又是你。"),
        ("“好。”林小滿大笑着说。", "林小滿", "好。"),
        ("“好。”说着，林小滿站起身来。", "林小滿", "好。"),
        ("“好。”林小滿说着站起身来。", "林小滿", "好。"),
        ("“好，”林小滿笑道，“走罢。”", "林小滿", "好，走罢。"),
    ],
)
def test_chinese_forms_name_their_speaker(tmp_path: Path, line: str, speaker: str, words: str) -> None:
    scenes, _ = scenes_of(tmp_path, f"{line}\n", "林小滿")
    assert spoken(scenes) == [(speaker, words)]


@pytest.mark.parametrize(
    "line",
    [
        '"Come in," said Nell.',
        '"Come in," Nell said softly.',
        'Nell said, "Come in."',
        'Then, at the door, Nell slowly answered: "Come in."',
        "‘Come in,’ whispered Nell.",
        'Nell opened the door. "Come in."',
        "— Come in, — said Nell.",
    ],
)
def test_english_forms_name_their_speaker(tmp_path: Path, line: str) -> None:
    scenes, _ = scenes_of(tmp_path, f"{line}\n", "Nell")
    assert spoken(scenes) == [("Nell", "Come in.")]


def test_two_speakers_share_one_paragraph(tmp_path: Path) -> None:
    text = "林冲道：“好酒！”鲁智深道：“再来！”\n林冲道：“不喝了。”鲁智深道：“也罢。”\n"
    scenes, _ = scenes_of(tmp_path, text)
    assert spoken(scenes) == [("林冲", "好酒！"), ("鲁智深", "再来！"), ("林冲", "不喝了。"), ("鲁智深", "也罢。")]


def test_gb18030_and_crlf_are_read(tmp_path: Path) -> None:
    scenes, _ = scenes_of(tmp_path, ZH.replace("\n", "\r\n").encode("gb18030"))
    assert len(spoken(scenes)) == 7


def test_far_narration_is_told_not_lost(tmp_path: Path) -> None:
    middle = "\n".join(f"山路第{at}段，" + "树影沉沉，雾气不散。" * 12 for at in range(10))
    scenes, told = scenes_of(tmp_path, f"林冲道：“走！”\n{middle}\n林冲道：“到了。”\n")
    kept = [f"第{at}段" for at in range(10) if f"第{at}段" in narration(scenes)]
    assert kept == ["第0段", "第8段", "第9段"]
    assert sum(reason == "told far from any speech" for _, reason in told.skipped) == 7


def test_a_long_silence_begins_a_scene(tmp_path: Path) -> None:
    middle = "\n".join("树影沉沉，雾气不散。" * 40 for _ in range(10))
    scenes, _ = scenes_of(tmp_path, f"林冲道：“走！”\n{middle}\n林冲道：“到了。”\n")
    assert [len(spoken([scene])) for scene in scenes] == [1, 1]


def test_claims_prose_less_than_scripts() -> None:
    assert 0.1 < novel.claims(head(ZH)) <= 0.6
    assert 0.1 < novel.claims(head(EN)) <= 0.6
    assert novel.claims(head("林冲：好酒\n鲁智深：再来\n")) == 0
    assert novel.claims(head('{"a": "“b.”"}\n')) == 0
    assert novel.claims(head("")) == 0


@pytest.mark.parametrize(
    "text",
    [
        "“" * 200_000,
        "“”" * 100_000,
        '"' * 200_001,
        "「" * 200_000,
        "said Tom " * 30_000 + "“Yes.”",
        "A" * 300_000 + "“a.”",
        "— " * 100_000,
        "林冲道：" * 50_000 + "“好。”",
        "“好。”，" * 40_000,
        "A b " * 60_000 + ", “Yes.”",
        "“好。”林冲" * 30_000,
        "“a. said Tom\n" * 20_000,
        ("林" * 30 + "道：“好。”\n") * 3000,
    ],
    ids=range(13),
)
def test_hostile_text_is_read_and_accounted(tmp_path: Path, text: str) -> None:
    scenes, told = scenes_of(tmp_path, text)
    assert scenes or told.skipped
    assert sum(len(line.text) for scene in scenes for line in scene.lines) <= len(text)


def speakers(folder: Path, text: str, *names: str) -> list[tuple[str, str]]:
    return spoken(scenes_of(folder, text, *names)[0])


PAIR = "“One,” said Mr. Ames.\n“Two,” said Mrs. Bell.\n"


def test_a_pronoun_means_the_only_one(tmp_path: Path) -> None:
    scenes, told = scenes_of(tmp_path, PAIR + "“Three,” said he.\n“Four,” she replied.\n")
    assert spoken(scenes)[2:] == [("Mr. Ames", "Three."), ("Mrs. Bell", "Four.")]
    assert told.count(novel.BY_PRONOUN) == 2


def test_a_pronoun_among_several_stays_open(tmp_path: Path) -> None:
    text = "“One,” said Mr. Ames.\n“Two,” said Mr. Cole.\n“Three,” said Mrs. Bell.\n“Four,” said he.\n"
    scenes, told = scenes_of(tmp_path, text)
    assert len(spoken(scenes)) == 3
    assert told.count(novel.UNKNOWN) == 1


def test_who_is_called_does_not_speak(tmp_path: Path) -> None:
    known = "“One,” said Ann.\n“Two,” said Ben.\n"
    scenes, told = scenes_of(tmp_path, f"{known}The rain came on.\n“Is it late, Ben?”\n")
    assert spoken(scenes)[2:] == [("Ann", "Is it late, Ben?")]
    assert told.count(novel.BY_ADDRESS) == 1
    scenes, _ = scenes_of(tmp_path, f"{known}“Is it late, Ben?”\n“Very late, Ben.”\n")
    assert ("Ben", "Very late, Ben.") not in spoken(scenes)


def test_a_third_one_who_is_called_opens_turns(tmp_path: Path) -> None:
    text = "“One,” said Ann.\n“Two,” said Ben.\n“Is it late, Cyd?”\n“Very late.”\n“Four,” said Cyd.\n"
    assert [name for name, _ in speakers(tmp_path, text)] == ["Ann", "Ben", "Cyd"]


def test_the_one_who_tells_it_speaks(tmp_path: Path) -> None:
    text = "“One,” said I.\n“Two,” said Ben.\n“Three,” I answered.\n“Four.”\n“Five,” I said.\n"
    assert [name for name, _ in speakers(tmp_path, text)] == ["I", "Ben", "I", "Ben", "I"]


def test_the_teller_has_the_name_given(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_text("“One,” said I.\n“Two,” said Ben.\n", "utf-8")
    scenes = list(novel.read(CorpusFile(name="book.txt", path=path, options=Options(me="Jim"))))
    assert spoken(scenes) == [("Jim", "One."), ("Ben", "Two.")]


def test_names_of_the_teller_are_noted(tmp_path: Path) -> None:
    text = "“Come here, Jim,” said Ben.\n“I am here,” said I.\n" * 6
    _, told = scenes_of(tmp_path, text)
    assert ('"I": "Jim"', novel.CALLED) in told.noted


def test_names_are_never_merged_silently(tmp_path: Path) -> None:
    text = "“One,” said Holm.\n“Two,” said Ben.\n“Three,” said Mr. Holm.\n“Four,” said Sherrin Holm.\n"
    assert [name for name, _ in speakers(tmp_path, text)] == ["Holm", "Ben", "Mr. Holm", "Sherrin Holm"]


def test_the_word_that_begins_is_no_name(tmp_path: Path) -> None:
    text = "“One,” said Ann.\nUpon that: “Two.”\nUpon this: “Three.”\n"
    assert [name for name, _ in speakers(tmp_path, text)] == ["Ann"]


def test_somebody_without_a_name_breaks_turns(tmp_path: Path) -> None:
    text = "“One,” said Ann.\n“Two,” said Ben.\n“Three,” said the other.\n“Four.”\n"
    assert [name for name, _ in speakers(tmp_path, text)] == ["Ann", "Ben"]


def test_a_forgotten_mark_joins_no_two(tmp_path: Path) -> None:
    text = "“One,” said Ann. “There are two of them.\n“Be quiet,” said Ben.\n"
    assert [name for name, _ in speakers(tmp_path, text)] == ["Ann", "Ben"]


def test_a_comma_announces_the_next_paragraph(tmp_path: Path) -> None:
    text = "“One,” said Ann.\nBen presently added, with a smile,\n“Two of them.”\n“Three,” said Ben.\n"
    assert speakers(tmp_path, text)[1] == ("Ben", "Two of them.")


def test_words_held_up_with_a_comma_are_narration(tmp_path: Path) -> None:
    text = "“One,” said Ann.\nIt was what Ann called “tidied,” or so the neighbours had it.\n"
    assert [words for _, words in speakers(tmp_path, text)] == ["One."]


@pytest.mark.parametrize("tag", ["retorted Nell", "cried poor Nell", "Nell broke in", "went on Nell", "said old Nell"])
def test_more_words_of_saying_are_known(tmp_path: Path, tag: str) -> None:
    assert speakers(tmp_path, f"“Come in,” {tag}.\n“Who is it?” said Nell.\n", "Nell")[0] == ("Nell", "Come in.")


def test_chinese_pronouns_and_calls_are_followed(tmp_path: Path) -> None:
    text = "沈雁道：“来了。”他放下刀。\n青禾笑道：“坐。”她倒了茶。\n" * 3
    text += "外面起风了。\n“沈雁，你去哪里？”\n“不远。”\n“何时回来？”她问。\n“三日后。”沈雁道。\n"
    assert [name for name, _ in speakers(tmp_path, text)][6:] == ["青禾", "沈雁", "青禾", "沈雁"]


@pytest.mark.parametrize(
    "text",
    [
        "“A, B, C, D,” said Ann. " * 5_000,
        "“" + "A, " * 60_000 + "” said Ann.",
        "Mr. " * 60_000 + "“Yes,” said Ann.",
        "“Yes,” said Ann Ann Ann.\n" * 3_000 + "“No.”\n" * 3_000,
        "“Yes, Ann.” said he.\n“No, Ben,” said Ann.\n" * 2_000,
        "“去，林冲！”\n“好。”林冲道。\n" * 3_000,
    ],
    ids=range(6),
)
def test_hostile_talk_is_read_in_time(tmp_path: Path, text: str) -> None:
    scenes, told = scenes_of(tmp_path, text)
    assert scenes or told.skipped
