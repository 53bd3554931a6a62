"""A table of its own for every test: a base, empty folders, and the command line over them."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from commands.base import main
from tests.folders import make_base


class Done(NamedTuple):
    """What a command gave."""

    status: int
    out: str
    err: str


Launch = Callable[..., Done]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with a base and nobody at the table; commands run in its folder."""
    for key in [key for key in os.environ if key.startswith("CHATROOM_")]:
        monkeypatch.delenv(key)
    for name in ("home", "roles", "rooms", "models"):
        monkeypatch.setenv(f"CHATROOM_{name.upper()}", str(tmp_path / name))
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    make_base(tmp_path / "models" / "hearth")
    return tmp_path


@pytest.fixture
def launch(world: Path, capsys: pytest.CaptureFixture[str]) -> Launch:
    """Runs a command line as a user types it."""

    def run(*argv: object) -> Done:
        capsys.readouterr()
        status = main([str(part) for part in argv])
        out, err = capsys.readouterr()
        return Done(status, out, err)

    return run
