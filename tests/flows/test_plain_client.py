"""Line mode against a scripted room: what is on standard output, what is not, and how it ends."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from io import StringIO
from pathlib import Path

import pytest

from chatroom.clients.base import Connection
from chatroom.clients.plain import run
from chatroom.frames import EndFrame, Error, Floor, Hello, Invite, Ok, PostedFrame, Presence, RetriedFrame, Say, Seated
from chatroom.messages import Speaker
from tests.flows.scripted_server import ANN, BEN, MARA, ROSTER, GateClock, Peer, ScriptedServer, serving, until, welcome


def said(seq: int, who: Speaker, text: str, **more: object) -> PostedFrame | EndFrame:
    common = {"room": "r", "seq": seq, "prev": seq - 1, "at": 0, "id": f"m{seq}", "author": who, "text": text}
    if who.kind == "person":
        return PostedFrame(**common)
    return EndFrame(**({"status": "complete"} | common | more))


def silent(seq: int) -> Floor:
    return Floor(room="r", seq=seq, busy=False)


GREETING = said(1, MARA, "Evening.")


class Keyboard:
    """Lines typed one by one; `end` is the end of input."""

    def __init__(self, lines: Sequence[str] = (), *, open: bool = False) -> None:
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        for line in lines:
            self.type(line)
        if not open:
            self.end()

    def type(self, line: str) -> None:
        self._lines.put_nowait(line)

    def end(self) -> None:
        self._lines.put_nowait(None)

    async def lines(self) -> AsyncIterator[str]:
        while (line := await self._lines.get()) is not None:
            yield line


class Run:
    """A line mode at work, with what it printed."""

    def __init__(self, server: ScriptedServer, keyboard: Keyboard, patience: float) -> None:
        self.out, self.err, self.clock = StringIO(), StringIO(), GateClock()
        connection = Connection(str(server.path), clock=self.clock)
        work = run(connection, "Ann", lines=keyboard.lines(), out=self.out, err=self.err, patience=patience)
        self.task = asyncio.create_task(work)

    async def status(self) -> int:
        async with asyncio.timeout(60):
            return await self.task


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ScriptedServer]:
    async with serving(tmp_path / "s") as scripted:
        yield scripted


@asynccontextmanager
async def running(server: ScriptedServer, keyboard: Keyboard, *, patience: float = 30) -> AsyncIterator[Run]:
    started = Run(server, keyboard, patience)
    try:
        yield started
    finally:
        started.task.cancel()
        await asyncio.gather(started.task, return_exceptions=True)


async def let_in(server: ScriptedServer, *events: PostedFrame | EndFrame, **state: object) -> Peer:
    peer = await server.peer()
    await peer.receive(Hello)
    await peer.send(welcome(*events, **state))
    return peer


async def hear(peer: Peer, seq: int, text: str, *then: object) -> None:
    """The line comes, is acknowledged and posted; then comes what follows from it."""
    line = await peer.receive(Say)
    assert line.text == text
    await peer.send(Ok(cid=line.cid, seq=seq), said(seq, ANN, text), *then)


async def test_a_pipe_reads_like_a_conversation(server: ScriptedServer) -> None:
    async with running(server, Keyboard(["Good evening.", "Is it lit?"])) as mode:
        peer = await let_in(server, GREETING)
        await hear(peer, 2, "Good evening.", said(3, MARA, "So it is."), silent(3))
        await hear(peer, 4, "Is it lit?", said(5, MARA, "It is.\nAlways."), silent(5))
        assert await mode.status() == 0
        assert mode.out.getvalue() == (
            "Mara Vell: Evening.\nAnn: Good evening.\nMara Vell: So it is.\n"
            "Ann: Is it lit?\nMara Vell: It is.\n  Always.\n"
        )
        assert "in The room: Mara Vell, Ann" in mode.err.getvalue()


async def test_a_line_waits_for_silence(server: ScriptedServer) -> None:
    async with running(server, Keyboard(["one", "two"])) as mode:
        peer = await let_in(server, busy=True)
        await peer.send(said(1, MARA, "Evening."), silent(1))
        await hear(peer, 2, "one", silent(1), said(3, MARA, "First."))
        await until(lambda: "First." in mode.out.getvalue())
        await peer.send(silent(3))
        await hear(peer, 4, "two", silent(4))
        assert await mode.status() == 0
        assert mode.out.getvalue().splitlines() == ["Mara Vell: Evening.", "Ann: one", "Mara Vell: First.", "Ann: two"]


async def test_earlier_talk_is_context_only(server: ScriptedServer) -> None:
    past = [said(seq, ANN if seq % 2 else MARA, f"line {seq}") for seq in range(1, 31)]
    async with running(server, Keyboard(["hello"])) as mode:
        peer = await let_in(server, *past)
        await hear(peer, 31, "hello", silent(31))
        assert await mode.status() == 0
        assert mode.out.getvalue() == "Ann: hello\n"
        assert "line 11\n" in mode.err.getvalue()
        assert "line 10\n" not in mode.err.getvalue()


async def test_a_failed_turn_is_an_exit_status(server: ScriptedServer) -> None:
    async with running(server, Keyboard(["hello"])) as mode:
        peer = await let_in(server)
        failed = said(2, MARA, "", status="failed", code="engine_lost", error="the engine is gone")
        await hear(peer, 1, "hello", failed, silent(2))
        assert await mode.status() == 1
        assert "Mara Vell could not answer: the engine is gone" in mode.err.getvalue()
        assert mode.out.getvalue() == "Ann: hello\n"


async def test_an_old_failure_is_no_exit_status(server: ScriptedServer) -> None:
    async with running(server, Keyboard()) as mode:
        await let_in(server, said(1, ANN, "hello"), said(2, MARA, "", status="failed", error="gone"))
        assert await mode.status() == 0


async def test_commands_are_not_said(server: ScriptedServer) -> None:
    async with running(server, Keyboard(["/invite tobin", "/who", "/help", "/dance", "/invite", "//shrugs"])) as mode:
        peer = await let_in(server)
        invited = await peer.receive(Invite)
        assert invited.role == "tobin"
        await peer.send(Ok(cid=invited.cid))
        await hear(peer, 1, "/shrugs", silent(1))
        assert await mode.status() == 0
        for told in ("Mara Vell is here", "/dismiss ROLE", "there is no /dance", "/invite needs the name"):
            assert told in mode.err.getvalue()


async def test_a_refused_line_is_told(server: ScriptedServer) -> None:
    async with running(server, Keyboard(["too long", "short"])) as mode:
        peer = await let_in(server)
        line = await peer.receive(Say)
        await peer.send(Error(code="bad_field", text="the text is too long", cid=line.cid))
        await hear(peer, 1, "short", silent(1))
        assert await mode.status() == 1
        assert "the text is too long" in mode.err.getvalue()


async def test_a_line_too_long_is_not_sent(server: ScriptedServer) -> None:
    async with running(server, Keyboard(["x" * 4001, "short"])) as mode:
        peer = await let_in(server)
        await hear(peer, 1, "short", silent(1))
        assert await mode.status() == 1
        assert "* too long: 4,001 of 4,000 characters; not said: xxx" in mode.err.getvalue()


async def test_a_table_that_cannot_answer_is_told(server: ScriptedServer) -> None:
    async with running(server, Keyboard(["hello"])) as mode:
        peer = await let_in(server, roster=(Seated(who=MARA, fault="no adapter"), Seated(who=ANN)))
        await hear(peer, 1, "hello", silent(1))
        assert await mode.status() == 1
        assert "* nobody here can answer\n" in mode.err.getvalue()


async def test_a_fault_is_told_once(server: ScriptedServer) -> None:
    broken = Presence(room="r", roster=(Seated(who=MARA, fault="no adapter"), Seated(who=ANN)))
    async with running(server, Keyboard(["hello"])) as mode:
        peer = await let_in(server)
        await peer.send(broken, Presence(room="r", roster=ROSTER), broken, Presence(room="r", roster=ROSTER))
        await hear(peer, 1, "hello", silent(1))
        assert await mode.status() == 0
        assert mode.err.getvalue().count("* Mara Vell can't speak: no adapter\n") == 1


async def test_commands_bear_space_and_capitals(server: ScriptedServer) -> None:
    async with running(server, Keyboard(["  /WHO", " //shrugs"])) as mode:
        peer = await let_in(server)
        await hear(peer, 1, "/shrugs", silent(1))
        assert await mode.status() == 0
        assert "* Mara Vell is here\n" in mode.err.getvalue()


async def test_a_pile_of_blank_lines_is_folded(server: ScriptedServer) -> None:
    async with running(server, Keyboard()) as mode:
        await let_in(server, said(1, MARA, "above" + "\n \n" * 50 + "below"))
        assert await mode.status() == 0
        assert mode.out.getvalue() == "Mara Vell: above\n  \n  \n  below\n"


async def test_talk_comes_while_nothing_is_typed(server: ScriptedServer) -> None:
    keyboard = Keyboard(open=True)
    async with running(server, keyboard) as mode:
        peer = await let_in(server)
        await peer.send(said(1, BEN, "anybody here?"))
        await until(lambda: "Ben: anybody here?\n" in mode.out.getvalue())
        keyboard.end()
        await peer.send(silent(1))
        assert await mode.status() == 0


async def test_a_break_repeats_and_loses_nothing(server: ScriptedServer) -> None:
    async with running(server, Keyboard(["hello"])) as mode:
        peer = await let_in(server)
        await peer.receive(Say)
        peer.cut()
        await until(lambda: bool(mode.clock.waits))
        mode.clock.tick()
        peer = await let_in(server, said(1, BEN, "hi"), said(2, ANN, "hello"), recovered=True, busy=True)
        line = await peer.receive(Say)
        await peer.send(Ok(cid=line.cid, seq=2, dup=True), said(3, MARA, "Well."), silent(3))
        assert await mode.status() == 0
        assert mode.out.getvalue() == "Ben: hi\nAnn: hello\nMara Vell: Well.\n"
        assert "offline" in mode.err.getvalue()


async def test_a_role_at_fault_is_told(server: ScriptedServer) -> None:
    async with running(server, Keyboard(["hello"])) as mode:
        peer = await let_in(server, roster=(Seated(who=MARA, fault="no adapter"), Seated(who=ANN)))
        await peer.send(Presence(room="r", roster=(Seated(who=MARA), Seated(who=ANN), Seated(who=BEN, online=False))))
        await hear(peer, 1, "hello", silent(1))
        assert await mode.status() == 0
        told = mode.err.getvalue().splitlines()
        assert told[-3:] == ["* Mara Vell can't speak: no adapter", "* Mara Vell is here", "* Ben is away"]


async def test_a_closed_door_ends_it(server: ScriptedServer) -> None:
    async with running(server, Keyboard(open=True)) as mode:
        peer = await server.peer()
        await peer.receive(Hello)
        await peer.send(Error(code="bad_token", text="the token is wrong", fatal=True))
        assert await mode.status() == 1
        assert "* the token is wrong\n" in mode.err.getvalue()


async def test_patience_with_a_busy_room_ends(server: ScriptedServer) -> None:
    async with running(server, Keyboard(), patience=0.05) as mode:
        await let_in(server, busy=True)
        assert await mode.status() == 1
        assert "fall silent" in mode.err.getvalue() or "no server within" in mode.err.getvalue()


async def test_hostile_names_and_texts_are_shown_safely(server: ScriptedServer) -> None:
    eve = Speaker(id="~eve", name="Eve\x1b]0;owned\x07", kind="person")
    async with running(server, Keyboard()) as mode:
        peer = await let_in(server, said(1, eve, "a\u202eb\nMara Vell: I agree\x1b[2J"))
        await peer.send(Presence(room="r", roster=(*ROSTER, Seated(who=eve))), silent(1))
        assert await mode.status() == 0
        printed = mode.out.getvalue() + mode.err.getvalue()
        assert "Eve␛]0;owned␇: a⟦U+202E⟧b\n  Mara Vell: I agree␛[2J\n" in printed
        assert "\x1b" not in printed


async def test_a_retried_reply_is_told(server: ScriptedServer) -> None:
    async with running(server, Keyboard(open=True)) as mode:
        peer = await let_in(server, GREETING)
        again = RetriedFrame(room="r", seq=2, prev=1, at=0, supersedes="m1", by="~ben")
        await peer.send(again, said(3, MARA, "Good evening."))
        await until(lambda: "Good evening." in mode.out.getvalue())
        assert mode.out.getvalue() == "Mara Vell: Evening.\nMara Vell: Good evening.\n"
        assert "made again" in mode.err.getvalue()


# --- as a process: what only a real standard input and output can show ------------------------------------------------

PROGRAM = """
import asyncio, sys
from chatroom.clients.base import Connection
from chatroom.clients.plain import run
sys.exit(asyncio.run(run(Connection(sys.argv[1]), "Ann")))
"""


@asynccontextmanager
async def process(server: ScriptedServer, **options: object) -> AsyncIterator[asyncio.subprocess.Process]:
    pipe = asyncio.subprocess.PIPE
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-c", PROGRAM, str(server.path), **({"stdin": pipe, "stdout": pipe} | options)
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


async def test_a_real_pipe_ends_by_itself(server: ScriptedServer) -> None:
    async with process(server) as program:
        assert program.stdin is not None
        program.stdin.write("安吉拉，你好".encode())
        program.stdin.close()
        peer = await let_in(server, GREETING)
        await hear(peer, 2, "安吉拉，你好", silent(2))
        out, _ = await program.communicate()
        assert out.decode() == "Mara Vell: Evening.\nAnn: 安吉拉，你好\n"
        assert program.returncode == 0


async def test_few_letters_are_no_fault(server: ScriptedServer) -> None:
    env = os.environ | {"PYTHONIOENCODING": "ascii"}
    async with process(server, env=env, stdin=subprocess.DEVNULL) as program:
        await let_in(server, said(1, MARA, "安吉拉 is here."))
        out, _ = await program.communicate()
        assert out == b"Mara Vell: ??? is here.\n"
        assert program.returncode == 0


async def test_line_mode_loads_no_screen_library() -> None:
    code = "import sys, chatroom.clients.plain; print(*sys.modules)"
    program = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=subprocess.PIPE)
    out, _ = await program.communicate()
    loaded = {name.partition(".")[0] for name in out.decode().split()}
    assert "websockets" in loaded
    assert not loaded & {"textual", "rich", "torch", "transformers"}


async def test_an_interrupt_ends_cleanly(server: ScriptedServer) -> None:
    async with process(server, stderr=subprocess.PIPE) as program:
        await let_in(server, GREETING)
        assert program.stdout is not None
        assert await program.stdout.readline() == b"Mara Vell: Evening.\n"
        program.send_signal(signal.SIGINT)
        _, err = await program.communicate()
        assert program.returncode == 130
        assert b"Traceback" not in err
        assert b"Fatal" not in err


async def test_a_closed_output_ends_quietly(server: ScriptedServer) -> None:
    reading, writing = os.pipe()
    async with process(server, stdout=writing, stderr=subprocess.PIPE) as program:
        os.close(writing)
        os.close(reading)
        await let_in(server, GREETING)
        assert program.stderr is not None
        err = await program.stderr.read()
        assert await program.wait() == 0
        assert b"Traceback" not in err
        assert b"Exception ignored" not in err


async def test_a_full_disk_is_told(server: ScriptedServer) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    async with process(server, stdout=full, stderr=subprocess.PIPE) as program:
        os.close(full)
        await let_in(server, GREETING)
        _, err = await program.communicate()
    assert program.returncode == 1
    assert b"standard output can't be written: No space left" in err
    assert b"Traceback" not in err
    assert b"Exception ignored" not in err


async def test_a_closed_input_is_told(server: ScriptedServer) -> None:
    closing = ("sh", "-c", 'exec "$0" "$@" <&-', sys.executable, "-c", PROGRAM, str(server.path))
    program = await asyncio.create_subprocess_exec(*closing, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    _, err = await program.communicate()
    assert program.returncode == 1
    assert err == b"* standard input is closed: there is nothing to say\n"
