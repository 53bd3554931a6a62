"""How servers are asked: what events are, what is shown of a fault, and what is tried again."""

import asyncio
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chatroom.engines._http import HttpClient, HttpFault
from chatroom.engines._http.connection import is_local
from chatroom.engines._http.faults import refusal
from chatroom.engines._http.sse import EventDecoder, TooLongError
from tests.stand_in.openai import Gate, StandIn, Trouble

STREAM = (
    b": waiting\n\ndata: one\n\r\nevent: x\r\ndata:two\r\ndata:  three\r\n\r\nid: 7\n\n"
    b"data: \xe4\xbd\xa0\xe5\xa5\xbd\r\rdata\n\ndata: lost"
)
EVENTS = [b"one", b"two\n three", b"\xe4\xbd\xa0\xe5\xa5\xbd", b""]
ASKED = {"model": "tavern", "prompt": "Hello", "max_tokens": 4}


@example([42, 42])  # an empty chunk between CR and LF
@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
@settings(max_examples=60, deadline=None)
def test_events_do_not_depend_on_chunks(cuts: list[int]) -> None:
    places, decoder = [0, *sorted(cuts), len(STREAM)], EventDecoder()
    chunks = [STREAM[begin:end] for begin, end in pairwise(places)]
    assert [data for chunk in chunks for data in decoder.feed(chunk)] == EVENTS


@pytest.mark.parametrize("line", [b"data: x\n", b": still here\n", b"x"])
def test_an_event_without_end_is_refused(line: bytes) -> None:
    decoder = EventDecoder(longest_event=1000)
    assert [data for _ in range(1000 // len(line)) for data in decoder.feed(line)] == []
    with pytest.raises(TooLongError, match="too long"):
        [*decoder.feed(line * 200)]


def test_a_stream_without_end_is_refused() -> None:
    decoder = EventDecoder(longest_stream=999)
    assert [data for _ in range(333) for data in decoder.feed(b":\n\n")] == []
    with pytest.raises(TooLongError, match="no end"):
        [*decoder.feed(b":")]


@pytest.mark.parametrize(
    ("raw", "said", "params"),
    [
        (b'{"error":{"message":"No such thing","param":"seed","code":400}}', "No such thing", {"seed"}),
        (b'{"error":"model is missing"}', "model is missing", set()),
        (b'{"object":"error","message":"Too much","param":null}', "Too much", set()),
        (b'{"detail":[{"loc":["body","top_k"],"msg":"not here","input":{}}]}', "body.top_k: not here", {"top_k"}),
        (b"502 Bad\x1b[31m\r\nGateway", "502 Bad [31m Gateway", set()),
        (b"[" * 100_000, "[[[", set()),
        (b"\xff\xfe", "", set()),
    ],
)
def test_the_words_of_any_server_are_found(raw: bytes, said: str, params: set[str]) -> None:
    fault = refusal("http://here/v1", 400, raw)
    assert fault.said.startswith(said)
    assert said in str(fault)
    assert fault.params == params
    assert len(fault.said) <= 301


def test_a_fault_never_shows_the_key() -> None:
    raw = b'{"error":{"message":"bad thing with sk-secret-42 in it"}}'
    for status in (400, 401, 403, 429, 500):
        fault = refusal("http://here/v1", status, raw, key="sk-secret-42")
        assert "sk-secret" not in f"{fault} {fault.said} {fault!r}"
    assert "bad thing" not in str(refusal("http://here/v1", 401, raw, key="another"))


def test_only_this_machine_is_local() -> None:
    here = ["http://127.0.0.1:1/v1", "http://localhost", "http://[::1]:8000/v1"]
    there = ["http://10.0.0.7/v1", "https://api.example.com/v1", "http://127.0.0.1.example.com"]
    assert [is_local(address) for address in here + there] == [True] * 3 + [False] * 3


async def post(server: StandIn, **client: Any) -> bytes:
    asking = HttpClient(server.address, **client)
    try:
        return b"".join([data async for data in asking.events("/completions", ASKED)])
    finally:
        await asking.close()


async def test_a_busy_server_is_asked_again() -> None:
    async with StandIn() as server:
        server.troubles.extend([Trouble(status=503), Trouble(status=429, headers={"Retry-After": "0"})])
        assert b"heard" in await post(server, pauses=(0, 0))
        assert len(server.posts()) == 3


async def test_a_busy_server_is_left_alone_in_the_end() -> None:
    async with StandIn() as server:
        server.troubles.extend([Trouble(status=503)] * 4)
        with pytest.raises(HttpFault, match="not ready") as raised:
            await post(server, pauses=(0, 0))
        assert (raised.value.code, len(server.posts())) == ("overloaded", 3)


async def test_a_long_wait_is_not_waited_for() -> None:
    async with StandIn() as server:
        server.troubles.append(Trouble(status=429, headers={"Retry-After": "3600"}))
        with pytest.raises(HttpFault, match="HTTP 429"):
            await post(server, pauses=(0, 0))
        assert len(server.posts()) == 1


@pytest.mark.parametrize("trouble", [Trouble(status=500), Trouble(status=400), Trouble(cut=True, after=0)])
async def test_what_may_have_been_taken_is_sent_once(trouble: Trouble) -> None:
    async with StandIn() as server:
        server.troubles.append(trouble)
        with pytest.raises(HttpFault):
            await post(server, pauses=(0, 0))
        assert len(server.posts()) == 1


async def test_a_server_that_comes_late_is_reached() -> None:
    server = StandIn()
    await server.open()
    await server.close()
    client = HttpClient(server.address, pauses=[0.02] * 500)
    asking = asyncio.create_task(client.get_json("/models", msgspec.Raw))
    await asyncio.sleep(0)
    await server.open(int(server.address.split(":")[2].removesuffix("/v1")))
    assert b"tavern" in bytes(await asking)
    await client.close()
    await server.close()


async def test_silence_ends_an_answer() -> None:
    async with StandIn() as server:
        server.troubles.append(Trouble(gate=Gate()))
        with pytest.raises(HttpFault, match="silent") as raised:
            await post(server, silence=0.05)
        assert raised.value.code == "timeout"


async def test_an_answer_that_trickles_ends() -> None:
    async with StandIn() as server:
        server.troubles.append(Trouble(status=503, headers={"Retry-After": "9"}))
        client = HttpClient(server.address, longest=0.05)
        with pytest.raises(HttpFault, match="too long") as raised:
            await client.post_json("/completions", ASKED, msgspec.Raw)
        assert raised.value.code == "timeout"
        await client.close()


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (Trouble(body="<html>", headers={"Content-Type": "text/html"}), "no JSON"),
        (Trouble(body="x", headers={"Content-Encoding": "gzip"}), "packed form"),
        (Trouble(body="x", headers={"Content-Length": "100"}), "broke the connection off"),
        (Trouble(status=302, headers={"Location": "http://127.0.0.1:1/"}), "another address"),
    ],
)
async def test_an_answer_of_another_kind_is_refused(trouble: Trouble, said: str) -> None:
    async with StandIn(key="k-1") as server:
        server.troubles.append(trouble)
        with pytest.raises(HttpFault, match=said):
            await post(server, key="k-1")
        assert len(server.asked) == 1


@pytest.mark.parametrize("status", [200, 500])
async def test_a_refused_answer_leaves_no_connection(status: int) -> None:
    kind = {"Content-Type": "text/html", "Content-Length": "1000000"}
    async with StandIn() as server:
        server.troubles.append(Trouble(status=status, body="x" * (1 << 17), headers=kind, gate=Gate()))
        client = HttpClient(server.address)
        with pytest.raises(HttpFault):
            await anext(client.events("/completions", ASKED))
        async with asyncio.timeout(10):
            await server.gone.wait()
        await client.close()


async def test_a_closed_client_says_so() -> None:
    client = HttpClient("http://127.0.0.1:1")
    await client.close()
    with pytest.raises(Exception, match="isn't running"):
        await client.get_json("/models", msgspec.Raw)
