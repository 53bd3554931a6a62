"""Plays in XML: who speaks is who the markup says; nothing outside of the file is ever opened or expanded."""

from pathlib import Path

import pytest

from finetune.corpora import play_xml
from finetune.corpora.base import CorpusFile, Head
from finetune.dialogue import Scene
from knowledge.errors import UnreadableError

Told = list[tuple[str, str]]

PLAY = """<?xml version="1.0"?>
<!DOCTYPE PLAY SYSTEM "play.dtd">
<!-- written for this test -->
<PLAY><TITLE>The Light</TITLE><FM><P>Free to read.</P></FM>
<PERSONAE><TITLE>Dramatis Personae</TITLE>
<PERSONA>MARA, keeper of the light.</PERSONA><PERSONA>HALE, a doctor</PERSONA></PERSONAE>
<ACT><TITLE>ACT I</TITLE>
<SCENE><TITLE>SCENE I. A rock.</TITLE><STAGEDIR>Enter MARA</STAGEDIR>
<SPEECH><SPEAKER>MARA</SPEAKER><LINE>Who is
  there?</LINE><STAGEDIR>Aside</STAGEDIR><LINE><STAGEDIR>Rising</STAGEDIR> No one &amp; nothing.</LINE>
<STAGEDIR>Exit</STAGEDIR></SPEECH>stray words
<SPEECH><SPEAKER>TOBIN</SPEAKER><SPEAKER>ALL</SPEAKER><LINE>We are&mdash;here.</LINE></SPEECH></SCENE>
<SCENE><TITLE>SCENE II. The quay.</TITLE>
<SPEECH><SPEAKER>TOBIN</SPEAKER><LINE>Gone.</LINE></SPEECH></SCENE></ACT></PLAY>
"""
TEI = """<TEI xmlns="http://www.tei-c.org/ns/1.0"><teiHeader><title>雪夜</title></teiHeader><text><body>
<div type="act"><head>第一幕</head><div type="scene"><head>第一场</head><stage>夜。</stage>
<sp who="#gt"><speaker>甘棠。</speaker><p>你<stage>指门</stage>走！<lb/>快。<note>原文如此</note></p></sp>
<sp who="#xm #an"><lg><l>雪落</l><l>无声</l></lg></sp>
<sp><speaker>Mara</speaker><ab><w>Now</w><c> </c>
<w>go</w>
<pc>!</pc></ab></sp></div></div></body></text></TEI>"""


def opened(tmp_path: Path, data: str | bytes) -> tuple[list[Scene], Told, Told]:
    skipped: Told = []
    noted: Told = []
    (tmp_path / "play.xml").write_bytes(data.encode() if isinstance(data, str) else data)
    file = CorpusFile(
        name="play.xml",
        path=tmp_path / "play.xml",
        skip=lambda place, reason: skipped.append((place, reason)),
        note=lambda place, what: noted.append((place, what)),
    )
    return list(play_xml.read(file)), skipped, noted


def lines_of(scene: Scene) -> list[tuple[str, str]]:
    return [(line.name, line.text) for line in scene.lines]


def test_acts_and_speeches_become_scenes(tmp_path: Path) -> None:
    scenes, _, noted = opened(tmp_path, PLAY)
    assert [scene.title for scene in scenes] == ["ACT I SCENE I. A rock.", "SCENE II. The quay."]
    assert lines_of(scenes[0]) == [
        ("", "Enter MARA"),
        ("MARA", "Who is there?\nNo one & nothing."),
        ("", "Aside"),
        ("", "Rising"),
        ("", "Exit"),
        ("TOBIN", "We are—here."),
        ("ALL", "We are—here."),
    ]
    assert scenes[0].cast == {"MARA": "keeper of the light"}
    assert ("line 12", "several speak at once: each was given the words") in noted
    assert [place for place, what in noted if "stage direction" in what] == ['line 9: "Aside"', 'line 9: "Rising"']


def test_what_is_no_speech_is_told(tmp_path: Path) -> None:
    _, skipped, _ = opened(tmp_path, PLAY)
    told = " ".join(place for place, _ in skipped)
    assert all(words in told for words in ("The Light", "Free to read.", "Dramatis Personae", "stray words", "HALE"))


def test_tei_is_read_alike(tmp_path: Path) -> None:
    (scene,), skipped, _ = opened(tmp_path, TEI)
    assert scene.title == "第一幕 第一场"
    assert lines_of(scene) == [
        ("", "夜。"),
        ("甘棠", "你走！\n快。"),
        ("", "指门"),
        ("xm", "雪落\n无声"),
        ("an", "雪落\n无声"),
        ("Mara", "Now go!"),
    ]
    assert ('line 1: "雪夜"', "what is said of the file") in skipped


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "gb18030"])
def test_declared_encodings_are_honoured(tmp_path: Path, encoding: str) -> None:
    declared = f'<?xml version="1.0" encoding="{encoding.removesuffix("-sig")}"?>\n{TEI}'
    assert opened(tmp_path, declared.encode(encoding))[0][0].lines == opened(tmp_path, TEI)[0][0].lines


@pytest.mark.parametrize(
    "subset",
    [
        '<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">',
        '<!ENTITY a SYSTEM "file:///etc/hostname">',
        '<!ENTITY % a SYSTEM "http://127.0.0.1:9/x"> %a;',
    ],
)
def test_declared_entities_are_refused(tmp_path: Path, subset: str) -> None:
    text = f"<!DOCTYPE PLAY [{subset}]><PLAY><SPEECH><SPEAKER>A</SPEAKER><LINE>&a;&b;</LINE></SPEECH></PLAY>"
    with pytest.raises(UnreadableError, match=r"play\.xml: its DOCTYPE declares .* delete that part"):
        opened(tmp_path, text)
    with pytest.raises(UnreadableError):
        opened(tmp_path, f"<!--{' ' * 70_000}-->{text}")


def test_a_named_dtd_is_never_opened(tmp_path: Path) -> None:
    (tmp_path / "play.dtd").write_text('<!ENTITY secret "told">')
    text = '<!DOCTYPE P SYSTEM "play.dtd"><P><SPEECH><SPEAKER>A</SPEAKER><LINE>x &secret;</LINE></SPEECH></P>'
    (scene,), _, _ = opened(tmp_path, text)
    assert lines_of(scene) == [("A", "x &secret;")]


@pytest.mark.parametrize("text", ["", "hello", "<PLAY/>", "{}", "<PLAY>" + "<p>" * 5_000, "<SPEECH>" + "<l>" * 5_000])
def test_files_without_speeches_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UnreadableError, match=r"play\.xml"):
        opened(tmp_path, text)


def test_a_damaged_play_is_read_so_far(tmp_path: Path) -> None:
    scenes, skipped, _ = opened(tmp_path, PLAY[: PLAY.index("Gone.")])
    assert len(scenes[0].lines) == 7
    assert any("it is damaged" in reason for _, reason in skipped)


def test_plays_are_told_from_other_xml() -> None:
    def sure(text: str) -> float:
        return play_xml.claims(Head(suffix=".xml", data=text.encode(), text=text))

    assert sure(PLAY) > 0.9 < sure(TEI)
    assert sure("<mediawiki><page><title>A</title></page></mediawiki>") == 0
    assert sure("甲：好") == 0
