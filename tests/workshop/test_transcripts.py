"""Transcripts of games and plays in Markdown: who speaks as whom, who speaks together, and what only happens."""

from pathlib import Path

import pytest

from finetune.corpora import screenplay
from finetune.corpora.base import CorpusFile, Head, Options

GAME = """MATT: The door is open: nobody is there.

LAURA (as Vex): I look inside. [whispers] Quietly.

[laughter]

LAURA and MARISHA: No!

SAM, LIAM, and TRAVIS: We run.

(indistinct chatter)

MATT (as the guard): Halt!

MATT (as Old Gilmore, coughing): Come in.

MARISHA (laughing): Fine. [dice rattle]

MATT (as Narrator): Night falls.

LAURA: Okay.
"""
PLAY = """# LE PHARE

## ACTE PREMIER

### SCÈNE PREMIÈRE

### Marthe entre avec une lampe.

**MARTHE**

Qui va là ?

Parlez donc.

**L'ABBÉ DUVAL**, à part.

Elle me voit.

**MARTHE**

### Elle rit.

Parlez !

### SCÈNE II

**L'ABBÉ DUVAL**

Non.
"""


def opened(
    tmp_path: Path, text: str, names: tuple[str, ...] = ()
) -> tuple[list[tuple[str, str]], list[str], list[str]]:
    """Who says what, the scenes' titles, and what was told."""
    noted: list[str] = []
    (tmp_path / "play.md").write_text(text, "utf-8")
    file = CorpusFile(
        name="play.md",
        path=tmp_path / "play.md",
        skip=lambda place, reason: noted.append(f"{place} skipped: {reason}"),
        note=lambda place, what: noted.append(f"{place} {what}"),
        options=Options(names=names),
    )
    scenes = list(screenplay.read(file))
    return [(line.name, line.text) for scene in scenes for line in scene.lines], [each.title for each in scenes], noted


def test_a_game_tells_who_is_played(tmp_path: Path) -> None:
    spoken, _, noted = opened(tmp_path, GAME)
    assert spoken == [
        ("MATT", "The door is open: nobody is there."),
        ("Vex", "I look inside. Quietly."),
        ("", "[whispers]"),
        ("", "[laughter]"),
        *[("LAURA", "No!"), ("MARISHA", "No!")],
        *[("SAM", "We run."), ("LIAM", "We run."), ("TRAVIS", "We run.")],
        ("", "(indistinct chatter)"),
        ("MATT", "Halt!"),
        ("Old Gilmore", "Come in."),
        ("MARISHA", "Fine."),
        ("", "[dice rattle]"),
        ("", "Night falls."),
        ("LAURA", "Okay."),
    ]
    assert any('"LAURA (as Vex)" somebody speaks as another' in each for each in noted)
    assert not any("skipped" in each for each in noted)


def test_a_player_asked_for_keeps_her_words(tmp_path: Path) -> None:
    spoken, _, _ = opened(tmp_path, GAME, ("LAURA",))
    assert ("LAURA", "I look inside. Quietly.") in spoken
    assert "Vex" not in dict(spoken)


def test_names_in_capitals_join_by_and(tmp_path: Path) -> None:
    spoken, _, _ = opened(tmp_path, "MARA: Go.\nTOBIN: No.\nMARA, Tobin and the cat: Meow.\nMARA: Well.\n")
    assert [name for name, _ in spoken] == ["MARA", "TOBIN", "", "MARA"]


def test_a_french_play_in_markdown(tmp_path: Path) -> None:
    spoken, titles, noted = opened(tmp_path, PLAY)
    assert titles == ["LE PHARE ACTE PREMIER SCÈNE PREMIÈRE", "SCÈNE II"]
    assert [(name, " ".join(text.split())) for name, text in spoken] == [
        ("", "Marthe entre avec une lampe."),
        ("MARTHE", "Qui va là ? Parlez donc."),
        ("L'ABBÉ DUVAL", "Elle me voit."),
        ("", "[Elle rit.]"),
        ("MARTHE", "Parlez !"),
        ("L'ABBÉ DUVAL", "Non."),
    ]
    assert not any("skipped" in each for each in noted)
    assert screenplay.claims(Head(suffix=".md", data=PLAY.encode(), text=PLAY)) > 0.6


@pytest.mark.parametrize(
    "cue",
    [
        *("**{}**\n", "__{}__\n", "**{}.**\n", "**{}** (bas)\n", "**{}**, *bas*\n\n", "**{}.** — ", "**{}**, bas. — "),
        *("__{}__. ", "**{}** : ", "**{} :** ", "__{}__ *(bas)*. — "),
    ],
)
def test_bold_names_open_speeches(tmp_path: Path, cue: str) -> None:
    names = ("MARTHE", "LE VALET", "MARTHE", "LE VALET")
    text = "\n\n".join(cue.format(name) + f"Parole {at}." for at, name in enumerate(names))
    spoken, _, _ = opened(tmp_path, text)
    assert spoken == [(name, f"Parole {at}.") for at, name in enumerate(names)]


@pytest.mark.parametrize(
    "words", ["Il sort.", "(Il sort)", "*Elle rit*", "Elle rit", "Exit Mara", "他走了。", "Enter TOBIN, wet"]
)
def test_small_headings_may_be_directions(tmp_path: Path, words: str) -> None:
    spoken, titles, _ = opened(tmp_path, f"MARA: Go.\n\n### {words}\n\nTOBIN: No.\n\nMARA: Well.\n")
    assert spoken[1] == ("", words)
    assert titles == [""]


@pytest.mark.parametrize(
    "words", ["The Harbour", "La Maison", "3. The rock is wet.", "第三幕：风雪", "Scene 4", "Why me?"]
)
def test_titles_stay_headings(tmp_path: Path, words: str) -> None:
    _, titles, _ = opened(tmp_path, f"MARA: Go.\n\n### {words}\n\nTOBIN: No.\n\nMARA: Well.\n")
    assert titles == ["", words]


@pytest.mark.parametrize(
    "row", ["**" * 50_000, "**A" * 30_000, "### " + "a b" * 30_000, "A and " * 20_000 + ": x", "__A__, " * 9_000]
)
def test_hostile_bold_lines_are_read(tmp_path: Path, row: str) -> None:
    spoken, _, _ = opened(tmp_path, f"**MARA**\nGo.\n\n{row}\n\n**TOBIN**\nNo.\n\n**MARA**\nWell.\n\n**TOBIN**\nYes.\n")
    assert spoken[-1] == ("TOBIN", "Yes.")
