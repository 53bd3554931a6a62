"""The card in a PNG picture: text chunks `ccv3` and `chara`, JSON in base64, read and written.

A picture is its chunks: pixels are never looked at, nothing is unpacked, and every length is held against the bytes
that are there. Knows nothing of what a card says.
"""

import base64
import binascii
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

__all__ = ["SIGNATURE", "card_bytes", "chunk", "with_texts"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MOST_CHUNKS = 100_000
KEYWORDS = (b"ccv3", b"chara")
"""The newer one first: a picture that has both says the same twice."""
_PACKED = (b"zTXt", b"iTXt")
_DAMAGED = "this picture is damaged or cut off: copy it again"


class Chunk(NamedTuple):
    kind: bytes
    data: memoryview
    whole: memoryview
    """With length, kind and checksum."""

    @property
    def keyword(self) -> bytes:
        """Of a text; b"" for any other chunk."""
        return bytes(self.data[:80]).partition(b"\0")[0].lower() if self.kind[1:] in (b"EXt", b"TXt") else b""


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk with its length and checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def card_bytes(picture: bytes) -> bytes:
    """The JSON of a picture's card.

    Raises:
        ValueError: There is none, or it is damaged; the message is for people.
    """
    found: dict[bytes, Chunk] = {}
    packed = False
    for part in _chunks(picture):
        packed = packed or (part.kind in _PACKED and part.keyword in KEYWORDS)
        if part.kind == b"tEXt" and part.keyword in KEYWORDS:
            found[part.keyword] = part
    keyword = next((keyword for keyword in KEYWORDS if keyword in found), None)
    if keyword is None and packed:
        raise ValueError("its card is in a kind of chunk that no program writes: save the card as JSON")
    if keyword is None:
        raise ValueError("this picture carries no character card")
    return _decoded(found[keyword])


def with_texts(picture: bytes, texts: Sequence[tuple[bytes, bytes]]) -> bytes:
    """A picture with these texts in base64 before its end, in place of the card that it had.

    Raises:
        ValueError: It is no PNG picture, or damaged.
    """
    parts = list(_chunks(picture))
    if not parts or parts[-1].kind != b"IEND":
        raise ValueError(_DAMAGED)
    kept = [part.whole for part in parts[:-1] if part.keyword not in KEYWORDS]
    added = [chunk(b"tEXt", keyword + b"\0" + base64.b64encode(text)) for keyword, text in texts]
    return b"".join((SIGNATURE, *kept, *added, parts[-1].whole))


def _chunks(picture: bytes) -> Iterator[Chunk]:
    """The chunks up to IEND, in order."""
    if not picture.startswith(SIGNATURE):
        raise ValueError("it is no PNG picture")
    view, at = memoryview(picture), len(SIGNATURE)
    for _ in range(MOST_CHUNKS):
        head = bytes(view[at : at + 8])
        if not head:
            return
        end = at + 12 + int.from_bytes(head[:4], "big")
        if len(head) < 8 or end > len(view):
            raise ValueError(_DAMAGED)
        yield Chunk(head[4:], view[at + 8 : end - 4], view[at:end])
        if head[4:] == b"IEND":
            return
        at = end
    raise ValueError(f"it has more than {MOST_CHUNKS:,} chunks: save it anew")


def _decoded(part: Chunk) -> bytes:
    """Base64, with or without its padding."""
    if part.whole[-4:] != struct.pack(">I", zlib.crc32(part.whole[4:-4])):
        raise ValueError(_DAMAGED)
    text = b"".join(bytes(part.data).partition(b"\0")[2].split()).rstrip(b"=")
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        raise ValueError("the character card in this picture is damaged: save it as JSON") from None
