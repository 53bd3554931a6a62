"""Stage directions: no role learns to say them, nothing of them is lost, and brackets that are words stay words."""

from pathlib import Path

import pytest

from finetune.corpora import play_xml, quoted, screenplay, table
from finetune.corpora._directions import parted
from finetune.corpora.base import Corpus, CorpusFile
from finetune.corpora.whatsapp import read as read_whatsapp

Told = list[tuple[str, str]]


def told(tmp_path: Path, corpus: Corpus, text: str, name: str = "play.txt") -> tuple[Told, Told]:
    """Who says what, and what was noted."""
    noted: Told = []
    (tmp_path / name).write_text(text, "utf-8")
    file = CorpusFile(
        name=name,
        path=tmp_path / name,
        skip=lambda place, reason: noted.append((place, f"skipped: {reason}")),
        note=lambda place, what: noted.append((place, what)),
    )
    return [(line.name, line.text) for scene in corpus.read(file) for line in scene.lines], noted


def test_directions_leave_a_printed_speech(tmp_path: Path) -> None:
    text = """MARA. [Airily.] Oh, gulls, gulls.

TOBIN. I see one. [Rises and goes
to the window.] It looks at us--[Knocks.] Go! [Sits.]

MARA. [Goes out.]

TOBIN. Gone.
"""
    spoken, noted = told(tmp_path, screenplay, text)
    assert spoken == [
        ("", "[Airily.]"),
        ("MARA", "Oh, gulls, gulls."),
        ("TOBIN", "I see one. It looks at us-- Go!"),
        ("", "[Rises and goes to the window.]"),
        ("", "[Knocks.]"),
        ("", "[Sits.]"),
        ("", "[Goes out.]"),
        ("TOBIN", "Gone."),
    ]
    assert [place for place, what in noted if "stage direction" in what] == [
        'line 1: "[Airily.]"',
        'line 3: "[Rises and goes to the window.]"',
        'line 3: "[Knocks.]"',
        'line 3: "[Sits.]"',
        'line 6: "[Goes out.]"',
    ]


@pytest.mark.parametrize("box", ["【起身】", "［起身］", "〔起身〕", "[起身]", "（起身）", "(起身)"])
def test_chinese_brackets_are_directions(tmp_path: Path, box: str) -> None:
    spoken, _ = told(tmp_path, screenplay, f"甲：{box}走吧。\n乙：好，{box}走。\n甲：走{box}。\n")
    assert spoken == [("", box), ("甲", "走吧。"), ("乙", "好，走。"), ("", box), ("甲", "走。"), ("", box)]


def test_directions_are_narrated_once(tmp_path: Path) -> None:
    spoken, _ = told(tmp_path, screenplay, "甲、乙：[齐跪]万岁！\n甲：起。\n乙：谢。\n")
    assert spoken[:3] == [("", "[齐跪]"), ("甲", "万岁！"), ("乙", "万岁！")]


@pytest.mark.parametrize(
    "words",
    [
        *(
            "He came (as always) late.",
            "He came late (as always).",
            "Page [12] is torn.",
            "(´・ω・`) fine",
            "Hm (T_T)",
            "The apple(s) are there.",
        ),
        *("你（我哥的）书呢？", "Wait [", "No ] more", "( )", "[]"),
    ],
)
def test_brackets_within_a_sentence_stay(words: str) -> None:
    assert parted(words) == ((), words, ())


def test_verses_keep_their_breaks() -> None:
    assert parted("Row one\n[Aside] and two\n(softly)\nand three") == (
        (),
        "Row one\nand two\nand three",
        ("[Aside]", "(softly)"),
    )


def test_quoted_speech_gives_directions_away(tmp_path: Path) -> None:
    spoken, _ = told(tmp_path, quoted, "甲:「[起身]走。」\n乙:「好。（坐下）」\n甲:「走」\n旁白:「[夜]」\n")
    assert spoken == [
        *[("", "[起身]"), ("甲", "走。"), ("乙", "好。"), ("", "（坐下）"), ("甲", "走"), ("", "[夜]")],
    ]


def test_marked_directions_in_xml_are_sure(tmp_path: Path) -> None:
    text = """<TEI><sp><speaker>MARA <stage>aside</stage></speaker><p>He comes <stage>points (2)</stage> late
    [Sighs.]</p></sp><sp><speaker>TOBIN</speaker><p>Yes.</p></sp></TEI>"""
    spoken, _ = told(tmp_path, play_xml, text, "play.xml")
    assert spoken == [("MARA", "He comes late"), ("", "points (2)"), ("", "[Sighs.]"), ("TOBIN", "Yes.")]


def test_tags_of_tables_stay_words(tmp_path: Path) -> None:
    spoken, _ = told(tmp_path, table, "speaker,text\n甲,好吧[委屈]\n乙,（笑）走[旺柴]\n", "talk.csv")
    assert spoken == [("甲", "好吧[委屈]"), ("乙", "（笑）走[旺柴]")]


def test_tags_of_chats_stay_words(tmp_path: Path) -> None:
    (tmp_path / "chat.txt").write_text("12/03/2023, 21:04 - Lena: fine [委屈]\n", "utf-8")
    (scene,) = read_whatsapp(CorpusFile(name="chat.txt", path=tmp_path / "chat.txt"))
    assert [line.text for line in scene.lines] == ["fine [委屈]"]


@pytest.mark.parametrize(
    "piece", ["[", "(", "[a", "(ab) ", "[a]", "【甲】（乙）", "（" + "甲" * 599, " (ab", "a(b)", "[" + "a" * 700]
)
def test_hostile_brackets_are_read_to_the_end(piece: str) -> None:
    found = parted(piece * (1_000_000 // len(piece)) + "[Sits.] the end")
    assert (found.text[-7:], [*found.before, *found.after][-1]) == ("the end", "[Sits.]")
