"""One turn: a role's prompt, its engine's stream, its words as they come.

Publishes `start` with the first word and `delta`s after it, keeps the words aside for a crash, and holds the stream to
its time limits. How the turn ends is for the conductor to say; nothing is committed here.
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial

import msgspec

from chatroom.cast import Cast
from chatroom.engine_pool import EnginePool
from chatroom.engines.base import Engine, Facts
from chatroom.errors import EngineError
from chatroom.frames import Delta, ServerFrame, Start
from chatroom.hearing import Count, Heard, Hearing
from chatroom.history.base import History
from chatroom.messages import Audience, Prompt, Running, Speaker, Usage
from chatroom.recalling import Recalling
from chatroom.reply import Reply
from chatroom.roles import Role
from chatroom.room import Room, Turn

CHECKPOINT_SECONDS = 0.25
"""A crash loses at most this much of a running turn's words."""
ATTEMPTS = 2
"""An empty reply is asked for once more, with another seed."""


class TurnLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How many turns in a row, and how long one may take in seconds: to its first piece, between pieces, in all."""

    without_person: int = 4
    first_token: float = 60
    token_gap: float = 30
    turn: float = 120


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """What every turn of a room needs.

    Args:
        publish: Tells a frame that is not durable to those who may hear it (None: everyone).
        present: Gives the persons who are here.
    """

    room: Room
    hearing: Hearing
    recalling: Recalling
    cast: Cast
    pool: EnginePool
    history: History
    limits: TurnLimits
    publish: Callable[[ServerFrame, Audience | None], None]
    present: Callable[[], Iterable[Speaker]]

    @property
    def id(self) -> str:
        """The room's id."""
        return self.hearing.scene.room

    async def start(self, role: Role) -> tuple[Engine, Facts]:
        """Starts a role's engine; one that takes too long goes on loading for the next turn."""
        try:
            async with asyncio.timeout(self.limits.turn):
                return await self.pool.start(role)
        except TimeoutError:
            raise EngineError("the model is still loading; ask again in a while", code="timeout") from None

    async def prompt(self, role: Role, head: int) -> tuple[Engine, Prompt]:
        """What a role would be asked after the event `head`, but for what it would be reminded of."""
        return await self._prompt(role, head, *await self.start(role))

    async def prompt_if_up(self, role: Role, head: int) -> tuple[Engine, Prompt] | None:
        """The same, if the role's engine is up: none is started or ended for it."""
        try:
            async with asyncio.timeout(self.limits.turn):
                running = await self.pool.running(role)
        except TimeoutError:
            return None
        return await self._prompt(role, head, *running) if running else None

    async def ask(self, role: Role, head: int, audience: Audience | None) -> tuple[Engine, Heard]:
        """What a role is asked after the event `head`, for an answer to this audience, and the engine that is asked."""
        engine, facts = await self.start(role)
        recall = partial(self.recalling.recall, role, audience)
        return engine, await self.hearing.prompt(
            role, self._count(engine), facts, head=head, since=self._since(role), recall=recall
        )

    async def _prompt(self, role: Role, head: int, engine: Engine, facts: Facts) -> tuple[Engine, Prompt]:
        heard = await self.hearing.prompt(role, self._count(engine), facts, head=head, since=self._since(role))
        return engine, heard.prompt

    def _since(self, role: Role) -> int:
        return self.room.seated_at.get(role.id, 0)

    def _count(self, engine: Engine) -> Count:
        async def count(texts: Sequence[str]) -> Sequence[int]:
            async with self.in_time(engine):
                return await engine.count(texts)

        return count

    @asynccontextmanager
    async def in_time(self, engine: Engine) -> AsyncIterator[None]:
        """Bounds what an engine should answer at once; one that does not is ended, and started anew by who needs it."""
        try:
            async with asyncio.timeout(self.limits.token_gap):
                yield
        except TimeoutError:
            await engine.close()
            raise EngineError("the engine does not answer; it is started anew", code="timeout") from None


class Speaking:
    """A turn from its choice to its last word.

    Args:
        stage: The room it happens in.
        turn: Who speaks, and who hears it.
    """

    def __init__(self, stage: Stage, turn: Turn) -> None:
        self.running = Running(
            id=f"t{secrets.token_hex(8)}",
            author=stage.room.seats[turn.role],
            audience=turn.audience,
            seed=secrets.randbits(31),
        )
        self.hands_to = ""
        """Id of the speaker in whose name the model went on, if it did."""
        self._stage = stage
        self._saved = 0.0

    async def run(self) -> None:
        """Speaks until the reply is over.

        Raises:
            ChatroomError: The role's folder is broken, or its engine can't answer; `running.text` holds what was said.
        """
        role = self._stage.cast.role(self.running.author.id)
        await self._stage.start(role)
        self.running = msgspec.structs.replace(self.running, heard=self._stage.room.head)
        engine, heard = await self._stage.ask(role, self.running.heard, self.running.audience)
        self.running = msgspec.structs.replace(self.running, passages=heard.passages)
        for attempt in range(ATTEMPTS):
            self.running = msgspec.structs.replace(self.running, seed=self.running.seed + attempt, usage=None)
            line_ends = heard.prompt.layout == "room"
            reply = Reply(own=(role.name, *role.aliases), others=self._others(role), line_ends=line_ends)
            await self._stream(engine, role, heard, reply)
            self.hands_to = reply.hands_to
            if reply.text or reply.hands_to:
                return
        raise EngineError(f"{role.name} found no words", code="empty")

    def _others(self, role: Role) -> Mapping[str, str]:
        """Names of everybody else at the table: the role speaks for none of them."""
        room = self._stage.room
        others = {person.name: person.id for person in room.persons.values()}
        for seat in self._stage.cast.seated(room.seats.values()):
            others |= {name: seat.id for name in (seat.name, *seat.aliases) if seat.id != role.id}
        return others

    async def _stream(self, engine: Engine, role: Role, heard: Heard, reply: Reply) -> None:
        """Feeds the engine's pieces to the reply until one of them ends."""
        sampling = msgspec.structs.replace(role.sampling, seed=self.running.seed)
        told = partial(self._note_usage, heard.audience)
        pieces = engine.stream(heard.prompt, adapter=role.adapter, sampling=sampling, told=told)
        try:
            async with asyncio.timeout(self._stage.limits.turn), aclosing(pieces):
                async for piece in _in_time(pieces, self._stage.limits):
                    await self._tell(reply.feed(piece.encode("utf-8", "replace").decode()))  # no lone surrogates
                    if reply.over:
                        break
        except TimeoutError:
            raise EngineError(f"{role.name} took too long to answer", code="timeout") from None
        await self._tell(reply.finish())

    def _note_usage(self, audience: Audience | None, usage: Usage) -> None:
        """Keeps what the prompt cost, for those who may know of all that stood in it."""
        usage = msgspec.structs.replace(usage, audience=audience)
        self.running = msgspec.structs.replace(self.running, usage=usage)

    async def _tell(self, shown: str) -> None:
        if not shown:
            return
        turn, room, now = self.running, self._stage.id, asyncio.get_running_loop().time()
        self.running = msgspec.structs.replace(turn, text=turn.text + shown)
        if now - self._saved > CHECKPOINT_SECONDS:  # the first words always: whoever saw them will find the turn
            self._saved = now
            await self._stage.history.checkpoint(room, self.running)
        if not turn.text:
            self._publish(Start(room=room, turn=turn.id, author=turn.author, audience=turn.audience))
        self._publish(Delta(room=room, turn=turn.id, offset=len(turn.text), text=shown))

    def _publish(self, frame: ServerFrame) -> None:
        self._stage.publish(frame, self.running.audience)


async def _in_time(pieces: AsyncGenerator[str, None], limits: TurnLimits) -> AsyncGenerator[str, None]:
    """Passes pieces on as long as none takes longer than it may."""
    limit = limits.first_token
    while True:
        try:
            async with asyncio.timeout(limit):
                piece = await anext(pieces)
        except StopAsyncIteration:
            return
        yield piece
        limit = limits.token_gap
