"""Bytes of a server-sent event stream → the data of its events: pure, linear in what is fed, bounded.

Lines end with LF, CRLF or CR; an empty line ends an event; comments and other fields are skipped. Knows no socket and
no JSON.
"""

from collections.abc import Iterator

LONGEST_EVENT = 1 << 20
"""Bytes that the lines of one event may have."""
LONGEST_STREAM = 64 << 20
"""Bytes that a whole stream may have, its comments included."""


class TooLongError(ValueError):
    """A stream passes one of its bounds."""


class EventDecoder:
    """Collects the events of one stream.

    Invariant: `_rest` is the beginning of a line, and `_data` are the data lines of the event that it belongs to.
    """

    def __init__(self, *, longest_event: int = LONGEST_EVENT, longest_stream: int = LONGEST_STREAM) -> None:
        self._longest, self._left = longest_event, longest_stream
        self._rest: list[bytes] = []
        self._data: list[bytes] = []
        self._size = 0
        self._after_cr = False

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Takes what came and gives the data of the events that are now complete.

        Raises:
            TooLongError: An event or the stream is longer than it may be.
        """
        self._left -= len(chunk)
        if self._left < 0:
            raise TooLongError("the answer has no end")
        for line in self._lines(chunk):
            if line:
                self._take(line)
            else:
                if self._data:
                    yield b"\n".join(self._data)
                self._data, self._size = [], 0

    def _lines(self, chunk: bytes) -> Iterator[bytes]:
        """Whole lines without their ends; the beginning of another is kept."""
        if self._after_cr and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._after_cr = False
        parts = chunk.splitlines(keepends=True)
        for part in parts:
            line = part.rstrip(b"\r\n") if part[-1:] in b"\r\n" else part
            self._size += len(line)
            if self._size > self._longest:
                raise TooLongError("a line of the answer is too long")
            self._rest.append(line)
            if len(line) < len(part):
                yield b"".join(self._rest)
                self._rest = []
        self._after_cr = chunk.endswith(b"\r") if chunk else self._after_cr

    def _take(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
