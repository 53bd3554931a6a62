"""One open room: its journal, its conductor, and who sits in it.

Requests come in as frames that were decoded and allowed; answers are `Ok` or `RefusedError`, given only after what they
acknowledge is durable. Knows no socket: it hands frames to `publish`.
"""

import asyncio
import secrets
from collections.abc import Callable
from time import time

from chatroom import frames
from chatroom.attendance import Attendance
from chatroom.cast import Cast, speaker
from chatroom.conductor import Conductor
from chatroom.context import Scene
from chatroom.engine_pool import EnginePool
from chatroom.errors import FolderError, RefusedError
from chatroom.frames import ClientFrame, Ok, RoomState, Seated, ServerFrame
from chatroom.hearing import Hearing
from chatroom.history.base import History
from chatroom.journal import Journal
from chatroom.librarian import Librarian
from chatroom.messages import AnyEvent, Audience, Ended, Entry, Joined, Speaker
from chatroom.recalling import Recalling
from chatroom.room import Room
from chatroom.rooms import RoomFile
from chatroom.speaking import Stage, TurnLimits
from chatroom.words import words

FIRST_PAGE = 50
"""Events that somebody who comes in is shown at once."""
TYPING_SECONDS = 1.0


class OpenRoom:
    """A room that is being served.

    Args:
        file: The room as its file describes it.
        cast: The roles as they are now.
        publish: Hands a frame to the persons with these ids; None: to all in the room.
        librarian: Reminds the roles of what they know; None reminds nobody of anything.
    """

    def __init__(
        self,
        file: RoomFile,
        cast: Cast,
        pool: EnginePool,
        history: History,
        limits: TurnLimits,
        publish: Callable[[ServerFrame, Audience | None], None],
        librarian: Librarian | None = None,
    ) -> None:
        self.file, self.room = file, Room(cap=file.turns_without_person or limits.without_person)
        self._cast, self._pool, self._history, self._publish = cast, pool, history, publish
        self._attendance = Attendance(self._tell_roster)
        self._told: tuple[Seated, ...] = ()
        self._journal = Journal(file.id, self.room, history, publish=publish, online=self._online)
        scene = Scene(room=file.id, premise=file.premise, words=words(file.language))
        self._stage = Stage(
            room=self.room,
            hearing=Hearing(scene, history, untold=file.absence == "unheard"),
            recalling=Recalling(file, history, librarian),
            cast=cast,
            pool=pool,
            history=history,
            limits=limits,
            publish=publish,
            present=lambda: self._attendance.persons,
        )
        self._typed: dict[str, float] = {}
        self._deciding = asyncio.Lock()
        """Held from a decision until what it decided is committed and folded."""

    async def open(self) -> None:
        """Reads the log, seats the roles that the file names, and begins to conduct."""
        await self._journal.open()
        self._stage.recalling.open(self._journal.epoch)
        await self._seat_all()
        self._tell_pool()
        self._conductor = Conductor(
            self._stage, policy=self.file.turns, seed=self._journal.epoch, commit=self._commit_end
        )
        self.room.rest()
        if self.room.waiting():
            self._conductor.wake()
        self._task = asyncio.create_task(self._conductor.run())

    async def close(self) -> None:
        """Ends the running turn as interrupted, and everything else."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._pool.leave(self.file.id)
        await self._stage.recalling.close()
        await self._journal.close()
        self._attendance.close()

    # --- coming and going ---------------------------------------------------------------------------------------------

    async def enter(self, seat: frames.Seat, person: Speaker, subscribe: Callable[[], None]) -> RoomState:
        """Sits a person down; `subscribe` is called in the very step in which the state is taken."""
        await self._seat_all()
        async with self._deciding:
            if person.id not in self.room.persons:
                await self._journal.commit(Joined(who=person, at=time()))
        recovered = seat.epoch == self._journal.epoch and seat.seq <= self._journal.last_seen(person.id)
        after = seat.seq if recovered else None
        limit = frames.MAX_PAGE if recovered else FIRST_PAGE
        while True:
            head = self.room.head
            entries = list(await self._history.view(self.file.id, person.id, after=after, limit=limit + 1))
            if head == self.room.head:
                break
        more = len(entries) > limit
        shown = entries[:limit] if recovered else entries[-limit:]
        subscribe()
        self._attendance.come(person)
        return self._state(person, shown, recovered=recovered, more=more)

    def leave(self, person: Speaker) -> None:
        """One connection of this person is gone."""
        self._attendance.go(person)

    def _state(self, person: Speaker, shown: list[Entry], *, recovered: bool, more: bool) -> RoomState:
        turn, room = self._conductor.running, self.file.id
        snap = turn and frames.Snap(room=room, turn=turn.id, author=turn.author, text=turn.text, audience=turn.audience)
        return RoomState(
            room=room,
            name=self.file.name,
            premise=self.file.premise,
            epoch=self._journal.epoch,
            head=self._journal.last_seen(person.id),
            roster=self._roster(),
            recovered=recovered,
            events=tuple(frames.durable(room, entry) for entry in shown),
            more=more,
            busy=self._conductor.busy,
            running=(snap,) if snap and snap.text and self._hears_turn(person) else (),
        )

    def _hears_turn(self, person: Speaker) -> bool:
        """Whether a turn is under way that this person hears: nobody else may know of it, or stop it."""
        turn = self._conductor.running
        return turn is not None and (turn.audience is None or person.id in turn.audience)

    def _online(self) -> list[str]:
        return [person.id for person in self._attendance.persons]

    def _tell_roster(self) -> None:
        if (roster := self._roster()) != self._told:
            self._told = roster
            self._publish(frames.Presence(room=self.file.id, roster=roster), None)

    def _roster(self) -> tuple[Seated, ...]:
        broken = (id_ for id_ in self.file.roles if id_ not in self.room.seated_at)
        waiting = [Speaker(id=id_, name=id_, kind="role") for id_ in broken]
        roles = [self._seated(who) for who in (*self.room.seats.values(), *waiting)]
        return (*roles, *(Seated(who=person) for person in self._attendance.persons))

    def _seated(self, who: Speaker) -> Seated:
        try:
            role = self._cast.role(who.id)
        except FolderError as fault:
            return Seated(who=who, fault=str(fault))
        return Seated(who=who, about=role.about, aliases=role.aliases)

    # --- requests -----------------------------------------------------------------------------------------------------

    async def receive(self, frame: ClientFrame, person: Speaker) -> Ok | None:
        """Carries out what a person asks for.

        Raises:
            RefusedError: With a stable code; nothing has changed then.
        """
        match frame:
            case frames.Say(cid=cid, text=text):
                return await self.say(text, person, cid=cid)
            case frames.Stop(cid=cid, turn=turn):
                if not (self._hears_turn(person) and self._conductor.stop(turn)):
                    raise RefusedError("nothing_running", "nobody is speaking")
                return Ok(cid=cid)
            case frames.Retry(cid=cid, id=id_):
                async with self._deciding:
                    running = self._conductor.running is not None
                    retried = self.room.retry(id_, person, cid=cid, at=time(), running=running)
                    return await self._commit(retried, person, cid)
            case frames.Invite(cid=cid, role=name):
                return await self._invite(name, person, cid)
            case frames.Dismiss(cid=cid, role=name):
                async with self._deciding:
                    left = self.room.dismiss(name, cid=cid, at=time())
                    ok = await self._commit(left, person, cid, wake=False)
                self._tell_pool()
                self._attendance.changed()
                return ok
            case frames.History():
                return await self._page(frame, person)
            case frames.Typing():
                self._typing(person)
                return None
        raise RefusedError("unexpected", "this is not for a room")

    async def say(self, text: str, person: Speaker, *, cid: str, audience: Audience | None = None) -> Ok:
        """A person says something, to everybody or as a whisper to an audience (the person's own id among it)."""
        posted = self.room.say(text, person, id=f"m{secrets.token_hex(8)}", cid=cid, at=time(), audience=audience)
        return await self._commit(posted, person, cid)

    async def _commit(self, event: AnyEvent, person: Speaker, cid: str, *, wake: bool = True) -> Ok:
        appended = await self._journal.commit(event, sender=person.id, cid=cid)
        if wake and not appended.dup:
            self._conductor.wake()
        return Ok(cid=cid, seq=appended.entry.seq, id=getattr(appended.entry.event, "id", ""), dup=appended.dup)

    async def _commit_end(self, ended: AnyEvent) -> None:
        """A turn is over; it may have shown that a role's folder is broken, or mended."""
        await self._journal.commit(ended)
        self._attendance.changed()

    async def _invite(self, name: str, person: Speaker, cid: str) -> Ok:
        id_ = self._cast.names().get(name.casefold(), name)
        try:
            role = self._cast.role(id_)
        except FolderError as fault:
            raise RefusedError("bad_role", str(fault)) from None
        async with self._deciding:
            ok = await self._commit(self.room.invite(speaker(role), cid=cid, at=time()), person, cid, wake=False)
            if not ok.dup:
                await self._greet(id_)
        self._tell_pool()
        self._attendance.changed()
        return ok

    async def _page(self, frame: frames.History, person: Speaker) -> Ok:
        entries = list(
            await self._history.view(
                self.file.id, person.id, after=frame.after, before=frame.before, limit=frame.limit + 1
            )
        )
        shown = entries[: frame.limit] if frame.after is not None else entries[-frame.limit :]
        events = tuple(frames.durable(self.file.id, entry) for entry in shown)
        return Ok(cid=frame.cid, events=events, more=len(entries) > frame.limit)

    def _typing(self, person: Speaker) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._typed.get(person.id, float("-inf")) >= TYPING_SECONDS:
            self._typed[person.id] = now
            self._publish(frames.TypingFrame(room=self.file.id, who=person), None)

    # --- roles --------------------------------------------------------------------------------------------------------

    async def _seat_all(self) -> None:
        """Gives the roles of the room's file a seat that never had one; a broken one waits until it is mended."""
        async with self._deciding:
            for id_ in self.file.roles:
                if id_ not in self.room.seated_at and not self._cast.fault(id_):
                    await self._journal.commit(Joined(who=speaker(self._cast.role(id_)), at=time()))
                    await self._greet(id_)

    def _tell_pool(self) -> None:
        """Tells the pool for whom engines are planned; one whose folder is broken is told when it is asked."""
        roles = [self._cast.role(id_) for id_ in self.room.seats if not self._cast.fault(id_)]
        spoken = [message.author.id for message in self.room.messages if message.author.kind == "role"]
        self._pool.sit(self.file.id, roles, spoken)

    async def _greet(self, id: str) -> None:
        role = self._cast.role(id)
        if role.greeting:
            said = Ended(
                id=f"t{secrets.token_hex(8)}", author=speaker(role), text=role.greeting, status="complete", at=time()
            )
            await self._journal.commit(said)
