"""One run of LMDeploy as a process: started under guard, its log read, its end noticed, ended with all it started.

Invariant: after `end`, after its own crash and after ours, no process of its group is left. Knows no HTTP and no base.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from chatroom.engines._lmdeploy.log import ServerLog
from chatroom.engines._log_lines import log_lines
from chatroom.errors import EngineError

GUARD = Path(__file__).with_name("guard.py")
GRACE = 10.0
"""Seconds between asking the server to end and ending it."""
SPARE = 8.0
"""Seconds that the guard may take beyond that, until it is ended itself."""


class ServerProcess:
    """A running command and its guard.

    Attributes:
        ended: Set once the command and its guard are gone.
        group: Id of the command's process group; 0 until it runs.
        lost: Whether it ended, or is about to.
    """

    def __init__(self, command: Sequence[str], log: ServerLog, *, grace: float = GRACE) -> None:
        self._command, self._log, self._grace = tuple(command), log, grace
        self._guard: asyncio.subprocess.Process | None = None
        self._watching: asyncio.Task[None] | None = None
        self.ended = asyncio.Event()
        self.group = 0
        self.lost = False

    async def start(self) -> None:
        """Starts the command; it may take long until it answers.

        Raises:
            EngineError: It can't be started.
        """
        self._guard = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(GUARD), str(os.getpid()), str(self._grace), *self._command),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=_environment(),
            process_group=0,
        )
        assert self._guard.stdout
        assert self._guard.stderr
        reading = asyncio.create_task(self._read(self._guard.stderr))
        try:
            self.group = int(await self._guard.stdout.readline() or b"0")
        finally:
            self._watching = asyncio.create_task(self._watch(self._guard, reading))
        if not self.group:
            await self.ended.wait()
            raise self.loss()

    def loss(self) -> EngineError:
        """What to say when the process is gone."""
        if self._log.no_memory:
            return EngineError(
                "there is not enough GPU memory for the server: stop another engine, set a smaller context, or use "
                f"int4 weights; it says: {self._log.no_memory[:300]}",
                code="engine",
            )
        return EngineError(f"LMDeploy's process ended{self._log.last_words()}", code="engine_lost")

    async def end(self) -> None:
        """Ends it within a bounded time, hung or not; twice is fine."""
        self.lost = True
        if self._guard is None or self._guard.stdin is None:
            return
        self._guard.stdin.close()  # the guard does the rest, as it would if we were gone
        try:
            await asyncio.wait_for(self.ended.wait(), self._grace + SPARE)
        except TimeoutError:
            self._kill()
            await self.ended.wait()

    async def _watch(self, guard: asyncio.subprocess.Process, reading: asyncio.Task[None]) -> None:
        """Notes the end: of the guard, and of all that still writes to the log."""
        assert guard.stdout
        await guard.stdout.read()  # nobody else has it; the log's pipe may be held by whom a killed guard left
        self.lost = True
        self._kill_group()  # a guard that was killed could not do this
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await reading
                await guard.wait()
        self.ended.set()

    async def _read(self, stderr: asyncio.StreamReader) -> None:
        async for line in log_lines(stderr):
            self._log.add(line)

    def _kill(self) -> None:
        self._kill_group()
        if self._guard is not None and self._guard.returncode is None:
            with suppress(ProcessLookupError):
                self._guard.kill()

    def _kill_group(self) -> None:
        if self.group:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.group, signal.SIGKILL)


def _environment() -> dict[str, str]:
    """Ours without our own settings: a token of the rooms is none of LMDeploy's business."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CHATROOM_")}
    return {**kept, "PYTHONUNBUFFERED": "1"}
