"""Puts a server together and runs it until it is told to end: the one place where all parts meet.

It ends on SIGTERM or SIGINT, and, where it was started for the terminals of this machine, with the last of them.
Turns that run are stopped then, with what was said so far.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Mapping

from chatroom import plugins
from chatroom.cast import Cast
from chatroom.engine_pool import EnginePool
from chatroom.librarian import Librarian, Setup
from chatroom.room_manager import RoomManager
from chatroom.rooms import RoomFile
from chatroom.server import Broadcast, Server
from chatroom.settings import Settings
from chatroom.speaking import TurnLimits
from commands._local import Address, announce, free_port, join_line, last_one_out, outward, socket_path
from commands.base import say


async def serve_rooms(
    settings: Settings,
    rooms: Mapping[str, RoomFile],
    *,
    local: bool,
    find: Callable[[str], RoomFile] | None = None,
    token: str = "",
) -> None:
    """Serves rooms until the end.

    Args:
        settings: Where to listen, where the log lives, who answers.
        rooms: By id; the first is the one meant when a client names none.
        local: Whether the server is there for the terminals of this machine only: it takes another port where its
            own is taken, and ends with the last of them.
        find: Reads a room that is made later; None if only these rooms are to be served.
        token: As the line for others shows it.
    """
    over = _told_to_end()
    manager, broadcast, path = _manager(settings, rooms, find), Broadcast(), socket_path(settings.home)
    manager.publish = broadcast.publish
    server = Server(
        manager,
        broadcast,
        host=settings.host,
        port=free_port(settings.host, settings.port) if local else settings.port,
        token=settings.token,
        socket_file=path,
        origins=settings.origins,
    )
    try:
        await server.start()
        url = _url(outward(settings.host), server.port)
        announce(settings.home, Address(pid=os.getpid(), url=url, socket=str(path)))
        say(f"serving {', '.join(rooms)} at {url}\n{join_line(url, token)}")
        await (_first(over.wait(), last_one_out(settings.home)) if local else over.wait())
    finally:
        await manager.hush()
        await server.close()
        await manager.close()


def _told_to_end() -> asyncio.Event:
    """Set by SIGTERM or SIGINT."""
    over, loop = asyncio.Event(), asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, over.set)
    return over


async def _first(*waits: Coroutine[object, object, object]) -> None:
    """Waits for whichever comes first."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        await next(iter(done))
    finally:
        for task in tasks:
            task.cancel()


def _manager(settings: Settings, rooms: Mapping[str, RoomFile], find: Callable[[str], RoomFile] | None) -> RoomManager:
    limits = TurnLimits(
        without_person=settings.turns_without_person,
        first_token=settings.first_token_seconds,
        token_gap=settings.token_gap_seconds,
        turn=settings.turn_seconds,
    )
    history = plugins.load("chatroom.history", settings.history).History(settings.home)
    cast = Cast(settings.roles, settings.models)
    librarian = Librarian(Setup(home=settings.home, embedder=settings.embedder, reranker=settings.reranker))
    return RoomManager(rooms, cast, EnginePool(settings), history, limits, librarian=librarian, find=find)


def _url(host: str, port: int) -> str:
    return f"ws://[{host}]:{port}" if ":" in host else f"ws://{host}:{port}"
