"""Lines of standard input, as they come, without ever blocking the event loop or the end of the program.

A thread reads the descriptor itself: a buffered reader would hold its lock when the program ends while nobody types,
and Python would call that fatal. It knows no room.
"""

import asyncio
import codecs
import os
import threading
from collections.abc import AsyncIterator, Callable


async def typed_lines(descriptor: int) -> AsyncIterator[str]:
    """Yields each line without its end; stops at the end of input."""
    loop, lines = asyncio.get_running_loop(), asyncio.Queue[str | None]()

    def hand_over(line: str | None) -> None:
        try:
            loop.call_soon_threadsafe(lines.put_nowait, line)
        except RuntimeError:
            return  # the loop has ended: nobody listens any more

    threading.Thread(target=_read, args=(descriptor, hand_over), daemon=True, name="typed-input").start()
    while (line := await lines.get()) is not None:
        yield line


def _read(descriptor: int, hand_over: Callable[[str | None], None]) -> None:
    decoder, rest = codecs.getincrementaldecoder("utf-8")(errors="replace"), ""
    while piece := _piece(descriptor):
        *lines, rest = (rest + decoder.decode(piece)).split("\n")
        for line in lines:
            hand_over(line.removesuffix("\r"))
    if rest:
        hand_over(rest)
    hand_over(None)


def _piece(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""  # a terminal that went away is the end of input
