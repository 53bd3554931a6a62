"""The server as a process: killed in the middle of a reply, two remote clients, one that comes back."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

from chatroom.clients.base import News
from chatroom.frames import Delta, EndFrame, Floor, PostedFrame
from tests.server_process import ServerProcess, joined, words
from tests.table import WAIT

LONG = "Mara, " + "la " * 1300


async def test_a_kill_loses_nothing_that_was_shown(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        async with asyncio.timeout(WAIT), joined(server.start(), "Ann") as (ann, news, before):
            said = asyncio.create_task(ann.say(LONG))
            shown: list[tuple[str, str]] = []
            async for frame in news:
                if isinstance(frame, PostedFrame | EndFrame):
                    shown.append((frame.author.name, frame.text))
                if isinstance(frame, Delta):
                    break
            server.end(signal.SIGKILL)
            assert (await said).seq
        async with asyncio.timeout(WAIT), joined(server.start(), "Ann") as (_, _, after):
            lines = words(after)
            assert lines[: len(shown)] == shown
            last = after.rooms[0].events[-1]
            assert isinstance(last, EndFrame)
            assert last.status == "interrupted"
            assert "I heard: Ann: Mara, la la".startswith(last.text[:20])
            assert after.rooms[0].epoch == before.rooms[0].epoch
        assert server.end() == 0


async def test_two_clients_see_the_same_order(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        url = server.start()
        async with asyncio.timeout(WAIT), joined(url, "Ann") as (ann, anns, _), joined(url, "Ben") as (ben, bens, _):
            saying = [asyncio.create_task(who.say(f"{i}, Mara?")) for i in range(5) for who in (ann, ben)]
            heard = await asyncio.gather(*(until_answered(news, "4, Mara?") for news in (anns, bens)))
            oks = await asyncio.gather(*saying)
            assert heard[0] == heard[1] == sorted(heard[0])
            assert {ok.seq for ok in oks} <= {seq for seq, _ in heard[0]}


async def until_answered(news: AsyncIterator[News], text: str) -> list[tuple[int, str]]:
    """What is heard until the room is silent after both persons said this."""
    lines: list[tuple[int, str]] = []
    async for frame in news:
        if isinstance(frame, PostedFrame | EndFrame):
            lines.append((frame.seq, frame.text))
        said = [seq for seq, line in lines if line == text]
        if isinstance(frame, Floor) and not frame.busy and len(said) == 2 and frame.seq >= max(said):
            break
    return lines


async def test_a_client_survives_a_restart_of_the_server(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        url = server.start()
        port = url.rpartition(":")[2]
        assert port.isdigit()
        async with asyncio.timeout(WAIT), joined(url, "Ann") as (ann, news, _):
            first = asyncio.create_task(ann.say("Mara, before."))
            async for frame in news:
                if isinstance(frame, Floor) and not frame.busy:
                    break
            await first
        assert server.end() == 0
        async with asyncio.timeout(WAIT), joined(server.start(), "Ann") as (_, _, after):
            assert ("Ann", "Mara, before.") in words(after)
