"""Speakers: which names may be one person's, what a person decided of them, and scenes with these decisions applied."""

from pathlib import Path

import pytest

from finetune.dialogue import Line, Scene
from finetune.errors import WorkshopError
from finetune.speakers.aliases import Alias, merged, read_aliases, write_aliases
from finetune.speakers.proposals import propose


def scene(*lines: tuple[str, str]) -> Scene:
    return Scene(lines=[Line(name=name, text=text) for name, text in lines])


def proposed(*names: str, scenes: tuple[Scene, ...] = ()) -> dict[frozenset[str], Alias]:
    """Proposals by the names that they join; names with most lines come first."""
    counts = {name: 100 - at for at, name in enumerate(names)}
    found = propose(counts, scenes)
    return {frozenset((alias.name, *alias.also)): alias for alias in found}


def test_spellings_of_one_name_are_proposed() -> None:
    names = ("ARTHUR", "KING ARTHUR", "Arthur", "ARTHUR (V.O.)", "Ａrthur", "BEDEVERE")
    (group,) = proposed(*names)
    assert group == frozenset(names) - {"BEDEVERE"}


def test_the_name_with_most_lines_stands_first() -> None:
    (alias,) = propose({"ARTHUR": 3, "Arthur": 90}, ())
    assert (alias.name, alias.also) == ("Arthur", ("ARTHUR",))


def test_nothing_is_proposed_as_decided() -> None:
    assert not any(alias.merge for alias in propose({"ARTHUR": 3, "Arthur": 90, "甄嬛": 9, "嬛嬛": 4}, ()))


@pytest.mark.parametrize(
    ("name", "other"),
    [("甄嬛", "嬛嬛"), ("Elizabeth Bennet", "Elizabeth"), ("欧阳明月", "明月"), ("李明", "李警官"), ("李 明", "李明")],
)
def test_likely_pairs_are_proposed_with_reasons(name: str, other: str) -> None:
    (alias,) = proposed(name, other).values()
    assert alias.why


@pytest.mark.parametrize(
    ("name", "other"), [("甄嬛", "安陵容"), ("Ann", "Anna"), ("李明", "李华"), ("Tom Hale", "Ann Hale")]
)
def test_unlike_names_are_not_proposed(name: str, other: str) -> None:
    assert proposed(name, other) == {}


def test_an_ambiguous_surname_tells_its_doubt() -> None:
    (alias,) = [alias for group, alias in proposed("李明", "李警官", "李华").items() if "李警官" in group]
    assert "doubtful" in alias.why
    assert "李华" in alias.why


def test_an_exchange_speaks_against_one_person() -> None:
    talk = scene(("李明", "早。"), ("李警官", "早。"), ("李明", "坐。"))
    apart = scene(("李明", "早。"), ("王五", "早。"), ("李警官", "坐。"))
    assert "AGAINST" in next(iter(proposed("李明", "李警官", scenes=(talk,)).values())).why
    assert "AGAINST" not in next(iter(proposed("李明", "李警官", scenes=(apart,)).values())).why


@pytest.mark.parametrize("words", ["燕青，人称“浪子”，武艺高强。", "燕青又名浪子。"])
def test_what_the_text_says_is_evidence(words: str) -> None:
    (alias,) = proposed("燕青", "浪子", scenes=(scene(("", words)),)).values()
    assert "the text says so" in alias.why


def test_an_english_byname_in_the_text_counts() -> None:
    assert proposed("Aragorn", "Strider", scenes=(scene(("", "This was Aragorn, called Strider by some.")),))


def test_many_names_are_compared_in_time() -> None:
    counts = {f"{'林沈陆王李'[at % 5]}{chr(0x4E00 + at)}": 1 for at in range(20_000)}
    assert isinstance(propose(counts, [scene(("", "人称" * 100_000))]), list)


def test_proposals_are_written_and_read(tmp_path: Path) -> None:
    alias = Alias(name='沈"雁\\', also=("雁\x7f儿", "沈\t雁"), why="one\nname")
    write_aliases(tmp_path / "speakers.toml", [alias])
    assert read_aliases(tmp_path / "speakers.toml") == [alias]
    assert (tmp_path / "speakers.toml").read_text(encoding="utf-8").startswith("# Which names are one person's.")


def test_decisions_stay_when_written_again(tmp_path: Path) -> None:
    path = tmp_path / "speakers.toml"
    mine = '[[speaker]]\nname = "Arthur"\nalso = ["ARTHUR"]\nmerge = true\n'
    path.write_text(mine, encoding="utf-8")
    found = [Alias(name="ARTHUR", also=("Arthur", "Art")), Alias(name="Arthur", also=("King", "ARTHUR"))]
    write_aliases(path, found)
    aliases = read_aliases(path)
    assert aliases[0] == Alias(name="Arthur", also=("ARTHUR",), merge=True)
    assert [(alias.name, alias.also, alias.merge) for alias in aliases[1:]] == [("Arthur", ("King",), False)]
    write_aliases(path, found)
    assert read_aliases(path) == aliases


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[[speaker]]\nname = "A"\nalso = ["B"]\n[[speaker]]\nname = "B"\nalso = ["A"]\n', '"B"'),
        ('[[speaker]]\nname = "A"\nalso = ["A"]\n', '"A"'),
        ('[[speaker]]\nname = "A"\nalso = ["C"]\n[[speaker]]\nname = "B"\nalso = ["C"]\n', '"C"'),
        ('[[speaker]]\nname = "A"\nalso = "C"\n', "also"),
        ('[[speaker]]\nname = "A"\nalso = []\nmerg = true\n', "merg"),
        ('[[speaker]]\nname = " "\nalso = ["C"]\n', "empty"),
        ('[[speakers]]\nname = "A"\n', "speakers"),
        ("speaker = 3\n", "speaker 1"),
        ("speaker = [\n", "TOML"),
    ],
)
def test_a_faulty_file_names_the_key(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "speakers.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(WorkshopError) as caught:
        read_aliases(path)
    assert "speakers.toml" in str(caught.value)
    assert told in str(caught.value)


def test_a_faulty_file_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "speakers.toml"
    path.write_text("speaker = [\n", encoding="utf-8")
    with pytest.raises(WorkshopError):
        write_aliases(path, [])
    assert path.read_text(encoding="utf-8") == "speaker = [\n"


def test_only_decided_names_are_merged() -> None:
    before = Scene(
        lines=[
            Line(name="ARTHUR", text="Ho!"),
            Line(name="Arthur", text="Ho again!", audience=("ARTHUR", "Arthur", "Ben")),
            Line(name="Benny", text="Yes?"),
        ],
        cast={"ARTHUR": "loud", "Arthur": "a king"},
    )
    decided = [Alias(name="Arthur", also=("ARTHUR",), merge=True), Alias(name="Ben", also=("Benny",))]
    (after,) = merged([before], decided)
    assert after.lines == [
        Line(name="Arthur", text="Ho!"),
        Line(name="Arthur", text="Ho again!", audience=("Arthur", "Ben")),
        Line(name="Benny", text="Yes?"),
    ]
    assert after.cast == {"Arthur": "a king"}
