"""Whose step is next: turns and questions take it in rotation, warming up waits until nobody else wants one.

Counting is answered at once. A job is a generator; closing it ends the turn, and its lane is left as it should be.
Knows no pipe: it is handed a function that sends.
"""

import logging
from collections import deque
from collections.abc import Callable
from functools import partial

import msgspec

from chatroom.engines.transformers_peft.messages import (
    Answer,
    Cancel,
    Count,
    Counted,
    Done,
    Failed,
    Piece,
    Request,
    Score,
    Scored,
    Stream,
    Warm,
)
from chatroom.engines.transformers_peft.model import Model
from chatroom.engines.transformers_peft.turn import Steps, Turns
from chatroom.errors import EngineError
from chatroom.messages import Usage

log = logging.getLogger(__name__)


class Job(msgspec.Struct, frozen=True):
    """A request on its way."""

    id: int
    steps: Steps


class Scheduler:
    """Carries out the requests of one worker, a step at a time."""

    def __init__(self, model: Model, turns: Turns, send: Callable[[Answer], None]) -> None:
        self._model, self._make, self._send = model, turns, send
        self._turns: deque[Job] = deque()
        self._warming: deque[Job] = deque()

    @property
    def idle(self) -> bool:
        return not self._turns and not self._warming

    def receive(self, request: Request) -> None:
        """Takes a request; nothing is computed yet."""
        match request:
            case Count(id=id_, texts=texts):
                self._send(Counted(id=id_, counts=[len(self._model.template.line_ids(text)) for text in texts]))
            case Stream(id=id_, prompt=prompt, adapter=adapter, sampling=sampling):
                told = partial(self._tell_usage, id_)
                self._turns.append(Job(id_, self._make.reply(prompt, adapter, sampling, told)))
            case Score(id=id_, prompt=prompt, continuations=continuations):
                self._turns.append(Job(id_, self._make.score(prompt, continuations)))
            case Warm(id=id_, prompt=prompt, adapter=adapter):
                self._warming.append(Job(id_, self._make.warm(prompt, adapter)))
            case Cancel(id=id_):
                self._cancel(id_)

    def step(self) -> None:
        """Lets the next job take one step, and sends what came of it."""
        queue = self._turns or self._warming
        job = queue.popleft()
        try:
            piece = next(job.steps)
        except StopIteration as stop:
            self._send(Done(id=job.id) if stop.value is None else Scored(id=job.id, values=stop.value))
        except EngineError as error:
            self._send(Failed(id=job.id, code=error.code, text=str(error)))
        except Exception as error:  # torch raises what it likes; one failed turn is no reason to die
            log.exception("a turn failed")
            self._send(Failed(id=job.id, code="engine", text=f"the model failed: {error}"))
        else:
            if piece:
                self._send(Piece(id=job.id, text=piece))
            queue.append(job)

    def _tell_usage(self, id_: int, usage: Usage) -> None:
        self._send(Piece(id=id_, usage=usage))

    def _cancel(self, id_: int) -> None:
        for queue in (self._turns, self._warming):
            for job in [job for job in queue if job.id == id_]:
                queue.remove(job)
                job.steps.close()
