"""A LMDeploy server that answers: one that we started, or one that runs already and is never ended.

Token ids are all that is sent, so a server that somebody else started must have the base's own tokenizer. Knows no
prompt.
"""

import asyncio
import os
from contextlib import suppress

from chatroom.engines._lmdeploy.client import LmdeployClient
from chatroom.engines._lmdeploy.limits import Limits
from chatroom.engines._lmdeploy.local_base import LocalBase
from chatroom.engines._lmdeploy.process import ServerProcess
from chatroom.engines.base import EngineOptions
from chatroom.errors import EngineError

PROBE = "Mara Vell: “Mind the third step”, said 安吉拉 — 12 steps."
"""Text that two tokenizers would hardly cut in the same way."""


class Server:
    """A server and the name of its model.

    Args:
        process: None where it is not ours.
    """

    def __init__(self, client: LmdeployClient, model: str, process: ServerProcess | None = None) -> None:
        self.client, self.model, self.process = client, model, process

    @property
    def lost(self) -> bool:
        """Whether its process ended."""
        return self.process is not None and self.process.lost

    async def end(self) -> None:
        """Ends every turn, then the server with all it started; one that is not ours is only left alone."""
        if self.process is not None:
            if not self.process.lost:
                with suppress(TimeoutError):
                    async with asyncio.timeout(2):
                        await self.client.abort_all()
            await self.process.end()
        await self.client.close()


async def found(base: LocalBase, options: EngineOptions, limits: Limits) -> Server:
    """A server that runs already, with a model that speaks in the same token ids.

    Raises:
        EngineError: It does not answer, serves something else, or sleeps for ever.
    """
    key = os.environ.get(options.key, "") if options.key else ""
    if options.key and not key:
        raise EngineError(f"the environment variable {options.key} with the server's key is not set", code="no_access")
    client = LmdeployClient(options.address, key=key, silence=limits.silence)
    try:
        names = await client.models()
        if await client.health() == "sleeping":
            raise EngineError(
                f"the server at {options.address} was put to sleep, and TurboMind can't wake up; start it anew",
                code="engine",
            )
        model = _chosen(names, options)
        await _check_tokenizer(client, base, options)
    except BaseException:
        await client.close()
        raise
    return Server(client, model)


def _chosen(names: list[str], options: EngineOptions) -> str:
    """The model that is meant."""
    if options.served in names or (not options.served and len(names) == 1):
        return options.served or names[0]
    problem = f"there is no {options.served!r}" if options.served else "it is not said which model is meant"
    raise EngineError(
        f"the server at {options.address}: {problem}; set `served` to one of: {', '.join(names)[:300]}", code="bad_base"
    )


async def _check_tokenizer(client: LmdeployClient, base: LocalBase, options: EngineOptions) -> None:
    """Ids are all that is sent: a server with other ones would answer nonsense. One that can't tell is believed."""
    try:
        theirs = await client.encode(PROBE)
    except EngineError:
        return
    if theirs != list(base.tokenizer.encode(PROBE, add_special_tokens=False)):
        raise EngineError(
            f"the model at {options.address} has another tokenizer than {options.base}; name the base it was made of",
            code="bad_base",
        )
