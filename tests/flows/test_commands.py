"""The commands as a user types them: each in a process of its own, on a home of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from chatroom import __version__
from chatroom.errors import SettingsError
from chatroom.names import name_fault, name_key
from commands.join import websocket_url
from tests.folders import make_base, make_role

ROOT = Path(__file__).parents[2]
HEAVY = (
    "torch",
    "faiss",
    "sentence_transformers",
    "bm25s",
    "jieba",
    "transformers",
    "peft",
    "textual",
    "websockets",
    "asyncio",
)
COMMANDS = ["room", "serve", "join", "role", "role new", "role check", "role list", "rooms", "rooms new", "rooms seat"]
COMMANDS += ["knowledge", "knowledge build", "knowledge search", "knowledge import", "knowledge stats"]


@pytest.fixture
def world(tmp_path: Path) -> dict[str, str]:
    """Settings of a machine with a base, and neither roles nor rooms."""
    make_base(tmp_path / "models" / "hearth")
    kept = {key: value for key, value in os.environ.items() if not key.startswith("CHATROOM_")}
    places = {f"CHATROOM_{name.upper()}": str(tmp_path / name) for name in ("home", "roles", "rooms", "models")}
    return {**kept, **places, "CHATROOM_PORT": "0", "CHATROOM_ENGINE": "scripted"}


def launch(world: Mapping[str, str], *words: str, said: str = "") -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(ROOT / "launch.py"), *words]
    return subprocess.run(
        command,
        env=world,
        cwd=Path(world["CHATROOM_HOME"]).parent,
        input=said,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_is_light(command: str) -> None:
    code = f"""
import sys
from commands.base import main
try:
    main({[*command.split(), "--help"]!r})
except SystemExit as end:
    print(end.code, *sys.modules, file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    status, *modules = done.stderr.split()
    assert (status, "usage: launch.py" in done.stdout) == ("0", True)
    assert [name for name in modules if name in HEAVY] == []


def test_a_new_role_passes_the_check(world: dict[str, str]) -> None:
    made = launch(world, "role", "new", "wei", "--name", "小薇", "--language", "zh")
    assert (made.returncode, "rooms seat ROOM wei" in made.stdout) == (0, True)
    checked = launch(world, "role", "check", "wei")
    assert (checked.returncode, checked.stdout) == (0, "roles/wei: 小薇 is well\n")
    assert "小薇" in launch(world, "role", "list").stdout


def test_a_new_role_overwrites_nothing(world: dict[str, str]) -> None:
    launch(world, "role", "new", "wei")
    page = Path(world["CHATROOM_ROLES"]) / "wei" / "persona.md"
    page.write_text("Mine.")
    again = launch(world, "role", "new", "wei")
    assert (again.returncode, again.stderr) == (
        1,
        "error: roles/wei: there is such a folder already (choose another id)\n",
    )
    assert page.read_text() == "Mine."


@pytest.mark.parametrize("id_", ["Wei", "../wei", "a b", "-x"])
def test_a_new_role_needs_a_plain_id(world: dict[str, str], id_: str) -> None:
    assert launch(world, "role", "new", "--", id_).returncode == 1


def test_every_fault_is_named_on_screen(world: dict[str, str]) -> None:
    roles = Path(world["CHATROOM_ROLES"])
    make_role(roles / "mara", 'name = "Mara"\n"\\u001b[2Jx" = 1\n[model]\nadapter = "none"\nengine = "scriptd"\n')
    make_role(roles / "ann", 'name = "Ann"\n')
    make_role(roles / "bob", 'name = "ann"\n[model]\nengine = "transformers_pft"\n')
    (roles / "empty").mkdir()
    (roles / "empty" / "persona.md").write_text("Nobody.")
    done = launch(world, "role", "check")
    assert (done.returncode, done.stderr, "\x1b" in done.stdout) == (1, "", False)
    for part in (
        "roles/mara/role.toml: model.adapter: there is no folder 'none'",
        "roles/bob/role.toml: name: the role 'ann' is called 'Ann' too (give one of them another name)",
        "model.engine: there is no engine 'transformers_pft' (did you mean 'transformers_peft'?)",
        "roles/empty/role.toml: it can't be read",
        "roles/ann: Ann is well",
    ):
        assert part in done.stdout


def test_an_unknown_role_names_the_nearest(world: dict[str, str]) -> None:
    launch(world, "role", "new", "mara")
    done = launch(world, "role", "check", "marra")
    assert (done.returncode, done.stderr) == (1, "error: roles/marra: there is no such role (did you mean 'mara'?)\n")


def test_rooms_are_made_seated_and_listed(world: dict[str, str]) -> None:
    for role in ("mara", "tobin"):
        launch(world, "role", "new", role)
    assert launch(world, "rooms", "new", "inn", "--roles", "mara", "--premise", "Rain.").returncode == 0
    assert "tobin sits in inn" in launch(world, "rooms", "seat", "inn", "tobin").stdout
    assert "tobin sat already in inn" in launch(world, "rooms", "seat", "inn", "tobin").stdout
    assert "inn  Inn   mara, tobin  director  well" in launch(world, "rooms", "list").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["new", "bar", "--roles", "marra"], "there is no role 'marra' (did you mean 'mara'?)"),
        (["new", "bar", "--roles", "mara", "--turns", "livly"], "did you mean 'lively'?"),
        (["new", "inn", "--roles", "mara"], "there is such a room already"),
        (["seat", "inm", "mara"], "there is no such room (did you mean 'inn'?)"),
        (["seat", "inn", "twin"], "is called 'Mara' too"),
    ],
)
def test_a_wrong_room_is_refused(world: dict[str, str], words: list[str], said: str) -> None:
    launch(world, "role", "new", "mara")
    make_role(Path(world["CHATROOM_ROLES"]) / "twin", 'name = "MARA"\n')
    launch(world, "rooms", "new", "inn", "--roles", "mara")
    done = launch(world, "rooms", *words)
    assert (done.returncode, said in done.stderr, "Traceback" in done.stderr) == (1, True, False)


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["serve"], 1, "rooms new ID --roles"),
        (["serve", "nowhere"], 1, "there is no such room"),
        (["serve", "--host", "0.0.0.0"], 1, "`serve --token new`"),
        (["serve", "--port", "x"], 1, "--port: expected a whole number, got text"),
        (["join", "localhost:abc"], 1, "is no address"),
        (["room", "nowhere"], 1, "there is no such room"),
        (["join", "ws://127.0.0.1:1", "--name", "a:b"], 1, "has a colon"),
        (["join"], 2, "usage"),
        (["dance"], 2, "invalid choice"),
    ],
)
def test_a_wrong_command_says_why(world: dict[str, str], words: list[str], status: int, said: str) -> None:
    done = launch(world, *words)
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_misspelt_setting_stops_everything(world: dict[str, str]) -> None:
    done = launch({**world, "CHATROOM_PROT": "1"}, "role", "list")
    assert (done.returncode, done.stderr) == (1, "error: CHATROOM_PROT: unknown setting; did you mean 'port'?\n")


def test_a_taken_name_is_refused_before_writing(world: dict[str, str]) -> None:
    launch(world, "role", "new", "mara")
    done = launch(world, "role", "new", "zed", "--name", "MARA")
    assert (done.returncode, "the role 'mara' is called 'MARA' too" in done.stderr) == (1, True)
    assert not (Path(world["CHATROOM_ROLES"]) / "zed").exists()


def test_a_fault_of_the_base_names_each_role(world: dict[str, str]) -> None:
    world["CHATROOM_ROLES"] = world["CHATROOM_ROLES"].replace("roles", "characters")
    launch(world, "role", "new", "mara")
    launch(world, "role", "new", "bo")
    (Path(world["CHATROOM_MODELS"]) / "hearth" / "config.json").write_text("{")
    done = launch(world, "role", "check")
    assert sorted({line.split(": ")[0] for line in done.stdout.splitlines()}) == ["roles/bo", "roles/mara"]
    assert "well" not in launch(world, "role", "list").stdout


def test_the_room_that_is_meant_comes_first(world: dict[str, str]) -> None:
    launch(world, "role", "new", "mara")
    for room in ("attic", "saltmere"):
        launch(world, "rooms", "new", room, "--roles", "mara")
    assert "rooms seat saltmere bo" in launch(world, "role", "new", "bo").stdout
    assert "rooms seat attic cy" in launch({**world, "CHATROOM_ROOM": "none"}, "role", "new", "cy").stdout


@pytest.mark.parametrize("command", ["room", "serve"])
@pytest.mark.parametrize("key", ["ENGINE", "HISTORY"])
def test_a_missing_plug_in_is_named_at_start(world: dict[str, str], command: str, key: str) -> None:
    done = launch({**world, f"CHATROOM_{key}": "nosuch"}, command)
    assert (done.returncode, "'nosuch'" in done.stderr, "the end of" in done.stderr) == (1, True, False)


def test_the_version_is_shown(world: dict[str, str]) -> None:
    assert launch(world, "--version").stdout == f"chatroom {__version__}\n"


@pytest.mark.parametrize(
    ("typed", "url"),
    [
        ("127.0.0.1", "ws://127.0.0.1:8765"),
        ("inn.example:9", "ws://inn.example:9"),
        ("[::1]", "ws://[::1]:8765"),
        ("https://inn.example", "wss://inn.example"),
    ],
)
def test_an_address_is_completed(typed: str, url: str) -> None:
    assert websocket_url(typed) == url


@pytest.mark.parametrize("typed", ["inn:x", "inn:70000", "inn:0", "ws://", "ws://inn:x"])
def test_a_bad_address_is_refused(typed: str) -> None:
    with pytest.raises(SettingsError, match="is no address"):
        websocket_url(typed)


@pytest.mark.parametrize("name", ["System", "/mara", "@all", "#1", "\u041cara", "\u0395ve"])
def test_a_name_that_misleads_is_refused(name: str) -> None:
    assert name_fault(name)


@pytest.mark.parametrize("name", ["Анна", "Ελένη", "Narrator", "安吉拉", "José"])
def test_a_name_in_one_script_is_fine(name: str) -> None:
    assert name_fault(name) == ""


def test_lookalikes_are_the_same_name() -> None:
    assert name_key("\u041c\u0430ra") == name_key("Mara")
