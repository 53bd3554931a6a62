"""Dialogue tables: whatever they are stored in, every row becomes a line or is told."""

import csv
import io
import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finetune.corpora import table
from finetune.corpora.base import CorpusFile, Head, Options
from finetune.dialogue import Scene
from knowledge.encodings import decode
from knowledge.errors import UnreadableError

Told = list[tuple[str, str]]

GAME = """Character Name,Dialogue
Orrin,"Halt! Who goes there?"
Sella,"It's me, you fool. ""Halt"", indeed."
,The gate creaks open.
Orrin,"Come in, then.
Mind the step."
"""


def read(path: Path, data: bytes | str, columns: Mapping[str, str] | None = None) -> tuple[list[Scene], Told, Told]:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    skipped: Told = []
    noted: Told = []
    file = CorpusFile(
        name=path.name,
        path=path,
        skip=lambda place, reason: skipped.append((place, reason)),
        note=lambda place, what: noted.append((place, what)),
        options=Options(columns=columns or {}),
    )
    return list(table.read(file)), skipped, noted


def said(scenes: Sequence[Scene]) -> list[tuple[str, str]]:
    return [(line.name, line.text) for scene in scenes for line in scene.lines]


def head(suffix: str, data: bytes | str) -> Head:
    data = data.encode() if isinstance(data, str) else data
    return Head(suffix=suffix, data=data, text="" if b"\0" in data[:20] else decode(data))


def database(path: Path, *statements: str) -> bytes:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    return path.read_bytes()


def test_a_game_table_keeps_every_word(tmp_path: Path) -> None:
    scenes, skipped, noted = read(tmp_path / "gate.csv", GAME)
    assert said(scenes) == [
        ("Orrin", "Halt! Who goes there?"),
        ("Sella", 'It\'s me, you fool. "Halt", indeed.'),
        ("", "The gate creaks open."),
        ("Orrin", "Come in, then.\nMind the step."),
    ]
    assert scenes[0].source == "gate.csv, line 2"
    assert (skipped, noted) == ([], [])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_chinese_table_reads_in_any_encoding(tmp_path: Path, encoding: str, end: str) -> None:
    rows = [
        "场景,角色,台词",
        "城门,守卫,站住，来者何人？",
        "城门,阿宁,是我，开门吧。",
        ",守卫,请进。",
        "酒馆,阿宁,来一壶热茶。",
    ]
    scenes, skipped, _ = read(tmp_path / "表.csv", (end.join(rows) + end).encode(encoding))
    assert [(scene.title, len(scene.lines)) for scene in scenes] == [("城门", 3), ("酒馆", 1)]
    assert said(scenes)[2] == ("守卫", "请进。")
    assert skipped == []


@pytest.mark.parametrize("separator", [",", "\t", ";", "|"])
def test_the_separator_is_told_by_the_text(tmp_path: Path, separator: str) -> None:
    rows = [["id", "Speaker", "Text"], ["1", "Ann", "Well, well; a | b"], ["2", "Bo", 'say "x"\tnow']]
    out = io.StringIO()
    csv.writer(out, delimiter=separator).writerows(rows)
    scenes, skipped, _ = read(tmp_path / "a.csv", out.getvalue())
    assert said(scenes) == [("Ann", "Well, well; a | b"), ("Bo", 'say "x"\tnow')]
    assert skipped == []


def test_a_spreadsheets_separator_line_is_obeyed(tmp_path: Path) -> None:
    scenes, _, _ = read(tmp_path / "a.csv", "sep=;\nspeaker;text\nAnn;one, two\n")
    assert said(scenes) == [("Ann", "one, two")]


def test_scene_numbers_within_episodes_are_apart(tmp_path: Path) -> None:
    data = "episode\tscene\tcharacter\tline\n1\t1\tA\ta\n1\t2\tA\tb\n2\t2\tA\tc\n"
    scenes, _, _ = read(tmp_path / "a.tsv", data)
    assert [scene.title for scene in scenes] == ["1 · 1", "1 · 2", "2 · 2"]


def test_columns_may_be_named_by_the_user(tmp_path: Path) -> None:
    data = "wer,was,wo,hört\nAnn,Hallo,Haus,Bo；Cy\nBo,Ja,Hof,\n"
    given = {"speaker": "wer", "text": "WAS", "scene": "wo", "audience": "hört"}
    scenes, _, _ = read(tmp_path / "a.csv", data, given)
    assert said(scenes) == [("Ann", "Hallo"), ("Bo", "Ja")]
    assert [scene.title for scene in scenes] == ["Haus", "Hof"]
    assert [line.audience for scene in scenes for line in scene.lines] == [("Bo", "Cy"), None]


def test_an_unknown_header_lists_its_columns(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match=r"a\.csv.*wer, was, wo.*--columns speaker=…,text=…"):
        read(tmp_path / "a.csv", "wer,was,wo\nAnn,Hallo,Haus\n")


def test_a_wrong_column_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="no column 'nobody'"):
        read(tmp_path / "a.csv", GAME, {"speaker": "nobody"})


def test_a_table_without_header_is_noted(tmp_path: Path) -> None:
    data = 'Ann,Hello there.\nBo,Hi.\nAnn,How are you?\nBo,"Fine, thanks."\n'
    scenes, _, noted = read(tmp_path / "a.csv", data)
    assert len(said(scenes)) == 4
    assert [place for place, _ in noted] == ["line 1"]


def test_columns_may_be_given_by_number(tmp_path: Path) -> None:
    scenes, _, _ = read(tmp_path / "a.csv", "1,Ann,Hello\n2,Bo,Hi\n", {"speaker": "2", "text": "3"})
    assert said(scenes) == [("Ann", "Hello"), ("Bo", "Hi")]


def test_rows_of_a_wrong_width_are_told(tmp_path: Path) -> None:
    data = "name,text,mood\nAnn,one,calm\nBo,two\nCy,three, four,sad\nDi\n,,\nEd,,\n"
    scenes, skipped, noted = read(tmp_path / "a.csv", data)
    assert said(scenes) == [("Ann", "one"), ("Bo", "two")]
    assert [place for place, _ in skipped] == ["line 4", "line 5", "line 6", "line 7"]
    assert ("line 3", "it has fewer cells than the header") in noted


def test_a_last_column_keeps_its_unquoted_commas(tmp_path: Path) -> None:
    scenes, skipped, noted = read(tmp_path / "a.csv", "name,text\nAnn,one, two, three\n")
    assert said(scenes) == [("Ann", "one, two, three")]
    assert skipped == []
    assert len(noted) == 1


@pytest.mark.parametrize("after", [3, 3000])
def test_an_open_quotation_costs_only_itself(tmp_path: Path, after: int) -> None:
    data = 'name,text\nAnn,"never closed\n' + "".join(f"Bo,row {n}\n" for n in range(after))
    scenes, skipped, noted = read(tmp_path / "a.csv", data)
    assert said(scenes) == [("Ann", '"never closed'), *(("Bo", f"row {n}") for n in range(after))]
    assert (skipped, [place for place, _ in noted]) == ([], ["line 2"])


def test_open_quotations_keep_their_rows_apart(tmp_path: Path) -> None:
    data = "name,text\n" + "".join(f'A{n},"open {n}\n' for n in range(3000))
    scenes, skipped, noted = read(tmp_path / "a.csv", data)
    assert said(scenes) == [(f"A{n}", f'"open {n}') for n in range(3000)]
    assert (skipped, len(noted) > 0) == ([], True)


def test_a_quotation_within_a_cell_is_kept(tmp_path: Path) -> None:
    scenes, skipped, _ = read(tmp_path / "a.csv", 'name,text\nAnn,"Halt" she said\nBo,He said "no" to me\n')
    assert said(scenes) == [("Ann", '"Halt" she said'), ("Bo", 'He said "no" to me')]
    assert skipped == []


def test_marks_within_quoted_cells_are_letters(tmp_path: Path) -> None:
    data = '"name","text"\n"Ann","He said "no", twice"\nBo,"a "b" c"\n"Cy","fine"\n'
    scenes, skipped, noted = read(tmp_path / "a.csv", data)
    assert said(scenes) == [("Ann", 'He said "no", twice'), ("Bo", 'a "b" c'), ("Cy", "fine")]
    assert (skipped, [place for place, _ in noted]) == ([], ["line 2", "line 3"])


def test_blank_lines_within_a_cell_stay(tmp_path: Path) -> None:
    scenes, _, _ = read(tmp_path / "a.csv", 'name,text\n\nAnn,"one\n\ntwo"\n')
    assert said(scenes) == [("Ann", "one\n\ntwo")]
    assert scenes[0].source == "a.csv, line 3"


def test_a_huge_cell_is_told(tmp_path: Path) -> None:
    scenes, skipped, _ = read(tmp_path / "a.csv", f"name,text\nAnn,{'x' * 300_000}\nBo,hi\n")
    assert said(scenes) == [("Bo", "hi")]
    assert [place for place, _ in skipped] == ["line 2"]


@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_json_rows_read_like_a_table(tmp_path: Path, suffix: str) -> None:
    rows = [
        {"角色": "阿宁", "台词": "你好", "章节": 1},
        {"台词": "风起。"},
        {"角色": "老七", "台词": 7, "章节": 2},
        {"角色": "x"},
    ]
    data = json.dumps(rows) if suffix == ".json" else "\n".join(map(json.dumps, rows))
    scenes, skipped, _ = read(tmp_path / f"a{suffix}", data)
    assert said(scenes) == [("阿宁", "你好"), ("", "风起。"), ("老七", "7")]
    assert [scene.title for scene in scenes] == ["1", "2"]
    assert len(skipped) == 1


@pytest.mark.parametrize("suffix", [".db", ".sqlite", ".sqlite3"])
def test_a_database_gives_its_dialogue_table(tmp_path: Path, suffix: str) -> None:
    data = database(
        tmp_path / "made",
        "CREATE TABLE info (version TEXT)",
        "CREATE TABLE says (id INTEGER PRIMARY KEY, episode INT, Speaker TEXT, Text TEXT)",
        "CREATE INDEX by_name ON says (Speaker, Text, episode)",
        "INSERT INTO says VALUES (1, 1, 'Zoe', 'first'), (2, 1, NULL, 'rain')",
        "INSERT INTO says VALUES (3, 2, 'Ann', 'last'), (4, 2, 'Bo', x'00')",
    )
    scenes, skipped, _ = read(tmp_path / f"a{suffix}", data)
    assert said(scenes) == [("Zoe", "first"), ("", "rain"), ("Ann", "last")]
    assert [scene.title for scene in scenes] == ["1", "2"]
    assert skipped == [("table says, row 4", "there is no text in the row")]


def test_a_view_in_a_database_never_runs(tmp_path: Path) -> None:
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x AS speaker, x AS text FROM n"
    data = database(tmp_path / "made", "CREATE TABLE a (b TEXT)", f"CREATE VIEW lines AS {endless}")
    with pytest.raises(UnreadableError, match=r"its tables are a \(b\)"):
        read(tmp_path / "a.db", data)


def test_a_damaged_database_is_named(tmp_path: Path) -> None:
    many = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 3000) SELECT 'A', 'text ' || x FROM n"
    data = database(tmp_path / "made", "CREATE TABLE a (speaker, text)", f"INSERT INTO a {many}")
    broken = data[:4096] + bytes(len(data) - 4096)
    for damaged in (broken, data[:5000], b"SQLite format 3\0" + b"\xff" * 500, b"no database", b""):
        with pytest.raises(UnreadableError, match=r"a\.db"):
            read(tmp_path / "a.db", damaged)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".json", ".jsonl"])
def test_an_empty_file_holds_no_scenes(tmp_path: Path, suffix: str) -> None:
    assert read(tmp_path / f"a{suffix}", "")[0] == []
    assert read(tmp_path / f"b{suffix}", "\n\n  \n")[0] == []


def test_a_table_is_told_by_its_head() -> None:
    assert table.claims(head(".csv", GAME)) > 0.5
    assert table.claims(head(".csv", "a,b,c\n1,2,3\n")) < 0.5
    assert table.claims(head(".json", '[{"speaker": "A", "text": "b"}]')) > 0.5
    assert table.claims(head(".jsonl", '{"speaker": "A", "text": "b", "moods": ["calm"]}')) > 0.5
    assert table.claims(head(".json", '{"name": "Mara", "description": "x", "first_mes": "y", "text": "z"}')) == 0
    assert table.claims(head(".json", '{"entries": {"0": {"key": ["a"], "content": "b"}}}')) == 0
    assert table.claims(head(".json", '{"name": "Ann", "type": "personal_chat", "messages": [{"from": "a"}]}')) == 0


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(st.text(max_size=8), st.text(max_size=20)), min_size=1, max_size=8))
def test_every_written_row_is_read_or_told(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    rows = [(name.encode(errors="ignore").decode(), text.encode(errors="ignore").decode()) for name, text in rows]
    out = io.StringIO()
    csv.writer(out).writerows([("speaker", "text"), *rows])
    try:
        scenes, skipped, _ = read(tmp_path / "a.csv", out.getvalue())
    except UnreadableError:  # too many control characters for a text
        return
    assert len(said(scenes)) + len([place for place, why in skipped if "damaged" not in why]) == len(rows)
    assert all(text.strip() == text != "" and name.strip() == name for name, text in said(scenes))
    assert msgspec.json.decode(msgspec.json.encode(scenes), type=list[Scene]) == scenes


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(tmp_path: Path, data: bytes) -> None:
    for name in ("a.csv", "a.jsonl", "a.json", "a.db"):
        with suppress(UnreadableError):
            assert all(scene.lines for scene in read(tmp_path / name, data)[0])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(flips=st.lists(st.tuples(st.integers(16, 8191), st.integers(0, 255)), min_size=1, max_size=12))
def test_a_flipped_database_is_read_or_refused(tmp_path: Path, flips: list[tuple[int, int]]) -> None:
    made = tmp_path / "made"
    if not made.exists():
        database(made, "CREATE TABLE says (speaker, text)", "INSERT INTO says VALUES ('Ann', 'Hi'), ('Bo', 'Yes')")
    data = bytearray(made.read_bytes())
    for at, byte in flips:
        data[at % len(data)] = byte
    with suppress(UnreadableError):
        assert all(scene.lines for scene in read(tmp_path / "a.db", bytes(data))[0])
