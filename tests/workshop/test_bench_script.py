"""The script of the workshop's benchmark: it is read to the last line, and it is what its own header says."""

import re
from collections import Counter
from pathlib import Path

import pytest

from finetune.dialogue import Line
from finetune.reading import Reading, read_corpus

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "workshop" / "lamplighters.txt"
LEAD = "MRS. PELLOW"
SPOKEN = re.compile(r"(?P<name>[A-Z][A-Z. ]+): (?P<words>.+)")


@pytest.fixture(scope="module")
def text() -> str:
    return SCRIPT.read_text("utf-8")


@pytest.fixture(scope="module")
def reading() -> Reading:
    return read_corpus([SCRIPT])


def lines_of(reading: Reading) -> list[Line]:
    return [line for scene in reading.scenes for line in scene.lines]


def written(text: str) -> list[tuple[str, str]]:
    """Who says what on the page, the narrator with them."""
    return [(found["name"], found["words"]) for found in map(SPOKEN.fullmatch, text.splitlines()) if found]


def test_the_script_reads_without_a_skipped_line(reading: Reading) -> None:
    (file,) = reading.report.files
    assert (file.format, file.error) == ("screenplay", "")
    assert (file.skipped, file.notes) == ((), ())


def test_every_line_is_said_by_whom_the_page_says(text: str, reading: Reading) -> None:
    said = [(line.name, line.text) for line in lines_of(reading) if line.name]
    assert said == [(name, words) for name, words in written(text) if name != "NARRATOR"]
    narrated = {line.text for line in lines_of(reading) if not line.name}
    assert [words for name, words in written(text) if name == "NARRATOR" and words not in narrated] == []


def test_numbers_are_as_the_header_says(text: str, reading: Reading) -> None:
    header = text.splitlines()[0]
    scenes, spoken, speakers = map(int, re.findall(r"(\d+) (?:scenes|spoken lines|speakers)", header))
    told = {name: int(number) for name, number in re.findall(r"([A-Z][A-Z. ]+) (\d+)", header)}
    counted = Counter(line.name for line in lines_of(reading) if line.name)
    assert counted == told
    assert (counted.total(), len(counted)) == (spoken, speakers)
    assert sum(bool(scene.title) for scene in reading.scenes) == scenes


def test_it_is_large_enough_to_measure_by(reading: Reading) -> None:
    counted = Counter(line.name for line in lines_of(reading) if line.name)
    assert 330 <= counted.total() <= 360
    assert (len(counted), counted[LEAD] >= 120) == (6, True)
    assert len(reading.scenes) >= 12


def test_the_lead_has_a_voice_of_her_own(text: str) -> None:
    lambs = Counter(name for name, words in written(text) if "my lamb" in words)
    assert lambs[LEAD] == sum(name == LEAD for name, _ in written(text))
    assert lambs.keys() == {LEAD}
