"""A client's connection against a server that breaks, repeats itself, leaves things out and refuses."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from random import Random

import pytest
from websockets.asyncio.server import ServerConnection, unix_serve

from chatroom.clients.base import BACKOFF, Connecting, Connection, News, Offline, Online
from chatroom.errors import ChatroomError, RefusedError
from chatroom.frames import (
    Bye,
    Delta,
    Error,
    Floor,
    Hello,
    History,
    Ok,
    PostedFrame,
    Retry,
    Say,
    Stop,
)
from tests.flows.scripted_server import ANN, GateClock, ScriptedServer, serving, serving_port, until, welcome


def posted(seq: int, prev: int | None = None) -> PostedFrame:
    before = seq - 1 if prev is None else prev
    return PostedFrame(room="r", seq=seq, prev=before, at=0, id=f"p{seq}", author=ANN, text=f"line {seq}")


class Listener:
    """A client that only remembers what it heard."""

    def __init__(self, connection: Connection) -> None:
        self.heard: list[News] = []
        self.error: ChatroomError | None = None
        self._connection = connection

    async def listen(self) -> None:
        try:
            async with aclosing(self._connection.listen("Ann")) as news:
                async for item in news:
                    self.heard.append(item)
        except ChatroomError as error:
            self.error = error

    @property
    def seqs(self) -> list[int]:
        """What a screen would hold: events of the welcomes, then those that came."""
        events = [item.rooms[0].events if hasattr(item, "rooms") else (item,) for item in self.heard]
        return [event.seq for group in events for event in group if isinstance(event, PostedFrame)]

    @property
    def states(self) -> list[type]:
        return [type(item) for item in self.heard if isinstance(item, Connecting | Online | Offline)]


@asynccontextmanager
async def listening(connection: Connection) -> AsyncIterator[Listener]:
    listener = Listener(connection)
    task = asyncio.create_task(listener.listen())
    try:
        yield listener
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ScriptedServer]:
    async with serving(tmp_path / "s") as scripted:
        yield scripted


def connection_to(server: ScriptedServer, clock: GateClock | None = None, **options: object) -> Connection:
    return Connection(str(server.path), rng=Random(1), clock=clock or GateClock(), **options)


async def test_hello_brings_the_welcome(server: ScriptedServer) -> None:
    connection = connection_to(server, token="key", rooms=("r",))
    async with listening(connection) as listener:
        peer = await server.peer()
        hello = await peer.receive(Hello)
        assert (hello.name, hello.token, hello.rooms[0].room, hello.rooms[0].seq) == ("Ann", "key", "r", 0)
        await peer.send(welcome(posted(1)))
        await until(lambda: listener.seqs == [1])
        assert listener.states == [Connecting, Online]
        assert connection.room == "r"


async def test_a_port_works_like_a_socket_file(tmp_path: Path) -> None:
    async with serving_port(tmp_path) as (server, address), listening(Connection(address)) as listener:
        peer = await server.peer()
        await peer.receive(Hello)
        await peer.send(welcome(posted(1)))
        await until(lambda: listener.seqs == [1])


async def test_say_returns_the_acknowledgement(server: ScriptedServer) -> None:
    connection = connection_to(server)
    async with listening(connection):
        peer = await server.peer()
        await peer.receive(Hello)
        await peer.send(welcome())
        saying = asyncio.create_task(connection.say("hello"))
        said = await peer.receive(Say)
        assert (said.room, said.text) == ("r", "hello")
        await peer.send(Ok(cid=said.cid, seq=1, id="p1"))
        assert (await saying).seq == 1
        assert connection.unsent == ()


async def test_a_lost_line_is_sent_again(server: ScriptedServer) -> None:
    clock = GateClock()
    connection = connection_to(server, clock)
    async with listening(connection) as listener:
        peer = await server.peer()
        await peer.receive(Hello)
        await peer.send(welcome(posted(1)))
        saying = asyncio.create_task(connection.say("hello"))
        first = await peer.receive(Say)
        peer.cut()
        await until(lambda: bool(clock.waits))
        assert connection.unsent == ("hello",)
        clock.tick()
        peer = await server.peer()
        seat = (await peer.receive(Hello)).rooms[0]
        assert (seat.room, seat.epoch, seat.seq) == ("r", "e", 1)
        await peer.send(welcome(posted(2), recovered=True))
        again = await peer.receive(Say)
        assert again == first
        await peer.send(Ok(cid=again.cid, seq=2, dup=True))
        assert (await saying).dup
        assert listener.seqs == [1, 2]


async def test_lines_typed_offline_keep_their_order(server: ScriptedServer) -> None:
    connection = connection_to(server)
    sayings = [asyncio.create_task(connection.say(text)) for text in ("one", "two", "three")]
    await until(lambda: len(connection.unsent) == 3)
    async with listening(connection):
        peer = await server.peer()
        await peer.receive(Hello)
        await peer.send(welcome())
        for seq, text in enumerate(("one", "two", "three"), 1):
            said = await peer.receive(Say)
            assert (said.room, said.text) == ("r", text)
            await peer.send(Ok(cid=said.cid, seq=seq))
        assert [answer.seq for answer in await asyncio.gather(*sayings)] == [1, 2, 3]


async def test_a_line_sent_too_fast_waits(server: ScriptedServer) -> None:
    clock = GateClock()
    connection = connection_to(server, clock)
    async with listening(connection):
        peer = await server.peer()
        await peer.receive(Hello)
        await peer.send(welcome())
        saying = asyncio.create_task(connection.say("hello"))
        said = await peer.receive(Say)
        await peer.send(Error(code="rate", text="too fast", cid=said.cid, retry_ms=1500))
        await until(lambda: clock.waits == [1.5])
        clock.tick()
        assert await peer.receive(Say) == said
        await peer.send(Ok(cid=said.cid, seq=1))
        assert (await saying).seq == 1


async def test_a_refusal_names_its_code(server: ScriptedServer) -> None:
    connection = connection_to(server)
    async with listening(connection):
        peer = await server.peer()
        await peer.receive(Hello)
        await peer.send(welcome())
        await until(lambda: connection.state == Online())
        retrying = asyncio.create_task(connection.retry())
        asked = await peer.receive(Retry)
        await peer.send(Error(code="no_turn", text="there is nothing to retry", cid=asked.cid))
        with pytest.raises(RefusedError, match="nothing to retry") as refused:
            await retrying
        assert refused.value.code == "no_turn"


async def test_a_stop_is_not_kept_for_later(server: ScriptedServer) -> None:
    connection = connection_to(server)
    with pytest.raises(RefusedError, match="not connected"):
        await connection.stop()
    async with listening(connection):
        peer = await server.peer()
        await peer.receive(Hello)
        await peer.send(welcome())
        await until(lambda: connection.state == Online())
        stopping = asyncio.create_task(connection.stop())
        await peer.receive(Stop)
        peer.cut()
        with pytest.raises(RefusedError, match="lost"):
            await stopping


async def test_a_gap_is_filled_from_history(server: ScriptedServer) -> None:
    connection = connection_to(server)
    async with listening(connection) as listener:
        peer = await server.peer()
        await peer.receive(Hello)
        await peer.send(welcome(posted(1)), posted(5), Floor(room="r", seq=5, busy=False), posted(6))
        asked = await peer.receive(History)
        assert (asked.room, asked.after) == ("r", 1)
        await peer.send(Ok(cid=asked.cid, events=(posted(2), posted(3)), more=True))
        asked = await peer.receive(History)
        assert asked.after == 3
        await peer.send(Ok(cid=asked.cid, events=(posted(4), posted(5))))
        await until(lambda: listener.seqs == [1, 2, 3, 4, 5, 6])
        assert isinstance(listener.heard[-2], Floor)


async def test_a_gap_that_stays_shows_the_rest(server: ScriptedServer) -> None:
    async with listening(connection_to(server)) as listener:
        peer = await server.peer()
        await peer.receive(Hello)
        await peer.send(welcome(posted(1)), posted(5))
        asked = await peer.receive(History)
        await peer.send(Error(code="storage", text="the log can't be read", cid=asked.cid))
        await until(lambda: listener.seqs == [1, 5])


async def test_whispers_to_others_are_no_gap(server: ScriptedServer) -> None:
    async with listening(connection_to(server)) as listener:
        peer = await server.peer()
        await peer.receive(Hello)
        await peer.send(welcome(posted(1), head=3), posted(7, prev=1), posted(7, prev=1), posted(9, prev=7))
        await until(lambda: listener.seqs == [1, 7, 9])


async def test_what_was_missed_longer_comes_by_pages(server: ScriptedServer) -> None:
    clock = GateClock()
    async with listening(connection_to(server, clock)) as listener:
        peer = await server.peer()
        await peer.receive(Hello)
        await peer.send(welcome(posted(1)))
        await until(lambda: listener.seqs == [1])
        peer.cut()
        clock.tick()
        peer = await server.peer()
        await peer.receive(Hello)
        await peer.send(welcome(posted(2), head=4, recovered=True, more=True), posted(5))
        asked = await peer.receive(History)
        assert asked.after == 2
        await peer.send(Ok(cid=asked.cid, events=(posted(3), posted(4))))
        await until(lambda: listener.seqs == [1, 2, 3, 4, 5])


async def test_waits_double_up_to_a_limit(tmp_path: Path) -> None:
    clock = GateClock()
    async with listening(Connection(str(tmp_path / "nobody"), rng=Random(1), clock=clock)) as listener:
        for tries in range(1, 11):
            await until(lambda tries=tries: len(clock.waits) == tries)
            clock.tick()
        first, most = BACKOFF
        for tries, wait in enumerate(clock.waits):
            longest = min(most, first * 2**tries)
            assert longest / 2 <= wait <= longest
        assert isinstance(listener.heard[1], Offline)
        assert listener.heard[1].reason == "no server answers there"


async def test_bye_says_when_to_come_back(server: ScriptedServer) -> None:
    clock = GateClock()
    async with listening(connection_to(server, clock)):
        peer = await server.peer()
        await peer.receive(Hello)
        await peer.send(welcome(), Bye(code="restart", retry_ms=4000))
        await peer.close(1012, "restart")
        await until(lambda: bool(clock.waits))
        assert 4 <= clock.waits[0] <= 5


@pytest.mark.parametrize("code", ["bad_token", "name_taken", "no_room"])
async def test_a_fatal_error_is_final(server: ScriptedServer, code: str) -> None:
    connection = connection_to(server)
    async with listening(connection) as listener:
        kept = asyncio.create_task(connection.say("hello"))
        peer = await server.peer()
        await peer.receive(Hello)
        await peer.send(Error(code=code, text="you can't come in", fatal=True))
        await until(lambda: listener.error is not None)
        assert isinstance(listener.error, RefusedError)
        assert listener.error.code == code
        for late in (kept, connection.say("anybody?")):
            with pytest.raises(RefusedError, match="you can't come in"):
                await late


async def test_a_forbidding_close_is_final(server: ScriptedServer) -> None:
    async with listening(connection_to(server)) as listener:
        peer = await server.peer()
        await peer.receive(Hello)
        await peer.send(welcome())
        await peer.close(4003, "the token was revoked")
        await until(lambda: listener.error is not None)
        assert str(listener.error) == "the token was revoked"


async def test_a_name_held_by_a_dead_connection_is_waited_for(server: ScriptedServer) -> None:
    clock = GateClock()
    async with listening(connection_to(server, clock)) as listener:
        peer = await server.peer()
        await peer.receive(Hello)
        await peer.send(welcome())
        await until(lambda: Online in listener.states)
        peer.cut()
        clock.tick()
        peer = await server.peer()
        await peer.receive(Hello)
        await peer.send(Error(code="name_taken", text="Ann is here already", fatal=True))
        await until(lambda: len(clock.waits) == 2)
        assert listener.error is None


async def test_unknown_frames_are_ignored(server: ScriptedServer) -> None:
    async with listening(connection_to(server)) as listener:
        peer = await server.peer()
        await peer.receive(Hello)
        await peer.send(welcome())
        await peer.send_raw('{"op":"fireworks","room":"r"}')
        await peer.send(Delta(room="r", turn="t", offset=0, text="hi"), posted(1))
        await until(lambda: listener.seqs == [1])
        assert isinstance(listener.heard[-2], Delta)


async def test_garbage_ends_that_connection_only(server: ScriptedServer) -> None:
    clock = GateClock()
    async with listening(connection_to(server, clock)) as listener:
        peer = await server.peer()
        await peer.receive(Hello)
        await peer.send(welcome())
        await peer.send_raw("}{")
        await until(lambda: Offline in listener.states)
        clock.tick()
        await (await server.peer()).receive(Hello)
        assert listener.error is None


@pytest.mark.parametrize("address", ["ws://127.0.0.1:99999", "ws://127.0.0.1:abc", "ws://"])
async def test_an_impossible_address_is_final(address: str) -> None:
    async with listening(Connection(address, clock=GateClock())) as listener:
        await until(lambda: listener.error is not None)
        assert isinstance(listener.error, RefusedError)
        assert f"{address} is no address of a server" in str(listener.error)


async def test_an_error_before_the_welcome_is_final(server: ScriptedServer) -> None:
    async with listening(connection_to(server, rooms=("r",))) as listener:
        peer = await server.peer()
        await peer.receive(Hello)
        await peer.send(Error(code="bad_field", text="a room's id can't be so"))
        await until(lambda: listener.error is not None)
        assert str(listener.error) == "a room's id can't be so"


async def test_no_tls_is_named_at_once() -> None:
    async with strangers(b"HTTP/1.1 400 No\r\n\r\n") as address:
        secure = address.replace("ws://", "wss://")
        async with listening(Connection(secure, clock=GateClock())) as listener:
            await until(lambda: listener.error is not None)
            assert "no secure connection" in str(listener.error)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "another kind of server answers (200)"),
        (b"HTTP/1.1 501 No\r\nContent-Length: 0\r\n\r\n", "another kind of server answers (501)"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "no web server"),
    ],
)
async def test_another_server_is_named_at_once(answer: bytes, reason: str) -> None:
    async with strangers(answer) as address, listening(Connection(address, clock=GateClock())) as listener:
        await until(lambda: listener.error is not None)
        assert reason in str(listener.error)


async def test_a_door_that_shuts_is_tried_again() -> None:
    async with strangers(b"") as address, listening(Connection(address, clock=GateClock())) as listener:
        await until(lambda: Offline in listener.states)
        assert listener.error is None


@asynccontextmanager
async def strangers(answer: bytes) -> AsyncIterator[str]:
    """Something else on a port, that answers whatever it is told with the same; its address."""

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.write(answer)
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(reply, "127.0.0.1", 0) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def test_another_protocol_after_ours_is_waited_out(server: ScriptedServer) -> None:
    clock = GateClock()
    async with listening(connection_to(server, clock)) as listener:
        peer = await server.peer()
        await peer.receive(Hello)
        await peer.send(welcome())
        await until(lambda: Online in listener.states)
        server.path.rename(server.path.with_name("old"))
        async with unix_serve(ServerConnection.wait_closed, str(server.path), close_timeout=1):
            peer.cut()
            clock.tick()
            await until(lambda: any("does not speak" in getattr(item, "reason", "") for item in listener.heard))
        assert listener.error is None
