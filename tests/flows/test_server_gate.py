"""Who the websocket server lets in: pages, host names, versions, tokens, the Unix socket, hello."""

import logging
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chatroom.errors import SettingsError
from chatroom.frames import (
    SUBPROTOCOL,
    Error,
    Hello,
    Seat,
)
from chatroom.server import Bounds
from chatroom.server.gate import is_loopback
from tests.flows.tavern import House, soon, visited


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with visited(tmp_path) as house:
        yield house


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://127.0.0.1.evil.example",
        "null",
        "http://127.0.0.1:1",
        "http://table.example.evil",
    ],
)
async def test_foreign_pages_are_refused(house: House, origin: str) -> None:
    await house.serve(origins=["https://table.example"])
    assert await house.status(Origin=origin) == "403"


async def test_own_and_allowed_pages_enter(house: House) -> None:
    await house.serve(origins=["https://table.example"])
    assert await house.status(Origin=f"http://127.0.0.1:{house.server.port}") == "101"
    assert await house.status(Origin="https://table.example") == "101"
    own = f"localhost:{house.server.port}"
    assert await house.status(Host=own, Origin=f"http://{own}") == "101"


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example:80", "[", "@"])
async def test_foreign_host_names_are_refused(house: House, host: str) -> None:
    await house.serve()
    assert await house.status(Host=host) == "403"
    assert await house.status(Host=host, Origin=f"http://{host}") == "403"


@pytest.mark.parametrize("offered", ["", "chatroom.v0", "chatroom.v9, soup"])
async def test_other_versions_learn_ours(house: House, offered: str) -> None:
    await house.serve()
    status, reader, writer = await house.raw(Sec_WebSocket_Protocol=offered)
    assert status == "400"
    assert SUBPROTOCOL.encode() in await soon(reader.read())
    writer.close()


async def test_token_opens_and_stays_secret(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await house.serve(token="open-sesame")
    assert await house.status(Authorization="Bearer open-sesame") == "101"
    assert await house.status(Authorization="Bearer open-sesam") == "401"
    assert (await (await house.guest()).hello("Ann", token="open-sesame")).you.id == "~ann"
    for token in ("", "guess"):
        stranger = await house.guest()
        await stranger.send(Hello(name="Bob", token=token))
        assert (await stranger.next(Error)).fatal
        assert await stranger.closed() == 4001
    ours = [record.getMessage() for record in caplog.records if record.name != "websockets.client"]
    assert not any("open-sesame" in message for message in ours)


async def test_unix_socket_is_its_owners(house: House) -> None:
    await house.serve(token="open-sesame")
    assert stat.S_IMODE(house.file.stat().st_mode) == 0o600
    assert (await (await house.neighbour()).hello("Ann")).you.name == "Ann"
    await house.server.close()
    assert not house.file.exists()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.7", "table.example"])
async def test_open_hosts_need_a_token(house: House, host: str) -> None:
    assert not is_loopback(host)
    with pytest.raises(SettingsError, match="token"):
        await house.serve(host=host)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1"])
def test_loopback_hosts_need_no_token(host: str) -> None:
    assert is_loopback(host)


async def test_taken_port_is_a_clear_error(house: House) -> None:
    await house.serve()
    taken = house.server.port
    with pytest.raises(SettingsError, match=str(taken)):
        await house.serve(port=taken)


async def test_connections_per_address_are_limited(house: House) -> None:
    await house.serve(bounds=Bounds(connections_per_host=1))
    ann = await house.guest("Ann")
    assert await house.status() == "429"
    await ann.socket.close()
    await house.until_present()
    await house.guest("Bob")


@pytest.mark.parametrize(
    ("hello", "code"), [(Hello(name="x1"), "bad_name"), (Hello(name="Ann", rooms=(Seat(room="cellar"),)), "no_room")]
)
async def test_refused_hello_says_why(house: House, hello: Hello, code: str) -> None:
    await house.serve()
    guest = await house.guest()
    await guest.send(hello)
    refused = await guest.next(Error)
    assert (refused.code, refused.fatal, await guest.closed()) == (code, True, 4003)
    assert house.tavern.present == []


async def test_hello_comes_first_and_once(house: House) -> None:
    await house.serve()
    rude = await house.guest()
    await rude.say("hi", "c5")
    refused = await rude.next(Error)
    assert (refused.code, refused.cid, await rude.closed()) == ("no_hello", "c5", 4001)
    ann = await house.guest("Ann")
    await ann.send(Hello(name="Bob"))
    assert (await ann.next(Error)).code == "hello_again"
