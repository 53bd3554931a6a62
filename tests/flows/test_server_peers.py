"""What the websocket server does with peers that are slow, silent or hostile, while others go on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from websockets.frames import Frame, Opcode

from chatroom.frames import (
    AnyServerFrame,
    Delta,
    Hello,
    History,
    Ok,
    PostedFrame,
    Seat,
    Snap,
    Start,
    encode,
)
from chatroom.server import Bounds
from tests.flows.tavern import MARA, House, masked, soon, visited


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with visited(tmp_path) as house:
        yield house


async def test_stalled_reader_is_cut_off(house: House) -> None:
    await house.serve(bounds=Bounds(unsent_shed=20_000, unsent_cut=60_000))
    await house.neighbour("Slow", max_queue=1)
    ann = await house.guest("Ann")

    async def talk() -> None:
        while "~slow" in house.tavern.present:
            said = house.tavern.post("tavern", MARA, "x" * 10_000)
            assert (await ann.next(PostedFrame)).seq == said.seq

    await soon(talk())
    assert house.tavern.present == ["~ann"]


async def test_standing_still_ends_in_time(house: House) -> None:
    await house.serve(bounds=Bounds(stalled=0.05, sweep=0.01))
    await house.neighbour("Slow", max_queue=1)
    ann = await house.guest("Ann")
    for _ in range(60):  # more than the socket's buffers hold, less than the cut
        house.tavern.post("tavern", MARA, "x" * 10_000)
        await ann.next(PostedFrame)
    await house.until_present("~ann")
    await ann.say("alive")
    assert (await ann.next(Ok)).seq == 61


async def test_shed_deltas_are_healed(house: House) -> None:
    await house.serve(bounds=Bounds(unsent_shed=20_000, unsent_cut=1 << 26, sweep=0.01, delta_tick=0.0))
    slow, ann = await house.neighbour("Slow", max_queue=1), await house.guest("Ann")
    text = ""
    house.tavern.publish("tavern", Start(room="tavern", turn="t1", author=MARA), None)
    for number in range(200):
        piece = f"{number:>5000}"
        house.tavern.publish("tavern", Delta(room="tavern", turn="t1", offset=len(text), text=piece), None)
        text += piece
        assert (await ann.next(Delta)).offset + len(piece) == len(text)
    told = await slow.next(Start)
    pieces: list[AnyServerFrame] = []
    while not isinstance(frame := await slow.read(), Snap):
        pieces.append(frame)
    assert (told.turn, frame.turn, frame.text) == ("t1", "t1", text)
    assert 0 < len(pieces) < 200


async def test_silence_before_hello_ends(house: House) -> None:
    await house.serve(bounds=Bounds(hello=0.3, sweep=0.01))
    assert await (await house.guest()).closed() == 4001


async def test_dead_peer_is_noticed_alone(house: House) -> None:
    await house.serve(bounds=Bounds(quiet=0.05, unanswered=0.2, sweep=0.01))
    ann = await house.guest("Ann")
    _, reader, writer = await house.raw()
    writer.write(masked(Opcode.TEXT, encode(Hello(name="Dead"))))
    await house.until_present("~ann", "~dead")
    await soon(reader.read())
    writer.close()
    await house.until_present("~ann")
    await ann.say("alive")
    assert (await ann.next(Ok)).seq == 1


@pytest.mark.parametrize(
    "bounds",
    [
        Bounds(inflow=50_000, unsent_early=1 << 30, hello=3600.0, stalled=3600.0, sweep=0.01),
        Bounds(inflow=1 << 30, unsent_early=50_000, hello=3600.0, stalled=3600.0, sweep=0.01),
    ],
)
async def test_flood_of_pings_is_cut(house: House, bounds: Bounds) -> None:
    await house.serve(bounds=bounds)
    _, _, writer = await house.raw()
    flood = masked(Opcode.PING, b"x" * 120) * 1000

    async def pour() -> None:
        while True:
            writer.write(flood)
            await writer.drain()

    with pytest.raises(ConnectionError):
        await soon(pour())
    writer.close()


async def test_greedy_client_is_made_to_wait(house: House) -> None:
    await house.serve(bounds=Bounds(burst=1000, unsent_shed=20_000, unsent_cut=100_000, sweep=0.01))
    for _ in range(20):
        house.tavern.post("attic", MARA, "x" * 4000)
    ann = await house.neighbour(max_queue=1)
    await ann.hello("Ann", rooms=(Seat(room="attic"),))
    for number in range(100):
        await ann.send(History(cid=f"c{number}", room="attic"))
    assert [(await ann.next(Ok)).cid for _ in range(100)] == [f"c{number}" for number in range(100)]


async def test_broken_protocol_frees_the_seat(house: House) -> None:
    await house.serve(bounds=Bounds(closing=0.05, sweep=0.01))
    _, _, writer = await house.raw()
    writer.write(masked(Opcode.TEXT, encode(Hello(name="Odd"))))
    await house.until_present("~odd")
    writer.write(Frame(Opcode.TEXT, b"{}").serialize(mask=False))  # and it never closes its side
    await house.until_present()
    writer.close()
