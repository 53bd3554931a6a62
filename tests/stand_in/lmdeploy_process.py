"""The stand-in for LMDeploy as a process: how a test starts it, what it says happened, and who of it still runs.

Faults are said by its environment, or while it runs by a file that it reads anew at every request.
"""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class StandIn:
    """How a stand-in is started, and what it says happened."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.record, self.faults = folder / "record", folder / "faults"

    def command(self, *faults: str, **more: object) -> tuple[str, ...]:
        """A command that starts it, with these faults."""
        told = {"RECORD": self.record, "FAULTS": self.faults, "FAULT": ",".join(faults)} | more
        variables = [f"STAND_IN_{name.upper()}={value}" for name, value in told.items()]
        return ("env", "-C", str(ROOT), *variables, sys.executable, "-m", "tests.stand_in.lmdeploy")

    @property
    def group(self) -> int:
        """The process group of the one that was started last, which it leads."""
        return os.getpgid(self.each("started")[-1])

    def happened(self) -> list[dict[str, Any]]:
        lines = self.record.read_text("utf-8").splitlines() if self.record.exists() else []
        return [json.loads(line) for line in lines]

    def each(self, what: str) -> list[Any]:
        """What was told of one kind of happening."""
        return [event[what] for event in self.happened() if what in event]

    async def until(self, what: str, times: int = 1) -> list[Any]:
        """Waits until something happened so many times."""
        await until(lambda: len(self.each(what)) >= times, f"{what} in {self.happened()[-5:]}")
        return self.each(what)


async def until(holds: Callable[[], bool], what: str) -> None:
    async with asyncio.timeout(60):
        while not holds():
            await asyncio.sleep(0.005)
    assert holds(), what


def alive(group: int) -> list[int]:
    """Processes of a group that still run."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, _, pgrp = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
            except OSError:
                continue
            if int(pgrp) == group and state != "Z":
                found.append(int(entry.name))
    return found


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
