"""The server behind `room`: one per home, started by the first terminal, gone with the last, however that ends."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chatroom.errors import SettingsError
from commands._local import RunningError, held, join_line, outward, running, serving, socket_path
from tests.folders import make_base, make_role

ROOT = Path(__file__).parents[2]
WITHIN = 60
UNLOCKED = "import fcntl, sys; fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX)"
"""Run as a process of its own: ends when nobody holds the lock any more."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a room in which one scripted role sits; its server is gone when the test ends."""
    make_base(tmp_path / "models" / "hearth")
    make_role(tmp_path / "roles" / "mara", 'name = "Mara"\n')
    (tmp_path / "rooms").mkdir()
    (tmp_path / "rooms" / "inn.toml").write_text('roles = ["mara"]\nturns = "addressed"\n')
    for name in ("home", "roles", "rooms", "models"):
        monkeypatch.setenv(f"CHATROOM_{name.upper()}", str(tmp_path / name))
    monkeypatch.setenv("CHATROOM_ENGINE", "scripted")
    monkeypatch.setenv("CHATROOM_PORT", "0")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def command(*words: str) -> list[str]:
    return [sys.executable, str(ROOT / "launch.py"), *words]


def room(said: str) -> "subprocess.CompletedProcess[str]":
    words = command("room", "--plain", "--name", "Bo")
    return subprocess.run(words, input=said, capture_output=True, text=True, timeout=WITHIN, check=False)


def wait_for_its_end(home: Path) -> None:
    subprocess.run([sys.executable, "-c", UNLOCKED, str(home / "server.lock")], timeout=WITHIN, check=True)


@contextmanager
def serve(*words: str) -> Iterator["subprocess.Popen[str]"]:
    """A server in the foreground, once it says that it serves; it must end well when it is told to."""
    with subprocess.Popen(command("serve", *words), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "serving inn at ws://" in process.stderr.readline()
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(WITHIN) == 0


def test_a_room_is_a_whole_session(home: Path) -> None:
    done = room("Good evening, Mara.\n")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "Bo: Good evening, Mara.")
    assert done.stdout.splitlines()[1].startswith("Mara: ")
    assert "others can join: python launch.py join ws://127.0.0.1:" in done.stderr
    wait_for_its_end(home)
    assert not (home / "server.json").exists()


def test_a_second_terminal_joins_the_first(home: Path) -> None:
    with serve() as process:
        assert room("Hello, Mara.\n").returncode == 0
        assert json.loads((home / "server.json").read_text())["pid"] == process.pid
    assert not held(home)


def test_a_second_server_is_refused(home: Path) -> None:
    with serve():
        done = subprocess.run(command("serve"), capture_output=True, text=True, timeout=WITHIN, check=False)
        address = running(home)
        assert address is not None
        assert (done.returncode, f"is running already at {address.url}" in done.stderr) == (1, True)


def test_a_killed_terminal_takes_its_server_along(home: Path) -> None:
    words = command("room", "--plain", "--name", "Bo")
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=subprocess.DEVNULL, stderr=pipe, text=True) as terminal:
        assert terminal.stderr is not None
        assert "others can join" in terminal.stderr.readline()
        assert held(home)
        terminal.kill()
    wait_for_its_end(home)
    assert running(home) is None


def test_a_failed_start_shows_the_log(home: Path) -> None:
    home.mkdir()
    (home / "rooms.db").write_text("nonsense" * 100)
    done = room("")
    assert (done.returncode, done.stdout) == (1, "")
    assert "the server ended with status 1" in done.stderr
    assert "rooms.db can't be opened" in done.stderr


def test_a_taken_port_gives_way_to_another(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with serve():
        first = running(home)
        assert first is not None
        monkeypatch.setenv("CHATROOM_PORT", first.url.rpartition(":")[2])
        monkeypatch.setenv("CHATROOM_HOME", str(tmp_path / "other"))
        done = room("")
        assert (done.returncode, first.url in done.stderr) == (0, False)
        wait_for_its_end(tmp_path / "other")


def test_the_last_name_is_used_again(home: Path) -> None:
    with serve():
        room("One.\n")
        words = command("room", "--plain")
        done = subprocess.run(words, input="Two.\n", capture_output=True, text=True, timeout=WITHIN, check=False)
    assert "Bo: Two." in done.stdout


def test_a_refused_name_is_not_remembered(home: Path) -> None:
    with serve():
        words = command("room", "--plain", "--name", "Mara")
        done = subprocess.run(words, input="", capture_output=True, text=True, timeout=WITHIN, check=False)
    assert (done.returncode, (home / "name").exists()) == (1, False)


def test_a_killed_server_is_started_again(home: Path) -> None:
    pipe = subprocess.PIPE
    words = command("room", "--plain", "--name", "Bo")
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as terminal:
        assert terminal.stdin is not None
        assert terminal.stdout is not None
        terminal.stdin.write("One, Mara.\n")
        terminal.stdin.flush()
        assert terminal.stdout.readline() == "Bo: One, Mara.\n"
        assert terminal.stdout.readline().startswith("Mara: ")
        os.kill(json.loads((home / "server.json").read_text())["pid"], signal.SIGKILL)
        terminal.stdin.write("Two, Mara.\n")
        terminal.stdin.flush()
        assert terminal.stdout.readline() == "Bo: Two, Mara.\n"
        assert terminal.stdout.readline().startswith("Mara: ")
        terminal.stdin.close()
        assert terminal.wait(WITHIN) == 0
    wait_for_its_end(home)


def test_a_room_made_later_is_served(home: Path) -> None:
    with serve():
        (home.parent / "rooms" / "attic.toml").write_text('roles = ["mara"]\nturns = "addressed"\n')
        words = command("room", "attic", "--plain", "--name", "Bo")
        done = subprocess.run(
            words, input="Hello, Mara.\n", capture_output=True, text=True, timeout=WITHIN, check=False
        )
    assert (done.returncode, "Mara: " in done.stdout) == (0, True)


def test_a_room_beyond_this_machine_says_what_to_set(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATROOM_HOST", "0.0.0.0")
    assert "set CHATROOM_TOKEN" in room("").stderr


def test_a_log_is_private(home: Path) -> None:
    with serve():
        room("Hello.\n")
        assert {path.stat().st_mode & 0o777 for path in home.glob("rooms.*")} == {0o600}


def test_others_are_told_how_to_join() -> None:
    assert join_line("ws://a:1", "") == "others can join: python launch.py join ws://a:1 --name NAME"
    assert join_line("ws://a:1", "TOKEN").endswith(" --name NAME --token TOKEN")
    assert outward("0.0.0.0") not in ("0.0.0.0", "")


def test_a_made_token_stands_in_the_line_for_others(home: Path) -> None:
    words = command("serve", "--host", "0.0.0.0", "--token", "new")
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        made, _, line = (process.stderr.readline() for _ in range(3))
        process.terminate()
    assert line.rstrip().endswith(f"--token {made.split()[1]}")
    assert "0.0.0.0" not in line


def test_a_home_is_held_by_one_server(tmp_path: Path) -> None:
    with serving(tmp_path), pytest.raises(RunningError), serving(tmp_path):
        pass
    assert not held(tmp_path)


def test_a_deep_home_gets_a_short_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    deep = Path("/", "x" * 120)
    path = socket_path(deep)
    assert (path.parent.parent, path == socket_path(deep), socket_path(Path("/home"))) == (
        tmp_path,
        True,
        Path("/home/server.sock"),
    )
    path.parent.chmod(0o755)
    with pytest.raises(SettingsError, match="not private"):
        socket_path(deep)
    assert os.listdir(path.parent) == []
