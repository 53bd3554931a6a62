"""`role make`: a written script becomes a trained role at the table, and what can't become one is told before."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.tiny import make_base  # isort: skip  # it sets the number of threads before torch is loaded

from chatroom.roles import check_role, read_role
from chatroom.rooms import read_room
from commands.base import main

ROOM = 'name = "The inn"\nroles = []\n'
TRAINED = "roles/mara/adapter/adapter_model.safetensors"


def script(name: str = "MARA VELL", turns: int = 20) -> str:
    rows = []
    for at in range(turns):
        if at % 10 == 0:
            rows.append(f"INT. LIGHTHOUSE, ROOM {at} - NIGHT\n")
        rows.append(f"TOBIN: Who goes there, and is that the bell, {at}?\n")
        rows.append(f"{name}: Mind the step that is number {at}, the lamp is lit and the sea is near.\n")
    return "\n".join(rows)


def chinese(name: str = "阿灯", turns: int = 12) -> str:
    pairs = (f"老海：第{at}夜了，灯还亮着吗？\n{name}：亮着呢，第{at}级台阶小心些。\n" for at in range(turns))
    return "第一场 灯塔 夜\n\n" + "\n".join(pairs)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny base whose card says that it knows English alone."""
    folder = make_base(tmp_path_factory.mktemp("base"), num_hidden_layers=1)
    (folder / "README.md").write_text("---\nlanguage: en\n---\n# Tiny\n", "utf-8")
    return folder


@pytest.fixture
def world(tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with the base, a room and a script of forty lines."""
    shutil.copytree(base, tmp_path / "models/tiny")
    (tmp_path / "rooms").mkdir()
    (tmp_path / "rooms/inn.toml").write_text(ROOM, "utf-8")
    (tmp_path / "play.txt").write_text(script(), "utf-8")
    for name in ("home", "roles", "rooms", "models"):
        monkeypatch.setenv(f"CHATROOM_{name.upper()}", str(tmp_path / name))
    monkeypatch.setenv("CHATROOM_EMBEDDER", "none")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(*more: str, file: str = "play.txt", name: str = "Mara Vell", base: str = "models/tiny") -> int:
    words = ["role", "make", "mara", "--from", file, f"--as={name}", "--base", base, "--room", "inn"]
    return main([*words, "--epochs", "1", "--kind", "lora", *more])


def refused(capsys: pytest.CaptureFixture[str], world: Path, status: int, parts: Sequence[str]) -> None:
    """That it was told so, and that there is no role."""
    said = capsys.readouterr().err
    assert status == 1
    assert [part for part in parts if part not in said] == []
    assert not (world / "roles/mara").exists()


def test_a_script_becomes_a_seated_role(world: Path) -> None:
    assert make() == 0
    assert check_role(world / "roles/mara", world / "models") == []
    role = read_role(world / "roles/mara", world / "models")
    assert (role.name, role.language) == ("Mara Vell", "en")
    assert (role.adapter is not None, "play" in role.persona) == (True, True)
    assert read_room(world / "rooms/inn.toml").roles == ("mara",)
    assert "the lamp is lit" in (world / "roles/mara/lines.jsonl").read_text("utf-8")


def test_the_same_command_goes_on(world: Path) -> None:
    assert make() == 0
    lines = (world / "roles/mara/lines.jsonl").read_bytes()
    (world / "roles/mara/persona.md").write_text("Keeper of the light.\n", "utf-8")
    assert make() == 0
    assert (world / "roles/mara/persona.md").read_text("utf-8") == "Keeper of the light.\n"
    assert (world / "roles/mara/lines.jsonl").read_bytes() == lines
    assert (world / TRAINED).is_file()
    assert read_room(world / "rooms/inn.toml").roles == ("mara",)


def test_a_run_stopped_after_reading_goes_on(world: Path) -> None:
    assert main(["corpus", "read", "play.txt", "--role", "mara"]) == 0
    (world / "roles/.mara.part/wiki").mkdir(parents=True)  # the writing of the folder was cut off
    assert make() == 0
    assert (world / TRAINED).is_file()
    assert [path.name for path in (world / "roles").iterdir()] == ["mara"]


def test_nobody_of_that_name_tells_the_nearest(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused(capsys, world, make(name="Mara Well"), ["nobody called 'Mara Well'", "did you mean 'MARA VELL'?"])


def test_a_stranger_is_told_who_speaks(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused(capsys, world, make(name="夜行者"), ["who says most there: ", "MARA VELL", "TOBIN"])


def test_unreadable_material_is_told(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused(capsys, world, make(file="missing.txt"), ["--from: nobody speaks in the material", "corpus formats"])


def test_chinese_on_an_english_base_needs_insisting(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (world / "灯塔.txt").write_bytes(chinese().replace("\n", "\r\n").encode("gb18030"))
    parts = ["models/tiny: it knows en, and the material is in 'zh'", "--base models/NAME", "--anyway"]
    refused(capsys, world, make(file="灯塔.txt", name="阿灯"), parts)
    assert make("--anyway", file="灯塔.txt", name="阿灯") == 0
    role = read_role(world / "roles/mara", world / "models")
    assert (role.language, role.persona) == ("zh", "阿灯，出自《灯塔》。")
    assert (world / TRAINED).is_file()


def test_a_role_of_others_stays(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["role", "new", "mara", "--name", "Mara Vell"]) == 0
    before = {path: path.read_bytes() for path in (world / "roles").rglob("*") if path.is_file()}
    assert make() == 1
    assert "there is such a role already" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in (world / "roles").rglob("*") if path.is_file()} == before


def test_another_name_makes_no_same_role(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["role", "new", "mara", "--name", "Somebody"]) == 0
    assert main(["corpus", "read", "play.txt", "--role", "mara"]) == 0
    assert make() == 1
    assert "there is such a role already" in capsys.readouterr().err
    assert not (world / TRAINED).exists()


def test_a_taken_name_is_told_before_reading(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (world / "models/hearth").symlink_to(world / "models/tiny")
    assert main(["role", "new", "keeper", "--name", "mara vell"]) == 0
    refused(capsys, world, make(), ["the role 'keeper' is called 'mara vell' too"])


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        (["--room", "in"], "rooms/in.toml: there is no such room (did you mean 'inn'?)"),
        (["--base", "models/none"], "models/none: there is no base in this folder"),
        (["--persona", "who.txt"], "who.txt: it can't be read: No such file"),
        (["--persona", "."], ".: it can't be read"),
        (["--persona", "bytes.bin"], "bytes.bin: it can't be read"),
        (["--persona", "blank.txt"], "blank.txt: it is empty"),
        (["--wiki", "pages"], "pages: there is no such file"),
        (["--language", "Klingon!"], "--language"),
        (["--as", "Mara: Vell"], "--as: the name has a colon"),
        (["--columns", "voice=A"], "--columns: 'voice=A' can't be used"),
    ],
)
def test_wrong_flags_are_told_before_reading(
    world: Path, capsys: pytest.CaptureFixture[str], flags: list[str], part: str
) -> None:
    (world / "bytes.bin").write_bytes(bytes(range(32)) * 100)
    (world / "blank.txt").write_text(" \n", "utf-8")
    refused(capsys, world, make(*flags), [part])
    assert not (world / "home/workshop/mara/scenes.jsonl").exists()


@pytest.mark.parametrize("flags", [["--epochs", "none"], ["--kind", "huge"], ["--minutes=-1"], ["--seeds", "a"]])
def test_flags_of_later_stages_are_checked_first(world: Path, flags: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        make(*flags)
    assert ended.value.code == 2
    assert not (world / "home").exists()


def test_width_and_merged_names_still_match(world: Path) -> None:
    text = script("ＭＡＲＡ").replace("ＭＡＲＡ: Mind the step that is number 1,", "KEEPER: Mind the step, 1,")
    (world / "play.txt").write_text(text, "utf-8")
    speakers = '[[speaker]]\nname = "ＭＡＲＡ"\nalso = ["KEEPER"]\nmerge = true\n'
    (world / "speakers.toml").write_text(speakers, "utf-8")
    (world / "who.txt").write_bytes("她看守灯塔，从不下山。\r\n她说话很少。".encode("gb18030"))
    assert make("--speakers", "speakers.toml", "--persona", "who.txt", name="Keeper", base="tiny") == 0
    role = read_role(world / "roles/mara", world / "models")
    assert (role.name, role.persona) == ("Keeper", "她看守灯塔，从不下山。\n她说话很少。")
    assert 'base = "models/tiny"' in (world / "roles/mara/role.toml").read_text("utf-8")
    assert len((world / "roles/mara/lines.jsonl").read_text("utf-8").splitlines()) >= 15


def test_documents_given_are_searchable(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (world / "bell.md").write_text("# The bell\n\nThe drowned bell was cast in Harrow in 1702.\n", "utf-8")
    assert make("--wiki", "bell.md") == 0
    capsys.readouterr()
    assert main(["knowledge", "search", "mara", "where was the drowned bell cast"]) == 0
    assert "Harrow" in capsys.readouterr().out
