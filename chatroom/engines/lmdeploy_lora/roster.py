"""The adapters that one engine was told of: which the server is to have, which it was started with, which are refused.

Invariant: a server is asked only for an adapter that it was started with. Knows no process; `prepared` blocks.
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Sequence

from chatroom.engines.lmdeploy_lora.cleaning import CleanAdapter, cleaned
from chatroom.errors import EngineError
from chatroom.folder_cache import FolderCache
from chatroom.messages import Adapter

log = logging.getLogger("chatroom.engines.lmdeploy")

MOST = 64
"""How many adapters a server is started with; those least recently asked for are left out."""

AGAIN = 600.0
"""Seconds until an adapter that was refused may be tried again: perhaps there was only too little memory."""


class Roster:
    """Adapters by their folder.

    Args:
        told: Those that will be asked for, as far as that is known.
    """

    def __init__(self, cache: FolderCache, told: Sequence[Adapter] = ()) -> None:
        self._cache = cache
        self._known = OrderedDict((adapter.path, adapter) for adapter in told)
        self._loaded: dict[str, CleanAdapter] = {}
        self._refused: dict[tuple[str, str], tuple[float, EngineError]] = {}

    def loaded(self, adapter: Adapter) -> str:
        """Its name on the server; "" if the server was started without it, or with an older state of it.

        Raises:
            EngineError: It is refused.
        """
        until, refusal = self._refused.get((adapter.path, adapter.fingerprint), (0.0, None))
        if refusal is not None and time.monotonic() < until:
            raise EngineError(str(refusal), code=refusal.code)
        found = self._loaded.get(adapter.path)
        if found is None or found.fingerprint != adapter.fingerprint:
            return ""
        self.note(adapter)
        return found.name

    def note(self, adapter: Adapter) -> None:
        """Remembers an adapter for the next start."""
        self._known[adapter.path] = adapter
        self._known.move_to_end(adapter.path)
        while len(self._known) > MOST:
            self._known.popitem(last=False)

    def drop(self, adapter: Adapter, reason: EngineError) -> None:
        """Refuses an adapter with which the server did not start, for a while or until it is changed."""
        self._known.pop(adapter.path, None)
        self._refused[adapter.path, adapter.fingerprint] = time.monotonic() + AGAIN, reason
        while len(self._refused) > MOST:
            self._refused.pop(next(iter(self._refused)))

    def forgive(self) -> None:
        """Lets every adapter have another try."""
        self._refused.clear()

    def check(self, adapter: Adapter, layers: int) -> None:
        """Makes its copy, or finds it, before anything is stopped for it.

        Raises:
            EngineError: `no_adapter`, with what to do.
        """
        cleaned(adapter, self._cache, layers)

    def prepared(self, layers: int) -> list[CleanAdapter]:
        """Copies of all, for a start; one that can't be loaded is left out."""
        found: dict[str, CleanAdapter] = {}
        for adapter in list(self._known.values())[-MOST:]:
            try:
                found[adapter.path] = cleaned(adapter, self._cache, layers)
            except EngineError as error:
                log.warning("%s", error)
                self._known.pop(adapter.path, None)  # its own turn tells it to the room
        return self._begun(found)

    def _begun(self, found: dict[str, CleanAdapter]) -> list[CleanAdapter]:
        """Notes with which the server is started; two folders with the same adapter share one name there."""
        self._loaded = found
        return sorted({each.name: each for each in found.values()}.values(), key=lambda each: each.name)
