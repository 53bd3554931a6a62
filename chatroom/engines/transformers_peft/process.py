"""The worker process as the engine sees it: requests go out, answers are told apart by id, its end is noticed.

Invariant: every open request gets an answer or an `EngineError`; when the process is gone, all of them do, at once.
Knows no prompt; imports no torch.
"""

import asyncio
import itertools
import logging
import os
import signal
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

import chatroom
from chatroom.engines._log_lines import log_lines
from chatroom.engines.base import EngineOptions, Facts
from chatroom.engines.transformers_peft.messages import (
    HEADER,
    Answer,
    Cancel,
    Failed,
    Load,
    Piece,
    Ready,
    Request,
    answers,
    pack,
)
from chatroom.errors import EngineError

log = logging.getLogger("chatroom.engines.transformers_peft")

LAST_LINES = 5
"""How many lines of its log an error quotes when the process is gone."""

GRACE = 1.0
"""Seconds between asking the process to end and ending it."""

WORKER = "chatroom.engines.transformers_peft.worker"


class WorkerProcess:
    """One run of the worker."""

    def __init__(self, options: EngineOptions) -> None:
        self._options = options
        self._process: asyncio.subprocess.Process | None = None
        self._readers: list[asyncio.Task[None]] = []
        self._open: dict[int, asyncio.Queue[Answer | None]] = {}
        self._ids = itertools.count(1)
        self._last_lines: deque[str] = deque(maxlen=LAST_LINES)
        self.lost = False

    async def start(self) -> Facts:
        """Starts the process and waits until the base is loaded."""
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", WORKER, str(os.getpid())),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=_environment(self._options.threads),
            process_group=0,
        )
        if self.lost:  # closed before it was there
            await self.end()
        assert self._process.stdout
        assert self._process.stderr
        self._readers = [
            asyncio.create_task(self._read_log(self._process.stderr)),
            asyncio.create_task(self._read_answers(self._process.stdout)),
        ]
        with self.ask(lambda id_: Load(id=id_, options=self._options)) as conversation:
            ready = await conversation.answer()
        assert isinstance(ready, Ready)
        return ready.facts

    def ask(self, make: Callable[[int], Request]) -> "Conversation":
        """Opens a conversation with the request that `make` builds for its id."""
        return Conversation(self, make(next(self._ids)))

    def open(self, request: Request) -> "asyncio.Queue[Answer | None]":
        """Sends a request and gives the queue of its answers; None in it means that the process is gone."""
        self.send(request)
        queue: asyncio.Queue[Answer | None] = asyncio.Queue()
        self._open[request.id] = queue
        return queue

    def forget(self, request: Request) -> None:
        self._open.pop(request.id, None)

    def send(self, request: Request) -> None:
        if self.lost or self._process is None or self._process.stdin is None:
            raise self.loss()
        self._process.stdin.write(pack(request))

    def loss(self) -> EngineError:
        """What to say when the process is gone."""
        said = " | ".join(self._last_lines)
        return EngineError(
            "the engine's process ended" + (f"; it last said: {said}" if said else ""), code="engine_lost"
        )

    async def end(self) -> None:
        """Ends the process within a bounded time, hung or not; twice is fine."""
        self.lost = True
        if self._process is None:
            return
        self._signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), GRACE)
        except TimeoutError:
            self._signal(signal.SIGKILL)
            await self._process.wait()
        await asyncio.gather(*self._readers, return_exceptions=True)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    async def _read_answers(self, stdout: asyncio.StreamReader) -> None:
        try:
            while True:
                (length,) = HEADER.unpack(await stdout.readexactly(HEADER.size))
                answer = answers.decode(await stdout.readexactly(length))
                if queue := self._open.get(answer.id):
                    queue.put_nowait(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            await self._notice_loss()

    async def _notice_loss(self) -> None:
        self.lost = True
        self._signal(signal.SIGKILL)  # without its pipe it is of no use
        await self._readers[0]  # its last words
        for queue in self._open.values():
            queue.put_nowait(None)

    async def _read_log(self, stderr: asyncio.StreamReader) -> None:
        async for line in log_lines(stderr):
            log.info("%s", line)
            self._last_lines.append(line)


class Conversation:
    """One request and its answers. Leaving it before its end cancels the request."""

    def __init__(self, worker: WorkerProcess, request: Request) -> None:
        self._worker, self._request = worker, request
        self._over = False

    def __enter__(self) -> Self:
        self._queue = self._worker.open(self._request)
        return self

    def __exit__(self, *_: object) -> None:
        self._worker.forget(self._request)
        if not self._over and not self._worker.lost:
            self._worker.send(Cancel(id=self._request.id))

    async def answer(self) -> Answer:
        """Waits for the next answer.

        Raises:
            EngineError: The request failed, or the process is gone.
        """
        answer = await self._queue.get()
        self._over = not isinstance(answer, Piece)
        if answer is None:
            raise self._worker.loss()
        if isinstance(answer, Failed):
            raise EngineError(answer.text, code=answer.code)
        return answer


def _environment(threads: int) -> dict[str, str]:
    """The worker finds this very package, whatever its working folder is."""
    root = str(Path(chatroom.__file__).resolve().parent.parent)
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "TOKENIZERS_PARALLELISM": "false"}
    environment["TRANSFORMERS_VERBOSITY"] = "error"
    if threads:
        environment["OMP_NUM_THREADS"] = str(threads)
    return environment
