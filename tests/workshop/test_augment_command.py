"""The command that lets a model write more: what it asks about, what it keeps, and that it asks nothing twice."""

from pathlib import Path

import msgspec
import pytest

from commands.base import main
from finetune.dataset.rows import read_rows
from finetune.dialogue import Line, Record
from tests.table import write_role

PAGE = "# The lamp\n\nThe lamp of the tower was lit in the year of the storm, and it has burned every night since.\n"
LINES = [
    Record(context=[Line(name="Wen", text=f"What about number {number}?")], reply=f"Number {number} is long gone, Wen.")
    for number in range(10)
]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A role that knows a page and has said ten things, the last of them held out."""
    folder = write_role(tmp_path / "roles", "mara", extra='[knowledge]\nsources = ["wiki"]')
    (folder / "wiki").mkdir()
    (folder / "wiki" / "lamp.md").write_text(PAGE, "utf-8")
    (folder / "lines.jsonl").write_bytes(msgspec.json.Encoder().encode_lines(LINES))
    for name in ("home", "roles", "rooms", "models"):
        monkeypatch.setenv(f"CHATROOM_{name.upper()}", str(tmp_path / name))
    monkeypatch.setenv("CHATROOM_ENGINE", "scripted")
    return tmp_path


def script(home: Path, *replies: str) -> list[str]:
    """Flags for an engine that gives these replies."""
    path = home / "script.txt"
    path.write_text("\n".join(replies), "utf-8")
    return ["--base", str(path)]


def made(home: Path, task: str) -> list[Record]:
    return list(read_rows(home / "home" / "workshop" / "mara" / "made" / f"{task}.jsonl", Record))


def numbers(text: str) -> dict[str, int]:
    """The table of counts."""
    rows = (line.rsplit(maxsplit=1) for line in text.splitlines())
    return {row[0].strip(): int(row[1]) for row in rows if len(row) == 2 and row[1].isdecimal()}


def test_a_known_page_becomes_exchanges(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = script(home, "Who keeps the light?", "I do, and badly paid I am.")
    assert main(["augment", "mara", "pages", "--count", "1", *flags]) == 0
    (record,) = made(home, "pages")
    assert (record.context[0].name, record.context[0].text) == ("Wen", "Who keeps the light?")
    assert (record.reply, record.made_by) == ("I do, and badly paid I am.", "scripted/script.txt")
    out = capsys.readouterr().out
    assert numbers(out) == {
        "asked for": 1, "asked before": 0, "asked now": 1, "kept": 1, "not usable": 0, "copies": 0
    }  # fmt: skip
    assert out.endswith("next: python launch.py dataset build mara\n")


def test_a_second_command_asks_nothing_twice(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ask = ["augment", "mara", "pages", "--count", "1"]
    assert main([*ask, *script(home, "Who keeps the light?", "I do.")]) == 0
    capsys.readouterr()
    assert main([*ask, *script(home, "!engine_lost it went away")]) == 0
    found = numbers(capsys.readouterr().out)
    assert (found["asked before"], found["asked now"], len(made(home, "pages"))) == (1, 0, 1)


def test_an_engine_that_fails_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["augment", "mara", "pages", *script(home, "!engine_lost it went away")]) == 1
    captured = capsys.readouterr()
    assert "it went away" in captured.err
    assert "goes on from there" in captured.err
    assert "next:" not in captured.out
    assert made(home, "pages") == []


def test_named_pages_replace_known_ones(home: Path) -> None:
    page = home / "港口.txt"
    page.write_bytes("港口的石阶共有九十九级，每一级都刻着一位船长的名字。\r\n".encode("gb18030") * 3)
    assert main(["augment", "mara", "pages", "--from", str(page), "--count", "1"]) == 0
    (record,) = made(home, "pages")
    assert "九十九级" in record.context[0].text


def test_a_page_kept_from_a_role(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    secret = home / "secret.md"
    secret.write_text(f"---\naudience: [Tobin]\n---\n{PAGE}", "utf-8")
    assert main(["augment", "mara", "pages", "--from", str(secret)]) == 1
    assert "no pages to ask about" in capsys.readouterr().err


def test_more_lines_go_further(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = script(home, "Is there soup?", "There is.")
    assert main(["augment", "mara", "lines", "--count", "1", *flags]) == 0
    capsys.readouterr()
    assert main(["augment", "mara", "lines", "--count", "2", *flags]) == 0
    found = numbers(capsys.readouterr().out)
    assert (found["asked for"], found["asked before"], found["asked now"]) == (2, 1, 1)


def test_lines_come_from_the_role_alone(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["augment", "mara", "lines", "--from", "book.txt"]) == 1
    assert "leave --from out" in capsys.readouterr().err


def test_a_book_leads_to_known_lines(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book = home / "book.txt"
    said = "".join(f"Rain fell on the pier.\r\n\r\n“{line.reply.replace(' ', chr(10))}”\r\n\r\n" for line in LINES)
    book.write_text(said, "utf-8")
    ask = ["augment", "mara", "chapters", "--from", str(book)]
    assert main([*ask, "--count", "1", *script(home, "A wet night on the pier.", "Where did it go?")]) == 0
    (record,) = made(home, "chapters")
    assert [line.text for line in record.context] == ["A wet night on the pier.", "Where did it go?"]
    assert record.reply == LINES[0].reply
    assert "9 of its 9 lines" in capsys.readouterr().err


def test_held_out_lines_stay_unseen(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book = home / "book.txt"
    book.write_text(f"“{LINES[9].reply}”\n", "utf-8")
    assert main(["augment", "mara", "chapters", "--from", str(book)]) == 1
    assert "none of its lines" in capsys.readouterr().err


def test_a_missing_book_is_named(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["augment", "mara", "chapters", "--from", str(home / "nowhere.txt")]) == 1
    assert "nowhere.txt" in capsys.readouterr().err


def test_chapters_need_a_book(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["augment", "mara", "chapters"]) == 1
    assert "--from FILE" in capsys.readouterr().err


def test_a_missing_base_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["augment", "mara", "pages", "--base", "models/none"]) == 1
    assert "models/NAME" in capsys.readouterr().err


@pytest.mark.parametrize("count", ["0", "-1", "x", "²"])
def test_a_count_is_a_number(home: Path, count: str) -> None:
    with pytest.raises(SystemExit):
        main(["augment", "mara", "lines", "--count", count])
