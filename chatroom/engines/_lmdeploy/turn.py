"""One reply: ids go to the server, ids come back and become text here.

Ends at the base's own stop ids. A turn that is left early is ended twice: by its session, so that its last words say
what it took, and by its connection, in case nobody listens to the first. Knows no process and no room.
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from itertools import takewhile

from chatroom.engines._detokenizer import Detokenizer
from chatroom.engines._lmdeploy.frames import Frame, Usage
from chatroom.engines._lmdeploy.local_base import LocalBase
from chatroom.engines._lmdeploy.server import Server
from chatroom.errors import EngineError
from chatroom.messages import Sampling

FIRST_SESSION = 1 << 32
"""LMDeploy counts its own sessions from 0, and refuses an id that one of them has."""


class Turn:
    """A turn on a server.

    Args:
        ids: The prompt's.
        model: What is asked; "" is the base.

    Attributes:
        session: Its id there.
        usage: What it took; None until the server told.
        over: Whether the server has told all of it.
    """

    def __init__(
        self, server: Server, base: LocalBase, ids: Sequence[int], sampling: Sampling, model: str = ""
    ) -> None:
        self.session = FIRST_SESSION + secrets.randbits(50)
        self.usage: Usage | None = None
        self.over = False
        self._heard = asyncio.get_running_loop().time()
        self._server, self._base, self._ids, self._told = server, base, ids, 0
        asked = model or server.model
        self._frames = server.client.generate(asked, ids, sampling, session=self.session, stops=base.stops)

    async def pieces(self) -> AsyncGenerator[str, None]:
        """Yields text as it comes.

        Raises:
            EngineError: The server fails, or ends the turn by itself.
        """
        text = Detokenizer(self._base.tokenizer, self._ids)
        async for frame in self._frames:
            self._note(frame)
            said = list(takewhile(lambda id_: id_ not in self._base.stop_ids, frame.ids))
            for id_ in said:
                if piece := text.add(id_):
                    yield piece
            if len(said) < len(frame.ids):
                break
            _check_finish(frame)
        else:
            self.over = True
            self._check_ids()
        if piece := text.rest():
            yield piece

    def silence(self) -> float:
        """Seconds since something was heard of it."""
        return asyncio.get_running_loop().time() - self._heard

    async def drain(self) -> None:
        """Hears a turn out, without its words."""
        async for frame in self._frames:
            self._note(frame)
        self.over = True

    async def settle(self, seconds: float) -> None:
        """Ends a turn that was left: hears its last words, for they say what it took, and closes the connection."""
        try:
            with suppress(EngineError, TimeoutError):
                async with asyncio.timeout(seconds):
                    if not self.over and await self._server.client.abort(self.session):
                        await self.drain()
        finally:
            await self._frames.aclose()

    def _note(self, frame: Frame) -> None:
        self._heard = asyncio.get_running_loop().time()
        self.usage = frame.usage or self.usage
        self._told += len(frame.ids)

    def _check_ids(self) -> None:
        if not self._told and self.usage is not None and self.usage.reply:
            raise EngineError("the server sends no token ids; it must be LMDeploy 0.18 or later", code="engine")


def _check_finish(frame: Frame) -> None:
    if frame.finish == "abort":
        raise EngineError("the server gave the turn up; somebody else ended it", code="engine_lost")
