"""Imports go down only, and what is heavy is loaded only where it is used."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "transformers", "peft", "textual", "websockets", "chatroom.engines.transformers_peft.worker")


def test_the_layers_hold() -> None:
    tool = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([tool, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def loaded_after(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ("import commands.base", set()),
        ("from chatroom import plugins; plugins.names('chatroom.engines')", set()),
        ("import chatroom.room_manager", set()),
        ("import chatroom.server", {"websockets"}),
        ("from chatroom import plugins; plugins.load('chatroom.clients', 'plain')", {"websockets"}),
        ("from chatroom import plugins; plugins.load('chatroom.engines', 'transformers_peft')", set()),
    ],
)
def test_a_part_pays_only_for_itself(statement: str, allowed: set[str]) -> None:
    assert loaded_after(statement) & set(HEAVY) <= allowed


def test_a_client_knows_nothing_behind_the_wire() -> None:
    loaded = loaded_after("from chatroom import plugins; plugins.load('chatroom.clients', 'plain')")
    behind = ("chatroom.room", "chatroom.history", "chatroom.server", "chatroom.engines", "chatroom.roles")
    assert [name for name in loaded if name.startswith(behind)] == []
