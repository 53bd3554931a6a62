"""The process that holds the model. Run by the engine only: python -m chatroom.engines.transformers_peft.worker PID

Reads requests from stdin, answers on stdout, logs to stderr. Between two steps it looks for new requests, so a cancel
is heard before another token is computed. It ends with its parent, whose process id it is given: at the end of stdin,
or by a signal of the kernel when it is busy.
"""

import ctypes
import logging
import os
import select
import signal
import sys
from collections.abc import Iterator

from chatroom.engines.transformers_peft.messages import HEADER, Answer, Failed, Load, Ready, Request, pack, requests
from chatroom.errors import EngineError

PR_SET_PDEATHSIG = 1


class Pipe:
    """Both directions of the talk with the engine."""

    def __init__(self, source: int, sink: int) -> None:
        self._source, self._sink = source, sink
        self._unread = bytearray()

    def receive(self, *, wait: bool) -> Iterator[Request]:
        """Gives the requests that are there; with `wait`, blocks until there is one.

        Raises:
            EOFError: The engine is gone.
        """
        body = self._next_body()
        while body is None and (wait or select.select([self._source], [], [], 0)[0]):
            new = os.read(self._source, 1 << 16)
            if not new:
                raise EOFError
            self._unread += new
            body = self._next_body()
        while body is not None:
            yield requests.decode(body)
            body = self._next_body()

    def send(self, answer: Answer) -> None:
        rest = memoryview(pack(answer))
        while rest:
            rest = rest[os.write(self._sink, rest) :]

    def _next_body(self) -> bytes | None:
        if len(self._unread) < HEADER.size:
            return None
        end = HEADER.size + HEADER.unpack_from(self._unread)[0]
        if len(self._unread) < end:
            return None
        body = bytes(self._unread[HEADER.size : end])
        del self._unread[:end]
        return body


def main(args: list[str]) -> int:
    """Loads what the first request names, then serves until the engine is gone."""
    die_with(int(args[0]))
    pipe = own_pipe()
    logging.basicConfig(stream=sys.stderr, format="%(message)s", level=logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        serve(pipe)
    except (EOFError, BrokenPipeError):
        return 0
    return 1


def serve(pipe: Pipe) -> None:
    """Answers requests until the pipe ends; returns only if the base can't be loaded."""
    # torch takes seconds to import: only now, when the pipe is ours and the engine has asked
    load = first_request(pipe)
    from chatroom.engines.transformers_peft.lanes import Lanes
    from chatroom.engines.transformers_peft.model import load_model
    from chatroom.engines.transformers_peft.scheduler import Scheduler
    from chatroom.engines.transformers_peft.turn import Turns

    try:
        model = load_model(load.options)
    except EngineError as error:
        pipe.send(Failed(id=load.id, code=error.code, text=str(error)))
        return
    scheduler = Scheduler(model, Turns(model, Lanes(model.empty_cache, load.options.memory)), pipe.send)
    pipe.send(Ready(id=load.id, facts=model.facts))
    while True:
        for request in pipe.receive(wait=scheduler.idle):
            scheduler.receive(request)
        if not scheduler.idle:
            scheduler.step()


def first_request(pipe: Pipe) -> Load:
    while True:
        for request in pipe.receive(wait=True):
            assert isinstance(request, Load)
            return request


def own_pipe() -> Pipe:
    """Takes stdin and stdout for the pipe; what libraries print goes to stderr from now on."""
    pipe = Pipe(os.dup(0), os.dup(1))
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return pipe


def die_with(parent: int) -> None:
    """Asks Linux to end this process with its parent; elsewhere the end of stdin has to do."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(0)  # it was gone before we could ask


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
