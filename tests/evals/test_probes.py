"""A file of probes says what is asked and expected, and a fault in it is named by file and line."""

from pathlib import Path

import pytest

from evals.probes import KINDS, LARGEST, Probe, read_probes
from finetune.errors import WorkshopError

ROOT = Path(__file__).parents[2]


def read(tmp_path: Path, text: str | bytes) -> list[Probe]:
    path = tmp_path / "mara.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_probes(path)


def test_a_probe_has_lines_kind_and_marks(tmp_path: Path) -> None:
    text = "# fact\n\nAnn: Hello.\nMara Vell: Evening.\nAnn: How many stairs?\n= 142 | Hundred and forty-two\n- 140\n"
    (probe,) = read(tmp_path, text)
    assert [(line.name, line.text) for line in probe.heard][1:] == [
        ("Mara Vell", "Evening."),
        ("Ann", "How many stairs?"),
    ]
    assert (probe.role, probe.kind, probe.place) == ("mara", "fact", "mara.txt, line 7")
    assert (probe.wanted, probe.unwanted) == (("142", "hundred and forty-two"), ("140",))


def test_a_kind_holds_until_the_next(tmp_path: Path) -> None:
    probes = read(tmp_path, "Ann: One.\n\n# unknown\nAnn: Two.\n\nAnn: Three.\n# strange\nAnn: Four.")
    assert [probe.kind for probe in probes] == ["talk", "unknown", "unknown", "strange"]


def test_marks_do_not_reach_the_next_probe(tmp_path: Path) -> None:
    _, second = read(tmp_path, "Ann: One.\n= one\n\nAnn: Two.")
    assert second.wanted == ()


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_chinese_probes_are_read(tmp_path: Path, codec: str) -> None:
    text = "# fact\r\n\r\n老海：今夜的灯还亮着吗，阿灯？\r\n= 亮着 ｜ 还亮\r\n"
    (probe,) = read(tmp_path, text.encode(codec))
    assert (probe.heard[0].name, probe.heard[0].text) == ("老海", "今夜的灯还亮着吗，阿灯？")
    assert probe.wanted == ("亮着", "还亮")


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        ("Ann: Hi.\n\nshe waves", "line 3", "no line of a probe"),
        ("Ann:\n", "line 1", "no line of a probe"),
        ("\n# question\n", "line 2", "there is no kind 'question'"),
        ("= one\n\nAnn: Hi.", "line 2", "nobody says anything"),
        ("= one", "line 2", "nobody says anything"),
        ("= one\n# fact\n", "line 2", "nobody says anything"),
        ("Ann: Hi.\n= |\n", "line 2", "names nothing"),
        ("Ann: Hi.\n-\n", "line 2", "names nothing"),
        ("Ann: Hi.\n= one\n= two", "line 3", "already"),
    ],
)
def test_a_fault_is_named_by_its_line(tmp_path: Path, text: str, place: str, problem: str) -> None:
    with pytest.raises(WorkshopError) as raised:
        read(tmp_path, text)
    assert raised.value.what == f"mara.txt, {place}"
    assert problem in raised.value.problem
    assert raised.value.remedy


@pytest.mark.parametrize("data", [b"\x00\x01\x02" * 50, b"\x89PNG\r\n\x1a\n" + bytes(range(256)), b"\xff" * 9])
def test_what_is_no_text_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(WorkshopError, match=r"mara\.txt"):
        read(tmp_path, data)


@pytest.mark.parametrize("row", ["a" * 2_000_000, "# " + "k" * 1_000_000, "- " + "|" * 1_000_000], ids=range(3))
def test_endless_lines_end_in_short_words(tmp_path: Path, row: str) -> None:
    with pytest.raises(WorkshopError) as raised:
        read(tmp_path, row)
    assert len(str(raised.value)) < 400


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(WorkshopError, match="bytes"):
        read(tmp_path, b"\n" * (LARGEST + 1))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WorkshopError, match=r"ilse\.txt"):
        read_probes(tmp_path / "ilse.txt")


@pytest.mark.parametrize("path", sorted((ROOT / "evals/probes").glob("*.txt")), ids=lambda path: path.stem)
def test_bundled_probes_are_sound(path: Path) -> None:
    probes = read_probes(path)
    assert {probe.kind for probe in probes} == set(KINDS)
    assert len({probe.heard for probe in probes}) == len(probes), "no probe twice"
    assert [probe.place for probe in probes if probe.kind == "fact" and not probe.wanted] == []
