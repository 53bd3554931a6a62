"""What LMDeploy writes, kept: the whole in a file of bounded size, the last lines and what they give away in memory.

The key of the server never gets into it. Knows no process.
"""

import logging
import os
import re
from collections import deque
from contextlib import suppress
from pathlib import Path

log = logging.getLogger("chatroom.engines.lmdeploy")

LAST_LINES = 5
"""How many lines an error quotes when the server is gone."""
LARGEST = 4 << 20
"""Bytes of the file; then it is put aside as NAME.1 and begun anew."""
LONGEST_LINE = 4096

FALLBACK = "Fallback to pytorch engine"
"""What LMDeploy 0.18.0 writes, and only writes, when it takes another engine than it was told to."""
_NO_MEMORY = re.compile(r"out of memory|OutOfMemory|cudaErrorMemoryAllocation", re.IGNORECASE)
_PORT_TAKEN = re.compile(r"address already in use", re.IGNORECASE)


class ServerLog:
    """The log of one server.

    Args:
        path: Where it is kept; None keeps only the last lines.
        secret: What is never written.
        wanted: The engine that it was started with, as people call it.

    Attributes:
        fell_back: The line that says that LMDeploy took another engine; "" if there was none.
        no_memory: The line that says that the memory is full.
        port_taken: Whether another program was faster to take the port.
    """

    def __init__(self, path: Path | None, *, secret: str = "", wanted: str = "LMDeploy") -> None:
        self._path, self._secret, self.wanted = path, secret, wanted
        self._last: deque[str] = deque(maxlen=LAST_LINES)
        self.fell_back = self.no_memory = ""
        self.port_taken = False

    def add(self, line: str) -> None:
        """Takes a line and looks what it means."""
        clean = line[:LONGEST_LINE].replace(self._secret, "…") if self._secret else line[:LONGEST_LINE]
        log.info("%s", clean)
        self._last.append(clean)
        self.fell_back = self.fell_back or (clean if FALLBACK in clean else "")
        self.no_memory = self.no_memory or (clean if _NO_MEMORY.search(clean) else "")
        self.port_taken = self.port_taken or bool(_PORT_TAKEN.search(clean))
        if self._path is not None:
            with suppress(OSError):  # a full disk must not end a turn
                _append(self._path, f"{clean}\n")

    @property
    def last(self) -> str:
        """The last line, or nothing."""
        return self._last[-1] if self._last else ""

    def last_words(self) -> str:
        """What an error may quote: the last lines and where the rest is."""
        said = f"; it last said: {' | '.join(self._last)}" if self._last else ""
        return said + (f" (all of it: {self._path})" if said and self._path else "")


def _append(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        if path.stat().st_size > LARGEST:
            path.replace(path.with_name(f"{path.name}.1"))
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a", encoding="utf-8") as file:
        file.write(text)
