"""A process of its own is replaced when it is lost, passes errors on, and never outlives the server."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chatroom.librarian.workplace import LostError, Workplace

ROOT = Path(__file__).parents[2]


class Clerk:
    """What works there."""

    def __init__(self) -> None:
        self.calls = 0

    def count(self) -> int:
        self.calls += 1
        return self.calls

    def pid(self) -> int:
        return os.getpid()

    def fail(self) -> None:
        raise ValueError("no such page")

    def die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


async def test_the_object_lives_in_another_process() -> None:
    place = Workplace(Clerk)
    try:
        assert [await place.run(Clerk.count), await place.run(Clerk.count)] == [1, 2]
        assert await place.run(Clerk.pid) != os.getpid()
    finally:
        place.close()


async def test_what_a_call_raises_comes_back() -> None:
    place = Workplace(Clerk)
    try:
        with pytest.raises(ValueError, match="no such page"):
            await place.run(Clerk.fail)
        assert await place.run(Clerk.count) == 1
    finally:
        place.close()


async def test_a_lost_process_is_replaced() -> None:
    place = Workplace(Clerk)
    try:
        first = await place.run(Clerk.pid)
        with pytest.raises(LostError):
            await place.run(Clerk.die)
        assert await place.run(Clerk.pid) != first
    finally:
        place.close()
        place.close()


def test_it_ends_with_a_killed_server() -> None:
    code = (
        "import asyncio, os, signal\n"
        "from chatroom.librarian.workplace import Workplace\n"
        "from tests.flows.test_workplace import Clerk\n"
        "async def main():\n"
        "    print(await Workplace(Clerk).run(Clerk.pid), flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "if __name__ == '__main__':\n"
        "    asyncio.run(main())\n"
    )
    server = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    worker = int(server.stdout.readline())
    try:
        ended = os.pidfd_open(worker)
    except ProcessLookupError:
        return  # it was quicker than we are
    finally:
        server.wait()
        server.stdout.close()
    assert select.select([ended], [], [], 60)[0]
    os.close(ended)
