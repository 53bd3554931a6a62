"""Encodings are told apart by the bytes; damage costs characters, never a page; memory is bounded by the line."""

import codecs
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.encodings import decode, encoding_of, read_lines, read_text
from knowledge.errors import UnreadableError
from knowledge.sources.base import SourceFile

ENGLISH = "The light at Saltmere has stood on its rock for a hundred and forty-two years.\n"
CHINESE = "灯塔在岩石上已经矗立了一百四十二年，没有人记得是谁建造的。玛拉说：“小心第三级台阶。”\n"
TRADITIONAL = "燈塔在岩石上已經矗立了一百四十二年，沒有人記得是誰建造的。瑪拉說：「小心第三級臺階。」\n"
QUOTED = "“It’s lit,” said Mara — “don’t touch the café’s lamp.”\n"


def source(tmp_path: Path, data: bytes) -> tuple[SourceFile, list[tuple[str, str]]]:
    told: list[tuple[str, str]] = []
    (tmp_path / "a.txt").write_bytes(data)
    file = SourceFile(name="a.txt", path=tmp_path / "a.txt", skip=lambda place, problem: told.append((place, problem)))
    return file, told


@pytest.mark.parametrize("text", [ENGLISH, CHINESE, TRADITIONAL, QUOTED, ENGLISH + CHINESE])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gb18030"])
def test_text_survives_every_encoding(text: str, encoding: str) -> None:
    if (text, encoding) != (QUOTED, "gb18030"):  # a few signs only: nothing tells it from Windows-1252
        assert decode(text.encode(encoding)) == text


def test_big_endian_mark_is_understood() -> None:
    assert decode(codecs.BOM_UTF16_BE + CHINESE.encode("utf-16-be")) == CHINESE


def test_curly_quotes_of_windows_survive() -> None:
    assert decode(QUOTED.encode("cp1252")) == QUOTED


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16-le"])
def test_cut_head_keeps_its_verdict(encoding: str) -> None:
    data = (CHINESE * 3).encode(encoding)
    assert {encoding_of(data[:end]) for end in range(40, len(data))} == {encoding}


@given(st.text(alphabet=st.characters(codec="utf-8", categories=("L", "N", "P", "Zs")), min_size=1))
def test_valid_unicode_is_never_changed(text: str) -> None:
    assert decode(text.encode("utf-8")) == text.removeprefix("\ufeff")


def test_late_chinese_is_still_found(tmp_path: Path) -> None:
    text = ENGLISH * 2_000 + CHINESE
    file, told = source(tmp_path, text.encode("gb18030"))
    assert read_text(file) == text
    assert list(read_lines(file))[-1] == (2_001, CHINESE.strip())
    assert told == []


def test_damaged_bytes_cost_only_themselves(tmp_path: Path) -> None:
    data = (CHINESE * 10).encode()
    file, told = source(tmp_path, data[:400] + b"\xff\xfe" + data[400:])
    read = read_text(file)
    before, lost, after = read.partition("\ufffd")
    assert lost
    assert (CHINESE * 10).startswith(before)
    assert (CHINESE * 10).endswith(after.rpartition("\ufffd")[2])
    assert read.count("\ufffd") < 6
    assert [place for place, _ in told] == [f"line {data[:400].count(10) + 1}"]
    told.clear()
    assert "\n".join(line for _, line in read_lines(file)) == read.rstrip("\n")
    assert len(told) == 1


def test_truncated_end_costs_one_character(tmp_path: Path) -> None:
    file, told = source(tmp_path, CHINESE.strip().encode("gb18030")[:-1])
    assert read_text(file) == CHINESE.strip()[:-1] + "\ufffd"
    assert len(told) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n" + bytes(40),
        b"PK\x03\x04" + bytes(range(256)) * 4,
        b"\0",
        b"text and \0 a NUL",
        ENGLISH.encode("utf-32"),
        CHINESE.encode("utf-32-le"),
    ],
)
def test_binary_data_is_refused(data: bytes, tmp_path: Path) -> None:
    file, _ = source(tmp_path, data)
    with pytest.raises(ValueError, match="not text"):
        decode(data)
    with pytest.raises(UnreadableError, match=r"a\.txt: it is not text"):
        read_text(file)
    with pytest.raises(UnreadableError, match=r"a\.txt: it is not text"):
        list(read_lines(file))


@pytest.mark.parametrize("encoding", ["big5", "koi8-r"])
def test_unknown_encoding_names_the_remedy(encoding: str) -> None:
    text = TRADITIONAL if encoding == "big5" else "Маяк стоял на скале уже сто сорок лет, и никто его не помнил. " * 5
    with pytest.raises(ValueError, match="save it as UTF-8"):
        decode(text.encode(encoding, "ignore"))


def test_every_newline_becomes_one(tmp_path: Path) -> None:
    file, _ = source(tmp_path, b"one\r\ntwo\rthree\n\nfive")
    assert read_text(file) == "one\ntwo\nthree\n\nfive"
    assert list(read_lines(file)) == [(1, "one"), (2, "two"), (3, "three"), (4, ""), (5, "five")]


def test_larger_file_names_the_limit(tmp_path: Path) -> None:
    file, _ = source(tmp_path, b"x" * 2_000_001)
    assert len(read_text(file, largest=2_000_001)) == 2_000_001
    with pytest.raises(UnreadableError, match="larger than 2 MB"):
        read_text(file, largest=2_000_000)


def test_long_line_is_passed_over(tmp_path: Path) -> None:
    file, told = source(tmp_path, b"short\n" + b"x" * 11 + b"\n" + b"y" * 10 + b"\n" + "灯".encode() * 10 + b"\nend")
    assert list(read_lines(file, longest=10)) == [(1, "short"), (3, "y" * 10), (4, "灯" * 10), (5, "end")]
    assert told == [("line 2", "it is longer than 10 characters")]


def test_long_line_is_never_held(tmp_path: Path) -> None:
    file, told = source(tmp_path, b"")
    with file.path.open("wb") as stream:
        stream.write(b"one\n")
        for _ in range(40):
            stream.write(b"x" * 1_000_000)
        stream.write(b"\ntwo\n")
    tracemalloc.start()
    try:
        lines = list(read_lines(file, longest=1_000_000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (lines, len(told)) == ([(1, "one"), (3, "two")], 1)
    assert peak < 8_000_000
