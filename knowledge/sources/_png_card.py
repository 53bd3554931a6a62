"""The character card that a PNG picture carries: a text chunk `ccv3` or `chara`, JSON in base64.

Pixels are never looked at. Knows nothing of what a card says.
"""

import base64
import binascii
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from knowledge.encodings import LARGEST_TEXT
from knowledge.errors import UnreadableError
from knowledge.sources.base import SourceFile

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_MOST_CHUNKS = 100_000
_KEYWORDS = (b"ccv3", b"chara")
"""The newer one first: a picture that has both says the same twice."""


def card_text(file: SourceFile) -> str:
    """Reads the JSON of a picture's card.

    Raises:
        UnreadableError: There is none, or it is damaged.
    """
    with file.open() as stream:
        found = dict(_cards(file, stream))
    keyword = next((keyword for keyword in _KEYWORDS if keyword in found), None)
    if keyword is None:
        raise UnreadableError(
            file.name, "this picture carries no character card: leave it out, or save the card as JSON"
        )
    try:
        return _decoded(found[keyword])
    except (binascii.Error, UnicodeDecodeError):
        raise UnreadableError(file.name, "the character card in this picture is damaged: save it as JSON") from None


def _decoded(text: bytes) -> str:
    """Base64, with or without its padding."""
    text = b"".join(text.split()).rstrip(b"=")
    return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True).decode("utf-8-sig")


def _cards(file: SourceFile, stream: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Keyword and text of every chunk that holds a card."""
    if stream.read(len(SIGNATURE)) != SIGNATURE:
        raise UnreadableError(file.name, "it is no PNG picture")
    left = LARGEST_TEXT
    for _ in range(_MOST_CHUNKS):
        head = stream.read(8)
        if len(head) < 8 or head[4:] == b"IEND":
            return
        (length,) = struct.unpack(">I", head[:4])
        if head[4:] != b"tEXt":
            stream.seek(length + 4, 1)
            continue
        left -= length
        keyword, text = _chunk(file, stream, length, left)
        if keyword in _KEYWORDS:
            yield keyword, text


def _chunk(file: SourceFile, stream: BinaryIO, length: int, left: int) -> tuple[bytes, bytes]:
    """Reads a text chunk, if it is not beyond what is left of the limit."""
    if left < 0:
        raise UnreadableError(file.name, f"it holds more than {LARGEST_TEXT // 1_000_000:,} MB of text")
    data, crc = stream.read(length), stream.read(4)
    if crc != struct.pack(">I", zlib.crc32(b"tEXt" + data)):
        raise UnreadableError(file.name, "this picture is damaged: copy it again")
    keyword, _, text = data.partition(b"\0")
    return keyword.lower(), text
