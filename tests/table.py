"""A room for tests: the real manager, journal and SQLite log over the scripted engine, without sockets."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from chatroom.cast import Cast
from chatroom.engine_pool import EnginePool
from chatroom.engines.scripted import Engine, Reply
from chatroom.frames import Floor, Say, Seat, ServerFrame
from chatroom.history.sqlite import History
from chatroom.librarian import Librarian
from chatroom.messages import Audience, Message, Posted, Prompt, Speaker
from chatroom.open_room import OpenRoom
from chatroom.room_manager import RoomManager
from chatroom.rooms import RoomFile
from chatroom.settings import Settings
from chatroom.speaking import TurnLimits

WAIT = 60
"""Seconds after which a condition that never comes true fails a test."""


def write_role(roles: Path, id: str, *, name: str = "", extra: str = "", persona: str = "") -> Path:
    """A role folder that speaks with the scripted engine."""
    folder = roles / id
    (folder / "mind").mkdir(parents=True, exist_ok=True)
    (folder / "role.toml").write_text(
        f'name = "{name or id.title()}"\n{extra}\n[model]\nengine = "scripted"\nbase = "example/base"\n', "utf-8"
    )
    (folder / "persona.md").write_text(persona or f"{id} is {id}.", "utf-8")
    return folder


class Table:
    """One open room, and everything that was published in it."""

    def __init__(self, home: Path, manager: RoomManager, pool: EnginePool) -> None:
        self.home, self.manager, self.pool = home, manager, pool
        self.told: list[tuple[ServerFrame, Audience | None]] = []
        self.room: OpenRoom
        self._news = asyncio.Event()
        manager.publish = self._publish

    def _publish(self, room: str, frame: ServerFrame, audience: Audience | None) -> None:
        self.told.append((frame, audience))
        self._news.set()

    @property
    def engine(self) -> Engine:
        engine = self.pool.engine(self.room._cast.role(next(iter(self.room.room.seats))))
        assert isinstance(engine, Engine)
        return engine

    @property
    def prompts(self) -> list[Prompt]:
        return [asked.prompt for asked in self.engine.asked]

    async def enter(self, name: str, seat: Seat | None = None) -> Speaker:
        person = self.manager.admit(name)
        await self.manager.enter(seat or Seat(room="inn"), person, lambda: None)
        return person

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(WAIT):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def say(self, person: Speaker, text: str, *, audience: Audience | None = None) -> list[Message]:
        """Says something and waits until the room has fallen silent; gives what was said in answer."""
        cid = f"c{secrets.token_hex(8)}"
        if audience is None:
            ok = await self.manager.receive(Say(cid=cid, room="inn", text=text), person)
        else:
            ok = await self.room.say(text, person, cid=cid, audience=audience)
        assert ok is not None
        await self.silence(ok.seq)
        return [message for message in self.room.room.messages if message.seq > ok.seq]

    async def post(self, person: Speaker, text: str, audience: Audience | None = None) -> None:
        """Has something said that nobody answers: into the log, past the conductor."""
        said = Posted(id=f"m{secrets.token_hex(8)}", author=person, text=text, cid="", at=0.0, audience=audience)
        await self.room._journal.commit(said)

    async def silence(self, seq: int) -> None:
        await self.until(lambda: any(isinstance(f, Floor) and not f.busy and f.seq >= seq for f, _ in self.told))

    def script(self, *replies: Reply | str) -> None:
        self.engine.script.extend(reply if isinstance(reply, Reply) else Reply(text=reply) for reply in replies)


@asynccontextmanager
async def table(
    home: Path,
    roles: tuple[str, ...] = ("mara", "tobin"),
    *,
    limits: TurnLimits | None = None,
    librarian: Librarian | None = None,
    find: Any = None,
    **room: Any,
) -> AsyncGenerator[Table, None]:
    """Opens a room with these roles (folders are made where they are missing)."""
    for id in roles:
        if not (home / "roles" / id).exists():
            write_role(home / "roles", id)
    settings = Settings(home=home / "var", roles=home / "roles", context=2048)
    pool = EnginePool(settings)
    file = RoomFile(
        **({"id": "inn", "name": "The Inn", "premise": "A storm.", "roles": roles, "turns": "addressed"} | room)
    )
    manager = RoomManager(
        {"inn": file},
        Cast(settings.roles, home / "models"),
        pool,
        History(settings.home),
        limits or TurnLimits(),
        librarian=librarian,
        find=find,
    )
    seat = Table(home, manager, pool)
    try:
        seat.room = await manager.open("inn")
        yield seat
    finally:
        await manager.close()
