"""The room log when the process is killed and when the disk is full: nothing acknowledged is ever lost."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chatroom.history.base import EVERYTHING
from chatroom.history.sqlite import History
from chatroom.messages import Ended, Posted

ROOT = Path(__file__).parents[2]

# Prints "seq cid" for each event once it is acknowledged; many appends are under way at any time.
TALKER = """
import asyncio, sys
from pathlib import Path
from chatroom.history.sqlite import History
from chatroom.messages import Posted, Running, Speaker

ANN = Speaker(id="~ann", name="Ann", kind="person")

async def talk(history, life, voice):
    for number in range(10_000):
        cid = f"{life}-{voice}-{number}"
        event = Posted(at=1.0, id=cid, author=ANN, text="word " * 20, cid=cid)
        appended = await history.append("tavern", event, sender=ANN.id, cid=cid)
        print(appended.entry.seq, cid, flush=True)
        await history.checkpoint("tavern", Running(id=f"t{life}", author=ANN, text=cid))

async def main():
    history = History(Path(sys.argv[1]))
    print("open", (await history.open_room("tavern"))[0], flush=True)
    await asyncio.gather(*(talk(history, sys.argv[2], voice) for voice in range(4)))

asyncio.run(main())
"""

# A file may grow no further than a limit: what a full disk looks like. Then the disk has room again.
CROWDED = """
import asyncio, resource, signal, sys
from pathlib import Path
from chatroom.errors import HistoryError
from chatroom.history.base import EVERYTHING
from chatroom.history.sqlite import History
from chatroom.messages import Posted, Speaker

ANN = Speaker(id="~ann", name="Ann", kind="person")

async def say(history, number):
    event = Posted(at=1.0, id=str(number), author=ANN, text="x" * 3000, cid="")
    return (await history.append("tavern", event)).entry.seq

async def main():
    history = History(Path(sys.argv[1]))
    await history.open_room("tavern")
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
    seqs = []
    try:
        for number in range(10_000):
            seqs.append(await say(history, number))
    except HistoryError as error:
        print("refused", error)
    print("readable", [entry.seq for entry in await history.view("tavern", EVERYTHING, after=0, limit=1000)] == seqs)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print("next", await say(history, "back") == seqs[-1] + 1)
    await history.close()

asyncio.run(main())
"""


def start(program: str, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", program, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def killed_after(acks: int, home: Path, life: int) -> tuple[str, dict[str, int]]:
    """Lets a process talk until it has acknowledged so much, kills it, and tells all that it had acknowledged."""
    with start(TALKER, str(home), str(life)) as process:
        assert process.stdout is not None
        epoch = process.stdout.readline().split()[1]
        lines = [process.stdout.readline() for _ in range(acks)]
        process.send_signal(signal.SIGKILL)
        lines += [line for line in process.stdout if line.endswith("\n")]
    return epoch, {cid: int(seq) for seq, cid in (line.split() for line in lines)}


async def test_kill_loses_nothing_acknowledged(tmp_path: Path) -> None:
    rng = random.Random(11)
    acknowledged: dict[str, int] = {}
    epochs = set()
    for life in range(6):
        epoch, acks = killed_after(rng.randrange(1, 400), tmp_path, life)
        epochs.add(epoch)
        acknowledged |= acks
    history = History(tmp_path)
    _, head = await history.open_room("tavern")
    entries = await history.view("tavern", EVERYTHING, after=0, limit=1_000_000)
    await history.close()
    assert [entry.seq for entry in entries] == list(range(1, head + 1))
    kept = {entry.event.cid: entry.seq for entry in entries if isinstance(entry.event, Posted)}
    assert acknowledged.items() <= kept.items()
    assert len(epochs) == 1
    assert {entry.event.status for entry in entries if isinstance(entry.event, Ended)} == {"interrupted"}


@pytest.mark.skipif(sys.platform == "win32", reason="limits on file size are POSIX")
def test_full_disk_refuses_and_recovers(tmp_path: Path) -> None:
    with start(CROWDED, str(tmp_path)) as process:
        output, _ = process.communicate()
    lines = output.splitlines()
    assert lines[0].startswith("refused the room log can't be written:")
    assert lines[1:] == ["readable True", "next True"]
