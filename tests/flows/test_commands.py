"""The commands as a user types them: each in a process of its own, on a home of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.folders import make_base, make_role

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "transformers", "peft", "textual", "websockets", "asyncio")
COMMANDS = ["room", "serve", "join", "role", "role new", "role check", "role list", "rooms", "rooms new", "rooms seat"]


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
from chatroom.commands.base import main
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
    launch(world, "role", "new", "twin", "--name", "MARA")
    launch(world, "rooms", "new", "inn", "--roles", "mara")
    done = launch(world, "rooms", *words)
    assert (done.returncode, said in done.stderr, "Traceback" in done.stderr) == (1, True, False)


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["serve"], 1, "rooms new ID --roles"),
        (["serve", "nowhere"], 1, "there is no such room"),
        (["serve", "--host", "0.0.0.0"], 1, "`--token new`"),
        (["serve", "--port", "x"], 1, "--port: expected int"),
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
