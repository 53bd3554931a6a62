"""For tests of the real LMDeploy: its command, what is asked, and where they are skipped."""

import os
import shlex
import shutil
from pathlib import Path

import pytest

from chatroom.engines.base import Engine
from chatroom.messages import Adapter, Line, Prompt, Sampling, Usage

COMMAND = tuple(shlex.split(os.environ.get("CHATROOM_LMDEPLOY", "lmdeploy")))
BASE = Path(__file__).parents[2] / "models/hearth"
GREEDY = Sampling(temperature=0, repetition_penalty=1.0, max_tokens=24)
CACHE = 1 << 30
NEEDS_GPU = pytest.mark.skipif(
    shutil.which(COMMAND[0]) is None or shutil.which("nvidia-smi") is None, reason="no LMDeploy or no GPU here"
)


def prompt(lines: int = 3, view: str = "all", *, name: str = "Mara") -> Prompt:
    """Another view is another room, from its first id on."""
    said = tuple(Line(text=f"Tobin: I roll the dice, number {number}.") for number in range(lines))
    premise = f"The {view} room is a bar by the sea."
    return Prompt(view=view, premise=premise, lines=said, tail=(f"You are {name}.",), start=f"{name}:")


async def reply(engine: Engine, asked: Prompt, sampling: Sampling = GREEDY, adapter: Adapter | None = None) -> str:
    return "".join([piece async for piece in engine.stream(asked, adapter=adapter, sampling=sampling)])


async def usage_of(engine: Engine, asked: Prompt, adapter: Adapter | None = None) -> Usage:
    """What the server says that a whole turn's prompt cost."""
    told: list[Usage] = []
    pieces = engine.stream(asked, adapter=adapter, sampling=GREEDY, told=told.append)
    assert [piece async for piece in pieces]
    (usage,) = told
    return usage
