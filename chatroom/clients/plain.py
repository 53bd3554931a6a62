"""Line mode: what is typed or piped in is said, what is said is printed as `Name: text`.

Standard output holds the talk and nothing else, each message once, complete, in order of seq; all that is about the
talk goes to standard error. A line waits until the room has fallen silent after the one before, so that a pipe reads
like a conversation. It knows no screen: one line after another is all that it can do.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing, suppress
from io import TextIOWrapper
from typing import TextIO

from chatroom.clients._safe_text import safe_text, shown_text
from chatroom.clients._transcript import Row, Transcript, presence_of
from chatroom.clients._typed_input import typed_lines
from chatroom.clients._typed_line import Typed, excess, parse, problem, role_id, usages
from chatroom.clients._usage import usage_line
from chatroom.clients.base import Connecting, Connection, News, Offline, Online
from chatroom.errors import RefusedError
from chatroom.frames import Error, PostedFrame, RetriedFrame, Welcome
from chatroom.messages import Speaker

PATIENCE = 120.0
"""Seconds that a line waits for the server, and for the room to fall silent."""
RECENT = 20
INTERRUPTED = 130


async def run(
    connection: Connection,
    name: str,
    *,
    lines: AsyncIterator[str] | None = None,
    out: TextIO | None = None,
    err: TextIO | None = None,
    patience: float = PATIENCE,
) -> int:
    """Joins as `name`; 0 at the end of input, 1 if a turn failed or the server refused us, 130 for Ctrl-C.

    Args:
        lines: What is typed, instead of standard input.
        out: Where the talk goes.
        err: Where all else goes.
        patience: Most seconds to wait for the server, and for silence.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that knows few letters still shows the others
    printer = Printer(out or sys.stdout, err or sys.stderr)
    if lines is None and sys.stdin is None:  # as after `<&-`
        printer.note("standard input is closed: there is nothing to say")
        return 1
    typed = lines if lines is not None else typed_lines(sys.stdin.fileno())
    hurried = lines is None and os.isatty(sys.stdin.fileno())
    return await LineMode(connection, printer, patience, hurried=hurried).run(name, typed)


class Printer:
    """Two streams: the talk, and what is about it."""

    def __init__(self, out: TextIO, err: TextIO) -> None:
        self._out, self._err = out, err

    def say(self, row: Row) -> None:
        print(_line(row), file=self._out, flush=True)

    def note(self, text: str) -> None:
        with suppress(OSError):  # there is nowhere to tell that nothing can be told
            print("* " + safe_text(text), file=self._err, flush=True)

    def context(self, row: Row) -> None:
        print(_line(row), file=self._err, flush=True)

    def hush(self) -> None:
        """Standard output is closed: what Python still holds for it must not be written when the program ends."""
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._out.fileno())


class LineMode:
    """A conversation in lines.

    Args:
        hurried: A person types: `/stop` takes effect at once, even while an earlier line waits.
    """

    def __init__(self, connection: Connection, printer: Printer, patience: float, *, hurried: bool = False) -> None:
        self._connection, self._printer, self._patience, self._hurried = connection, printer, patience, hurried
        self._transcript = Transcript()
        self._you = ""
        self._said_at = 0
        self._failed = False
        self._here: dict[str, str] = {}
        self._told: set[str] = set()
        self._moved = asyncio.Condition()

    async def run(self, name: str, lines: AsyncIterator[str]) -> int:
        interrupted = asyncio.Event()
        loop = asyncio.get_running_loop()
        with suppress(NotImplementedError, RuntimeError, ValueError):  # not in this thread, or not on this system
            loop.add_signal_handler(signal.SIGINT, interrupted.set)
        works: list[asyncio.Task[object]] = [
            asyncio.create_task(self._listen(name)),
            asyncio.create_task(self._talk(lines)),
            asyncio.create_task(interrupted.wait()),
        ]
        try:
            await asyncio.wait(works, return_when=asyncio.FIRST_COMPLETED)
            return INTERRUPTED if interrupted.is_set() else self._status(works)
        finally:
            with suppress(NotImplementedError, RuntimeError, ValueError):
                loop.remove_signal_handler(signal.SIGINT)
            for work in works:
                work.cancel()
            await asyncio.gather(*works, return_exceptions=True)

    def _status(self, works: Iterable[asyncio.Task[object]]) -> int:
        for error in (work.exception() for work in works if work.done()):
            if isinstance(error, BrokenPipeError):
                self._printer.hush()
                return 0
            if isinstance(error, OSError):
                self._printer.note(f"standard output can't be written: {error.strerror}")
                self._printer.hush()
                return 1
            if isinstance(error, RefusedError):
                self._printer.note(str(error))
                return 1
            if error is not None:
                raise error
        return 1 if self._failed else 0

    # --- listening ----------------------------------------------------------------------------------------------------

    async def _listen(self, name: str) -> None:
        async with aclosing(self._connection.listen(name)) as heard:
            async for news in heard:
                self._hear(news)
                async with self._moved:
                    self._moved.notify_all()

    def _hear(self, news: News) -> None:
        match news:
            case Connecting() if "://" in self._connection.address:
                self._printer.note(f"connecting to {self._connection.address}")
            case Offline():
                self._printer.note(f"offline: {news.reason}; trying again in {max(1, round(news.wait))} s")
            case Connecting() | Online():
                pass
            case Error():
                self._printer.note(news.text)
            case Welcome():
                self._enter(news)
            case _:
                self._fold(news)

    def _enter(self, welcome: Welcome) -> None:
        change = self._transcript.fold(welcome)
        self._you = welcome.you.id
        if not change.cleared:
            self._print(change.added, self._printer.say)
        else:
            self._said_at = 0
            state = next(room for room in welcome.rooms if room.room == self._transcript.room)
            fresh = not state.more and not any(isinstance(event, PostedFrame) for event in state.events)
            show = self._printer.say if fresh else self._printer.context
            self._print(self._transcript.rows[-RECENT:], show, past=True)
        self._here = self._roster()
        self._printer.note(f"in {self._transcript.name}: {', '.join(self._here)}")
        self._tell_fresh(self._transcript.faults)

    def _fold(self, news: News) -> None:
        if isinstance(news, Connecting | Online | Offline):
            return
        change = self._transcript.fold(news)
        self._print(change.added, self._printer.say)
        if isinstance(news, RetriedFrame):
            self._printer.note("the last reply is being made again")
        if change.roster and (here := self._roster()) != self._here:
            self._tell_fresh(sentence for who, sentence in here.items() if sentence != self._here.get(who))
            self._here = here

    def _tell_fresh(self, sentences: Iterable[str]) -> None:
        """Tells each fault once, however often it comes and goes."""
        self._tell(sentence for sentence in sentences if sentence not in self._told)
        self._told.update(self._transcript.faults)

    def _tell(self, sentences: Iterable[str]) -> None:
        for sentence in sentences:
            self._printer.note(sentence)

    def _print(self, rows: Iterable[Row], show: Callable[[Row], None], *, past: bool = False) -> None:
        """Prints what was said; a turn that failed before we came is no failure of this run."""
        for row in rows:
            if row.text and row.kind in {"said", "failed"}:
                show(row)
            if row.kind == "failed":
                self._printer.note(f"{row.author.name} could not answer: {row.error}")
                self._failed = self._failed or not past
            elif row.status in {"stopped", "interrupted"}:
                self._printer.note(f"{row.author.name} was {row.status}")
            elif row.kind in {"joined", "left"} and not past and row.author.id != self._you:
                self._printer.note(f"{row.author.name} {row.kind}")

    def _roster(self) -> dict[str, str]:
        """Who is here, by name; who thinks or speaks is of no interest to a line."""
        return {seated.who.name: presence_of(seated) for seated in self._transcript.roster}

    # --- talking ------------------------------------------------------------------------------------------------------

    async def _talk(self, lines: AsyncIterator[str]) -> None:
        waiting = asyncio.Queue[Typed | None]()
        reader = asyncio.create_task(self._read(lines, waiting))
        try:
            if not await self._until(lambda: bool(self._transcript.room)):
                raise RefusedError("timeout", f"no server within {self._patience:.0f} s")
            while (typed := await waiting.get()) is not None:
                await self._obey(typed)
            await self._silence()
        finally:
            reader.cancel()

    async def _read(self, lines: AsyncIterator[str], waiting: asyncio.Queue[Typed | None]) -> None:
        async for line in lines:
            if not line.strip():
                continue
            typed = parse(line)
            if self._hurried and typed.verb == "stop":
                with suppress(RefusedError):
                    await self._command(typed)
            else:
                waiting.put_nowait(typed)
        waiting.put_nowait(None)

    async def _obey(self, typed: Typed) -> None:
        if wrong := problem(typed):
            self._printer.note(wrong)
            return
        if long := excess(typed, self._connection.limits.text):
            self._printer.note(f"{long}; not said: {typed.argument[:40]}…")
            self._failed = True
            return
        if typed.verb not in {"stop", "who", "help"}:
            await self._silence()
        await self._command(typed)

    async def _command(self, typed: Typed) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await self._carry_out(typed)
        except RefusedError as refused:
            self._printer.note(str(refused))
            self._failed = True
        except TimeoutError:
            self._give_up(f"the server did not answer within {self._patience:.0f} s")

    async def _carry_out(self, typed: Typed) -> None:
        connection, roster = self._connection, self._transcript.roster
        match typed.verb:
            case "say":
                await self._say(typed.argument)
            case "stop":
                await connection.stop()
            case "retry":
                self._said_at = (await connection.retry()).seq
            case "invite":
                await connection.invite(typed.argument)
            case "dismiss":
                await connection.dismiss(role_id(typed.argument, roster))
            case "why":
                self._tell(_reasons(self._transcript))
            case "who":
                self._tell(self._roster().values())
            case _:
                self._tell(f"{usage:<14}  {does}" for usage, does in usages())

    async def _say(self, text: str) -> None:
        self._said_at = (await self._connection.say(text)).seq
        if not self._transcript.anybody_else(self._you):
            raise RefusedError("nobody", "nobody here can answer")

    async def _silence(self) -> None:
        if not await self._until(lambda: self._transcript.is_silent_after(self._said_at)):
            self._give_up(f"the room did not fall silent within {self._patience:.0f} s")

    def _give_up(self, why: str) -> None:
        """Nothing came in time. Without a server there is no point in trying the other lines, each as long."""
        if not isinstance(self._connection.state, Online):
            raise RefusedError("timeout", why)
        self._printer.note(why)
        self._failed = True

    async def _until(self, reached: Callable[[], bool]) -> bool:
        """Waits for what a frame brings about; False if it took too long."""
        try:
            async with asyncio.timeout(self._patience), self._moved:
                await self._moved.wait_for(reached)
        except TimeoutError:
            return False
        return True


def _reasons(transcript: Transcript) -> Iterable[str]:
    """What the last reply was given to know, and how much of its prompt was held from before."""
    reply = next(reversed(transcript.replies), None)
    if reply is None:
        return ["nobody has said anything yet"]
    given = [f"{p.title or 'remembered'} ({p.source}, {p.score:.2f}): {p.text}" for p in reply.passages]
    heads = f"{reply.author.name} was given to know:" if given else "nothing was looked up for the last reply"
    return [heads, *given, usage_line(reply.usage)]


def _line(row: Row) -> str:
    """`Name: text`, continuation lines indented, so that no text can pass for another speaker's line."""
    return f"{_name(row.author)}: " + shown_text(row.text).replace("\n", "\n  ")


def _name(speaker: Speaker) -> str:
    return safe_text(speaker.name)
