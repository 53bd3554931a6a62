"""Runs one room's turns: who? → speak → append, one turn at a time, until the room is silent.

The invariant: whatever happens to a turn (an error, a stop, a timeout, the server's end), exactly one `Ended` with the
words that were said is committed for it. What people say meanwhile is appended by others and heard at the next turn.
Decides nothing itself: room.py does. Knows no socket.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random
from time import time

from chatroom import plugins
from chatroom.errors import ChatroomError, EngineError, HistoryError
from chatroom.frames import Floor
from chatroom.likeliest import scores
from chatroom.messages import AnyEvent, Audience, Ended, Running, Scores, Status, View
from chatroom.room import Turn
from chatroom.speaking import Speaking, Stage
from chatroom.turns.base import Policy, pending

log = logging.getLogger(__name__)

AGAIN_SECONDS = 1.0
"""Between two tries to write the end of a turn."""


class Conductor:
    """The one task that lets roles speak in a room.

    Args:
        stage: The room and all that its turns need.
        policy: Name of the turn policy.
        seed: Makes choices repeatable: the same seed and log, the same speakers.
        commit: Appends an event, folds it into the room and publishes it.
    """

    def __init__(
        self, stage: Stage, *, policy: str, seed: str, commit: Callable[[AnyEvent], Awaitable[object]]
    ) -> None:
        self.busy = False
        """Whether somebody speaks or may be about to."""
        self._stage, self._room, self._seed, self._commit = stage, stage.room, seed, commit
        self._policy: Policy = plugins.load("chatroom.turns", policy).Policy()
        self._without_scores: Policy = plugins.load("chatroom.turns", "lively").Policy()
        self._bias: dict[str, float] = {}
        self._woken = asyncio.Event()
        self._speaking: Speaking | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def running(self) -> Running | None:
        """The turn under way, with its words so far."""
        return self._speaking.running if self._speaking else None

    def wake(self) -> None:
        """Something happened that somebody may want to answer."""
        self.busy = True
        self._woken.set()

    def stop(self, turn: str = "") -> bool:
        """Ends the running turn; what was said so far is kept. False if there is none, or another one."""
        if self.running is None or self._task is None or turn not in {"", self.running.id}:
            return False
        return self._task.cancel()

    async def run(self) -> None:
        """Conducts until it is cancelled."""
        while True:
            await self._rest()
            try:
                await self._let_speak()
            except Exception:  # whatever breaks here, the room must answer the next line
                log.exception("the turns in %s broke off", self._stage.id)
            self.busy = self._woken.is_set()
            if not self.busy:
                self._tell(busy=False)

    async def _let_speak(self) -> None:
        """Lets one role after the other speak until it is silent."""
        while (turn := await self._next()) is not None:
            self._tell(busy=True, next=turn.role, audience=turn.audience)
            await self._speak(turn)

    def _tell(self, *, busy: bool, next: str = "", audience: Audience | None = None) -> None:
        self._stage.publish(Floor(room=self._stage.id, seq=self._room.head, busy=busy, next=next), audience)

    async def _rest(self) -> None:
        """Waits until something happens; meanwhile, what was said is encoded for the next turn."""
        warming = asyncio.create_task(self._warm())
        try:
            await self._woken.wait()
        finally:
            warming.cancel()
        self._woken.clear()

    async def _warm(self) -> None:
        """Starts the engines of all who sit here, as far as there is memory, and brings every lane up to date."""
        lanes = set()
        for seat in self._stage.cast.seated(self._room.seats.values()):
            with suppress(ChatroomError):  # it shows when the role speaks
                role = self._stage.cast.role(seat.id)
                self._stage.recalling.prepare(role)
                if not await self._stage.pool.ahead(role):
                    continue
                engine, prompt = await self._stage.prompt(role, self._room.head)
                lane = (id(engine), prompt.view, role.adapter and not role.adapter.invocation and role.adapter.path)
                if lane not in lanes:
                    lanes.add(lane)
                    await engine.warm(prompt, adapter=role.adapter)

    # --- who? ---------------------------------------------------------------------------------------------------------

    async def _next(self) -> Turn | None:
        """Whose turn it is among those who may go on, who was spoken to first comes first."""
        for audience in self._room.waiting():
            if turn := await self._choose(audience):
                return turn
            self._room.hush(audience)
        return None

    async def _choose(self, audience: Audience | None) -> Turn | None:
        """Asks the policy and lets the room decide; again, if something was said while the engine was asked."""
        while True:
            head, view = self._room.head, self._view(audience)
            known = await self._scores(view, audience)
            policy = self._without_scores if known is None else self._policy
            if head == self._room.head:
                rng = Random(f"{self._seed}:{head}")
                return self._room.next_turn(view, policy.choose(view, known or {}, rng), rng, audience)

    def _view(self, audience: Audience | None) -> View:
        """What is decided on. A role whose folder is broken is asked only when it is spoken to: then its turn fails,
        and says why."""
        cast, present = self._stage.cast, list(self._stage.present())
        seats = cast.seated(self._room.seats.values())
        called = pending(self._room.view(seats, present, audience))
        sound = (seat for seat in seats if seat.id in called or not cast.fault(seat.id))
        return self._room.view(sound, present, audience)

    async def _scores(self, view: View, audience: Audience | None) -> Scores | None:
        """Scores where the policy wants them and the answer isn't clear; None where no engine that is up can give them.

        Whoever will speak needs the memory: none is started for a question, nor ended because it is slow to answer.
        """
        if not self._policy.needs_scores or not view.roles or self._room.again(audience) or pending(view):
            return {}
        if audience is not None:
            return None  # the lane that could tell holds public lines only
        for seat in view.roles:
            with suppress(ChatroomError):  # it shows when the role speaks
                role = self._stage.cast.role(seat.id)
                if not self._stage.pool.engine(role).can_score:
                    continue
                engine, prompt = await self._stage.prompt_if_up(role, self._room.head) or (None, None)
                if engine and prompt and prompt.layout == "room":
                    async with self._stage.in_time(engine):
                        return await scores(engine, prompt, view, self._bias)
        return None

    # --- one turn -----------------------------------------------------------------------------------------------------

    async def _speak(self, turn: Turn) -> None:
        """Lets a role speak, and commits how it ended."""
        self._speaking = Speaking(self._stage, turn)
        self._task = asyncio.create_task(self._speaking.run())
        problem: ChatroomError | None = None
        try:
            await self._task
            status: Status = "complete"
        except asyncio.CancelledError:
            status = "interrupted" if _ending() else "stopped"
        except ChatroomError as error:
            status, problem = "failed", error
        except Exception as error:
            log.exception("a turn in %s broke", self._stage.id)
            status, problem = "failed", EngineError(f"an unexpected {type(error).__name__}", code="internal")
        await self._keep(self._ended(self._speaking, status, problem))
        self._speaking = self._task = None
        if status == "interrupted":
            raise asyncio.CancelledError

    async def _keep(self, ended: Ended) -> None:
        """Commits the end of a turn, however long the disk is full: the words are not thrown away."""
        while True:
            try:
                await self._commit(ended)
                return
            except HistoryError as error:
                log.error("the end of a turn in %s waits to be written: %s", self._stage.id, error)
                await asyncio.sleep(AGAIN_SECONDS)

    def _ended(self, speaking: Speaking, status: Status, problem: ChatroomError | None) -> Ended:
        turn = speaking.running
        return Ended(
            id=turn.id,
            author=turn.author,
            text=turn.text,
            audience=turn.audience,
            status=status,
            seed=turn.seed,
            heard=turn.heard,
            hands_to=speaking.hands_to,
            code=problem.code if problem else "",
            error=_encodable(str(problem)) if problem else "",
            passages=turn.passages,
            usage=turn.usage,
            at=time(),
        )


def _encodable(text: str) -> str:
    """Without lone surrogates, as a path may hold them: the log and the wire are UTF-8."""
    return text.encode("utf-8", "replace").decode()


def _ending() -> bool:
    """Whether this task itself is being cancelled, and not only the turn that it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
