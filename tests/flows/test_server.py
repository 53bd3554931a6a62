"""The websocket server from outside: talking, being heard by the right ones, leaving, and the end."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chatroom.frames import (
    Bye,
    Error,
    Hello,
    Ok,
    PostedFrame,
    Seat,
    Welcome,
)
from chatroom.server import Bounds
from tests.flows.tavern import MARA, House, soon, visited


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with visited(tmp_path) as house:
        yield house


async def test_everybody_sees_the_same_order(house: House) -> None:
    await house.serve(bounds=Bounds(burst=1000))
    guests = [await house.guest("Ann"), await house.neighbour("Bob")]
    for number in range(40):
        await asyncio.gather(*(guest.say(f"{number}", f"c{number}") for guest in guests))
    heard = [[await guest.next(PostedFrame) for _ in range(80)] for guest in guests]
    assert heard[0] == heard[1] == house.tavern.log["tavern"]
    assert [frame.seq for frame in heard[0]] == list(range(1, 81))


async def test_latecomer_gets_what_was_said(house: House) -> None:
    await house.serve()
    ann = await house.guest("Ann")
    await ann.say("before")
    assert (await ann.next(Ok)).seq == 1
    bob = await house.guest()
    welcome = await bob.hello("Bob", rooms=(Seat(room="tavern"),))
    await ann.say("after", "c2")
    assert [event.seq for event in welcome.rooms[0].events] == [1]
    assert (await bob.next(PostedFrame)).text == "after"


async def test_welcome_comes_before_everything_else(house: House) -> None:
    await house.serve()
    house.tavern.may_enter.clear()
    house.tavern.post("tavern", MARA, "before")
    bob = await house.guest()
    await bob.send(Hello(name="Bob"))
    await house.until_present("~bob")
    house.tavern.post("tavern", MARA, "meanwhile")
    house.tavern.may_enter.set()
    welcome = await bob.read()
    assert isinstance(welcome, Welcome)
    assert [getattr(event, "text", "") for event in welcome.rooms[0].events] == ["before"]
    assert (await bob.next(PostedFrame)).text == "meanwhile"


async def test_whispers_and_other_rooms_stay_private(house: House) -> None:
    await house.serve()
    ann, bob = await house.guest("Ann"), await house.guest("Bob")
    house.tavern.post("tavern", MARA, "psst", frozenset({"~ann"}))
    house.tavern.post("attic", MARA, "upstairs")
    house.tavern.post("tavern", MARA, "hello")
    assert [(await ann.next(PostedFrame)).text for _ in range(2)] == ["psst", "hello"]
    assert (await bob.next(PostedFrame)).text == "hello"


async def test_rooms_not_sat_in_are_forbidden(house: House) -> None:
    await house.serve()
    ann = await house.guest("Ann")
    await ann.say("hello?", "c9", room="attic")
    refused = await ann.next(Error)
    assert (refused.code, refused.cid, house.tavern.log["attic"]) == ("forbidden", "c9", [])


async def test_leaving_is_told_to_the_manager(house: House) -> None:
    await house.serve()
    ann = await house.guest()
    await ann.hello("Ann", rooms=(Seat(room="tavern"), Seat(room="attic"), Seat(room="attic")))
    assert house.tavern.present == ["~ann", "~ann"]
    await ann.socket.close()
    await house.until_present()


async def test_compression_is_never_negotiated(house: House) -> None:
    await house.serve()
    ann = await house.guest("Ann", compression="deflate")
    assert ann.socket.protocol.extensions == []


async def test_close_says_bye_to_all(house: House) -> None:
    await house.serve()
    guests = [await house.guest("Ann"), await house.neighbour("Bob")]
    house.tavern.post("tavern", MARA, "last words")
    closing = asyncio.ensure_future(house.server.close())
    for guest in guests:
        assert (await guest.next(PostedFrame)).text == "last words"
        assert (await guest.next(Bye)).retry_ms > 0
        assert await guest.closed() == 1012
    await soon(closing)
    await house.server.close()
    assert house.tavern.present == []
    with pytest.raises(OSError, match="Connect call failed"):
        await house.guest()


async def test_close_waits_for_nobody_long(house: House) -> None:
    await house.serve(bounds=Bounds(shutdown=0.05, closing=3600.0, hello=3600.0))
    await house.neighbour("Slow", max_queue=1)
    _, _, writer = await house.raw()
    _, half_open = await asyncio.open_connection("127.0.0.1", house.server.port)
    for _ in range(60):
        house.tavern.post("tavern", MARA, "x" * 10_000)
    await soon(house.server.close())
    assert house.tavern.present == []
    for stream in (writer, half_open):
        stream.close()


async def test_close_survives_a_stuck_manager(house: House) -> None:
    await house.serve(bounds=Bounds(shutdown=0.05, closing=0.05))
    house.tavern.may_enter.clear()
    ann = await house.guest()
    await ann.send(Hello(name="Ann"))
    await house.until_present("~ann")
    await soon(house.server.close())
    assert await ann.closed() == 1012
    house.tavern.may_enter.set()
    await house.until_present()
