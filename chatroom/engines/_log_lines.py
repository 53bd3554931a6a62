"""What a process writes, line by line as it comes; progress bars write carriage returns instead of ends.

Knows no process and no engine.
"""

import asyncio
import re
from collections.abc import AsyncGenerator

LONGEST = 1 << 16
"""Bytes of a line that are kept together."""


async def log_lines(stream: asyncio.StreamReader) -> AsyncGenerator[str, None]:
    """Lines of a log; one that does not end is given in parts."""
    rest = b""
    while chunk := await stream.read(1 << 16):
        *whole, rest = re.split(rb"[\r\n]+", rest + chunk)
        if len(rest) > LONGEST:
            whole, rest = [*whole, rest], b""
        for line in whole:
            if line.strip():
                yield line.decode("utf-8", "replace").strip()
    if rest.strip():
        yield rest.decode("utf-8", "replace").strip()
