"""What the websocket server says to frames that are bad or too many, and to trouble behind it."""

import json
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chatroom.frames import (
    MAX_FRAME,
    Error,
    History,
    Ok,
    Say,
    Typing,
    encode,
)
from chatroom.server import Bounds
from tests.flows.tavern import House, visited


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with visited(tmp_path) as house:
        yield house


@pytest.mark.parametrize(
    ("raw", "code", "path", "cid"),
    [
        ("{", "bad_json", "", ""),
        ('{"op":"say","cid":"c1","room":"tavern","text":"\\ud800"}', "bad_json", "", ""),
        pytest.param("[" * 5000, "bad_field", "", "", id="nested"),
        ('{"op":"dance","cid":"c1"}', "bad_field", "$.op", "c1"),
        ('{"op":"say","cid":"c1","room":"../x","text":"hi"}', "bad_field", "$.room", "c1"),
        ('{"op":"say","cid":"c1","room":"tavern","text":""}', "bad_field", "$.text", "c1"),
        ('{"op":"say","cid":"c1","room":"tavern","text":"hi","seq":7}', "bad_field", "", "c1"),
    ],
)
async def test_unreadable_frames_are_explained(house: House, raw: str, code: str, path: str, cid: str) -> None:
    await house.serve()
    ann = await house.guest("Ann")
    await ann.socket.send(raw)
    refused = await ann.next(Error)
    assert (refused.code, refused.path, refused.cid, refused.fatal) == (code, path, cid, False)
    await ann.say("still here")
    assert (await ann.next(Ok)).cid == "c1"
    assert [event.text for event in house.tavern.log["tavern"]] == ["still here"]


async def test_ten_unreadable_frames_end_it(house: House) -> None:
    await house.serve()
    ann = await house.guest("Ann")
    for _ in range(10):
        await ann.socket.send("nonsense")
    errors = [await ann.next(Error) for _ in range(10)]
    assert [error.fatal for error in errors] == [False] * 9 + [True]
    assert await ann.closed() == 4002


async def test_binary_and_oversized_frames_end_it(house: House) -> None:
    await house.serve()
    ann, bob = await house.guest("Ann"), await house.guest("Bob")
    await ann.socket.send(b"{}")
    await bob.socket.send(json.dumps({"op": "say", "text": "x" * MAX_FRAME}))
    assert await ann.closed() == 1003
    assert await bob.closed() == 1009


async def test_too_many_frames_must_wait(house: House) -> None:
    await house.serve(bounds=Bounds(burst=2, per_second=0.001, strikes=3))
    ann, again = await house.guest("Ann"), await house.guest("Ann")
    for number in range(3):
        await ann.say("hi", f"c{number}")
    refused = await ann.next(Error)
    assert (refused.code, refused.cid, refused.retry_ms > 0) == ("rate", "c2", True)
    for number in range(3):
        await again.say("hi", f"d{number}")
    assert await again.closed() == 4008
    bob = await house.guest("Bob")
    await bob.say("hi")
    assert (await bob.next(Ok)).seq == 3


async def test_storage_trouble_is_an_answer(house: House) -> None:
    await house.serve()
    ann = await house.guest("Ann")
    await ann.say("disk full", "c1")
    assert ((refused := await ann.next(Error)).code, refused.cid, refused.fatal) == ("storage", "c1", False)
    await ann.say("and on", "c2")
    assert (await ann.next(Ok)).cid == "c2"


async def test_crash_ends_one_connection_only(house: House, caplog: pytest.LogCaptureFixture) -> None:
    await house.serve()
    ann, bob = await house.guest("Ann"), await house.guest("Bob")
    await ann.say("crash 4711")
    assert await ann.closed() == 1011
    assert "ZeroDivisionError" in caplog.text
    assert "4711" not in caplog.text
    await bob.say("unharmed")
    assert (await bob.next(Ok)).seq == 1


async def test_mangled_frames_crash_nothing(house: House, caplog: pytest.LogCaptureFixture) -> None:
    await house.serve(bounds=Bounds(burst=10_000, unreadable=10_000))
    rng = random.Random(7)
    ann = await house.guest("Ann")
    samples = [
        encode(Say(cid="c1", room="tavern", text="hi \u202e ⟦[/]⟧")).decode(),
        encode(History(cid="c2", room="tavern", before=1)).decode(),
        encode(Typing(room="tavern")).decode(),
    ]
    for _ in range(600):
        letters = list(rng.choice(samples))
        for _ in range(rng.randrange(1, 4)):
            letters[rng.randrange(len(letters))] = rng.choice('"{}[]:,\\ue0\x00-9E')
        await ann.socket.send("".join(letters))
    await ann.say("still here", "last")
    while (await ann.next(Ok)).cid != "last":
        pass
    assert caplog.records == []
