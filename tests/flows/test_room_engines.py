"""A room over the engine pool on a machine whose memory is too small for all who sit in it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from chatroom.cast import Cast
from chatroom.engine_pool import EnginePool
from chatroom.frames import EndFrame, Floor, Say, Seat, ServerFrame
from chatroom.history.sqlite import History
from chatroom.messages import Audience, Message
from chatroom.room_manager import RoomManager
from chatroom.rooms import RoomFile
from chatroom.speaking import TurnLimits
from tests.pool_world import World


class Evening:
    """One room with one person in it."""

    def __init__(self, manager: RoomManager) -> None:
        self.manager, self.person = manager, manager.admit("Ann")
        self.ended: list[EndFrame] = []
        self._said = 0
        self._silent: asyncio.Queue[int] = asyncio.Queue()
        manager.publish = self._publish

    def _publish(self, room: str, frame: ServerFrame, audience: Audience | None) -> None:
        if isinstance(frame, Floor) and not frame.busy:
            self._silent.put_nowait(frame.seq)
        if isinstance(frame, EndFrame):
            self.ended.append(frame)

    async def say(self, text: str) -> list[Message]:
        """What is answered until the room is silent."""
        self._said += 1
        ok = await self.manager.receive(Say(cid=f"c{self._said}", room="inn", text=text), self.person)
        assert ok is not None
        async with asyncio.timeout(60):
            while await self._silent.get() < ok.seq:
                pass
        room = await self.manager.open("inn")
        return [message for message in room.room.messages if message.seq > ok.seq]


@asynccontextmanager
async def evening(world: World, pool: EnginePool, turns: str = "addressed") -> AsyncIterator[Evening]:
    file = RoomFile(id="inn", name="The Inn", premise="A storm.", roles=("mara", "tobin"), turns=turns)
    cast = Cast(world.settings.roles, world.settings.models)
    manager = RoomManager({"inn": file}, cast, pool, History(world.home / "log"), TurnLimits())
    try:
        seated = Evening(manager)
        await manager.enter(Seat(room="inn"), seated.person, lambda: None)
        yield seated
    finally:
        await manager.close()


def two_models(home: Path) -> World:
    world = World(home, "a", "b")
    world.role("mara", "a")
    world.role("tobin", "b")
    return world


async def test_roles_take_turns_in_too_small_a_memory(tmp_path: Path) -> None:
    world = two_models(tmp_path)
    async with world.pool(3) as pool, evening(world, pool) as room:
        said = [await room.say(f"{name}?") for name in ("Mara", "Tobin", "Mara")]
        assert [[message.author.id for message in each] for each in said] == [["mara"], ["tobin"], ["mara"]]
        assert all(message.text == "I heard you." for each in said for message in each)


async def test_who_spoke_last_is_ready_after_a_restart(tmp_path: Path) -> None:
    world = two_models(tmp_path)
    async with world.pool(3) as pool, evening(world, pool) as room:
        await room.say("Mara?")
        await room.say("Tobin?")
    async with world.pool(3) as pool, evening(world, pool) as room:
        async with asyncio.timeout(60):
            while not world.works.up or not world.works.up[0].warmed:
                await asyncio.sleep(0)
        assert [engine.name for engine in world.works.up] == ["b"]


async def test_who_speaks_next_is_asked_of_what_runs(tmp_path: Path) -> None:
    world = two_models(tmp_path)
    async with world.pool(3) as pool, evening(world, pool, "director") as room:
        await room.say("Tobin?")
        started = [engine.starts for engine in world.works.made]
        world.works.likeliest = "Tobin:"
        said = await room.say("It is late.")
        assert {message.author.id for message in said} == {"tobin"}
        assert {engine.name for engine in world.works.made if engine.scored} == {"b"}
        assert [engine.starts for engine in world.works.made] == started


async def test_a_failed_engine_fails_one_turn_only(tmp_path: Path) -> None:
    world = two_models(tmp_path)
    world.works.fail["a"] = 100
    async with world.pool(8) as pool, evening(world, pool) as room:
        await room.say("Mara?")
        assert [message.author.id for message in await room.say("Tobin?")] == ["tobin"]
        failed = [(end.author.id, end.error) for end in room.ended if end.status == "failed"]
        assert failed == [("mara", "its start was told to fail")]
