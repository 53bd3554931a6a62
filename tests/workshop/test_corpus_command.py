"""`corpus read`, `speakers` and `formats` as a user types them: what is shown, what is kept, what is told."""

from pathlib import Path

import pytest

from commands.base import main
from finetune.reading import formats, read_scenes_file
from finetune.speakers.aliases import read_aliases

CHAT = """\
12/31/23, 9:15 PM - Lena Vogel: Call me on 138 0013 8000
12/31/23, 9:16 PM - Omar: Or write to lena.vogel@mail.example
12/31/23, 9:17 PM - Lena Vogel: See you at the mill
"""
PLAY = """\
第一场 灯塔 夜

阿灯：老海，灯亮了。
老海：我看见了。
阿灯儿：我也来了。
老海（大声）：都上来吧！
阿灯：小心台阶。
老海：知道了。
"""
TABLE = "who,said,part\nMara,Mind the step.,1\n,,\nTobin,Which step?,1\nMara,The third one.,1\nTobin,Thank you.,1\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a chat, a play and a table, where the user is."""
    for name in ("home", "roles", "rooms", "models"):
        monkeypatch.setenv(f"CHATROOM_{name.upper()}", str(tmp_path / name))
    monkeypatch.chdir(tmp_path)
    for name, text in (("chat.txt", CHAT), ("play.txt", PLAY), ("table.csv", TABLE)):
        (tmp_path / name).write_text(text, "utf-8")
    return tmp_path


def read(*words: str) -> list[tuple[str, str]]:
    """The lines that a reading of these files keeps."""
    assert main(["corpus", "read", *words, "--out", "kept.jsonl"]) == 0
    return [(line.name, line.text) for scene in read_scenes_file(Path("kept.jsonl")) for line in scene.lines]


def rows(text: str) -> list[list[str]]:
    return [row.split() for row in text.splitlines()]


def test_a_reading_shows_what_was_found(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpus", "read", "play.txt", "--role", "adeng"]) == 0
    shown = capsys.readouterr().out
    assert ["play.txt", "screenplay", "1", "6", "0"] in [row[:5] for row in rows(shown)]
    assert ["老海", "3"] in rows(shown)
    assert len(read_scenes_file(home / "home/workshop/adeng/scenes.jsonl")[0].lines) == 6


def test_what_is_skipped_is_told_with_reasons(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "notes.xyz").write_text("nothing that is known", "utf-8")
    table = TABLE.replace("Tobin,Which step?,1", "Tobin,,1")
    (home / "table.csv").write_text(table, "utf-8")
    read("table.csv", "notes.xyz", "missing.txt", "--columns", "speaker=who,text=said,scene=part")
    shown = capsys.readouterr().out
    assert "skipped: table.csv: " in shown
    assert "not read: notes.xyz: .xyz: only these are read" in shown
    assert "not read: missing.txt" in shown


def test_material_without_scenes_ends_badly(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpus", "read", "missing.txt"]) == 1
    assert "not read: missing.txt" in capsys.readouterr().out


def test_a_chat_is_scrubbed_by_default(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = str(read("chat.txt"))
    assert ("138 0013" in texts, "lena.vogel@" in texts, "See you at the mill" in texts) == (False, False, True)
    shown = capsys.readouterr()
    assert "taken out: mail 1 (1 different); phone 1 (1 different)" in shown.out
    assert "138 0013" not in shown.out + shown.err


def test_a_chat_stays_whole_on_request(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ("Lena Vogel", "Call me on 138 0013 8000") in read("chat.txt", "--no-scrub")
    assert "taken out" not in capsys.readouterr().out


def test_a_script_is_scrubbed_on_request_only(home: Path) -> None:
    (home / "play.txt").write_text(PLAY.replace("我看见了", "打13800138000"), "utf-8")
    assert "13800138000" in str(read("play.txt"))
    assert "13800138000" not in str(read("play.txt", "--scrub"))


def test_a_hidden_name_is_shown_nowhere(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "Vogel" not in str(read("chat.txt", "--hide", "Lena Vogel"))
    assert "Vogel" not in capsys.readouterr().out


def test_only_what_was_decided_is_merged(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tables = '[[speaker]]\nname = "阿灯"\nalso = ["阿灯儿"]\nmerge = {}\n'
    (home / "speakers.toml").write_text(tables.format("false"), "utf-8")
    assert {name for name, _ in read("play.txt", "--speakers", "speakers.toml")} == {"阿灯", "阿灯儿", "老海"}
    (home / "speakers.toml").write_text(tables.format("true"), "utf-8")
    capsys.readouterr()
    assert {name for name, _ in read("play.txt", "--speakers", "speakers.toml")} == {"阿灯", "老海"}
    shown = capsys.readouterr().out
    assert "one speaker: 阿灯 = 阿灯儿" in shown
    assert ["阿灯", "3"] in rows(shown)


def test_decisions_on_the_bench_are_followed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["corpus", "read", "play.txt", "--role", "adeng"]
    bench = home / "home/workshop/adeng"
    assert main(words) == 0
    assert "decide in" in capsys.readouterr().err
    assert "阿灯儿" in (bench / "scenes.jsonl").read_text("utf-8")
    decided = (bench / "speakers.toml").read_text("utf-8").replace("merge = false", "merge = true")
    (bench / "speakers.toml").write_text(decided, "utf-8")
    assert main(words) == 0
    names = {line.name for scene in read_scenes_file(bench / "scenes.jsonl") for line in scene.lines}
    assert names == {"阿灯", "老海"}


def test_speakers_are_proposed_and_not_merged(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpus", "speakers", "play.txt"]) == 0
    [alias] = read_aliases(home / "speakers.toml")
    assert (alias.name, alias.also, alias.merge) == ("阿灯", ("阿灯儿",), False)
    assert "阿灯 = 阿灯儿?" in capsys.readouterr().out
    (home / "speakers.toml").write_text('[[speaker]]\nname = "老海"\nalso = ["阿灯儿"]\nmerge = false\n', "utf-8")
    assert main(["corpus", "speakers", "play.txt"]) == 0
    assert [alias.name for alias in read_aliases(home / "speakers.toml")] == ["老海"]


@pytest.mark.parametrize("told", ["speaker=who,text=said", "speaker＝who，text＝said", " Speaker = who, text = said ,"])
def test_columns_may_be_full_width(home: Path, told: str) -> None:
    (home / "table.csv").write_text(TABLE.replace("who,", "编号,who,").replace("\n", "\n7,", 5), "utf-8")
    assert read("table.csv", "--format", "table", "--columns", told)[0] == ("Mara", "Mind the step.")


@pytest.mark.parametrize("told", ["speaker", "speaker=", "voice=who", "text said"])
def test_unusable_columns_are_named(home: Path, capsys: pytest.CaptureFixture[str], told: str) -> None:
    assert main(["corpus", "read", "table.csv", "--columns", told]) == 1
    assert f"error: --columns: {told!r} can't be used (write speaker=…," in capsys.readouterr().err


@pytest.mark.parametrize("id_", ["../out", "A", "a/b", "."])
def test_scenes_stay_on_their_bench(home: Path, capsys: pytest.CaptureFixture[str], id_: str) -> None:
    before = set(home.rglob("*"))
    assert main(["corpus", "read", "play.txt", "--role", id_]) == 1
    assert "this can't be the id of a role" in capsys.readouterr().err
    assert set(home.rglob("*")) == before


def test_an_unknown_format_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpus", "read", "play.txt", "--format", "screenplan"]) == 1
    assert "screenplay" in capsys.readouterr().err


def test_every_format_is_listed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpus", "formats"]) == 0
    listed = [row[0] for row in rows(capsys.readouterr().out)]
    assert listed == ["FORMAT", *formats()]
    assert {"screenplay", "wechat", "novel"} <= set(listed)
