"""The engine within the stand-in: sessions, a real prefix store by blocks, replies that ids decide, faults.

Knows no HTTP. Sessions behave as LMDeploy's: it counts its own from 0, refuses an id of a user that is one of those
("occupied"), and trips over an id that is used twice.
"""

import asyncio
import itertools
import json
import os
from collections.abc import AsyncGenerator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

BLOCK = 64
REPLY = 12
"""How many ids a reply without a script has."""


class Failure(Exception):
    """What the server answers instead."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


@dataclass
class Session:
    own: int
    user: int
    aborted: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Output:
    """What one step of the engine gives."""

    ids: list[int]
    prompt: int
    told: int
    cached: int
    finish: str | None = None


class Vocabulary:
    """The base's own tokenizer if there is one; else every byte is a token."""

    def __init__(self, folder: Path) -> None:
        self._tokenizer = None
        self.stops: set[int] = set()
        self.context = 4096
        if (folder / "tokenizer.json").is_file():
            from tokenizers import Tokenizer

            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        for name in ("generation_config.json", "config.json"):
            if (folder / name).is_file():
                config = json.loads((folder / name).read_bytes())
                named = config.get("eos_token_id")
                self.stops |= {named} if isinstance(named, int) else set(named or [])

    def encode(self, text: str) -> list[int]:
        if self._tokenizer is None:
            return list(text.encode())
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: list[int]) -> str:
        if self._tokenizer is None:
            return bytes(id_ % 256 for id_ in ids).decode("utf-8", "replace")
        return str(self._tokenizer.decode(ids, skip_special_tokens=True))

    def controls(self) -> set[int]:
        return set(self._tokenizer.get_added_tokens_decoder()) if self._tokenizer else set()

    def id_of(self, token: str) -> int | None:
        return self._tokenizer.token_to_id(token) if self._tokenizer else None


class StandInEngine:
    """Answers prompts.

    Args:
        context: --session-len.
        caches: Whether prefixes are kept.
    """

    def __init__(self, folder: Path, *, context: int, caches: bool) -> None:
        self.vocabulary = Vocabulary(folder)
        self.sleeping = False
        self.sessions: dict[int, Session] = {}
        self._users: set[int] = set()
        self._own = itertools.count()
        self._context, self._caches = context, caches
        self._blocks: set[tuple[int, int]] = set()
        script = os.environ.get("STAND_IN_SCRIPT", "")
        lines = Path(script).read_text("utf-8").splitlines() if script else []
        self._script: Iterator[str] = itertools.cycle(lines) if lines else iter(())

    def faults(self) -> dict[str, str]:
        """The faults of this moment: name → argument."""
        named = os.environ.get("STAND_IN_FAULT", "")
        if (file := os.environ.get("STAND_IN_FAULTS")) and Path(file).exists():
            named += "," + Path(file).read_text("utf-8")
        return {name: argument for name, _, argument in (fault.strip().partition(":") for fault in named.split(","))}

    def open(self, user: int | None) -> Session:
        """Makes a session; an id that is in use is an error that nobody catches."""
        own = next(self._own)
        if user is not None and user != -1:
            if user in self._users:
                raise Failure(500, "Internal Server Error")
            self._users.add(user)
        self.sessions[own] = session = Session(own, user if user is not None else -1)
        record(session=session.user)
        return session

    def find(self, user: int) -> Session | None:
        return next((session for session in self.sessions.values() if session.user == user), None)

    def remove(self, session: Session) -> None:
        self.sessions.pop(session.own, None)
        self._users.discard(session.user)

    def check_length(self, ids: list[int]) -> None:
        if len(ids) >= self._context:
            problem = f"Input length ({len(ids)}) must be smaller than the model context length ({self._context})."
            raise Failure(400, problem)

    async def run(
        self, session: Session, ids: list[int], most: int, stops: set[int], seed: int | None, adapter: str = ""
    ) -> AsyncGenerator[Output, None]:
        """Tells a reply id by id, then how it ended. Closing it cancels it."""
        cached = self._cached(ids, adapter)
        told, stopped = 0, "length"
        try:
            for id_ in self._reply(ids, seed, adapter):
                if id_ in stops | self.vocabulary.stops:
                    stopped = "stop"
                    break
                if told == min(most, self._context - len(ids)):
                    break
                await self._step(session, told)
                if session.aborted.is_set():
                    stopped = "abort"
                    break
                told += 1
                yield Output([id_], len(ids), told, cached)
            else:
                stopped = "stop"
            yield Output([], len(ids), told, cached, stopped)
        finally:
            self.remove(session)
            record(ended=session.user, told=told, finish=stopped)

    async def _step(self, session: Session, told: int) -> None:
        """Takes the time of one id, as the faults say."""
        faults = self.faults()
        if "exit" in faults and told >= int(faults["exit"] or 0):
            record(died=session.user)
            os._exit(1)
        if ("hang" in faults and told >= int(faults["hang"] or 0)) or "sleepless" in faults:
            record(hangs=session.user)
            await session.aborted.wait()
        if "cut" in faults and told >= int(faults["cut"] or 0):
            raise ConnectionResetError
        if "error_frame" in faults:
            raise Failure(500, "An internal server error occurred.")
        if "slow" in faults:
            with suppress(TimeoutError):
                await asyncio.wait_for(session.aborted.wait(), float(faults["slow"]))
        else:
            await asyncio.sleep(0)

    def _reply(self, ids: list[int], seed: int | None, adapter: str) -> list[int]:
        """By script, or by the prompt, the seed and the adapter's name alone."""
        if line := next(self._script, ""):
            return self.vocabulary.encode(line)
        plain = [id_ for id_ in ids if id_ not in self.vocabulary.controls()] or [65]
        start = ((seed or 0) + len(ids) + sum(adapter.encode())) % len(plain)
        return (plain[start:] + plain)[:REPLY] if "endless" not in self.faults() else (plain * 200)[:5000]

    def _cached(self, ids: list[int], adapter: str) -> int:
        """How many ids of the prompt were kept in whole blocks; keeps the prompt's own. Each adapter has its own."""
        if not self._caches:
            return 0
        hit, chain = 0, hash(adapter)
        blocks = [tuple(ids[at : at + BLOCK]) for at in range(0, len(ids) - len(ids) % BLOCK, BLOCK)]
        for number, block in enumerate(blocks):
            chain = hash((chain, block))
            if hit == number * BLOCK and (number, chain) in self._blocks:
                hit += BLOCK
            self._blocks.add((number, chain))
        return min(hit, len(ids) - 1)


def record(**happened: object) -> None:
    """Tells a test what happened, in a file of one JSON object a line."""
    if path := os.environ.get("STAND_IN_RECORD"):
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(happened) + "\n")
