"""A plain picture for a role that has none: a coloured square with its initial, or a pattern of its own.

A PNG without any library: a palette of two colours, one bit a pixel. The same name gives the same picture.
"""

import hashlib
import struct
import zlib
from collections.abc import Sequence

from cards.png import SIGNATURE, chunk

__all__ = ["picture_of"]

_CELL, _MARGIN = 40, 2
_WIDE, _HIGH = 5, 7
_GLYPHS = {
    "A": "0e11111f111111", "B": "1e11111e11111e", "C": "0e11101010110e", "D": "1e11111111111e", "E": "1f10101e10101f",
    "F": "1f10101e101010", "G": "0e11101713110e", "H": "1111111f111111", "I": "0e04040404040e", "J": "0702020202120c",
    "K": "11121418141211", "L": "1010101010101f", "M": "111b1515111111", "N": "11191915131311", "O": "0e11111111110e",
    "P": "1e11111e101010", "Q": "0e11111115120d", "R": "1e11111e141211", "S": "0f10100e01011e", "T": "1f040404040404",
    "U": "1111111111110e", "V": "11111111110a04", "W": "1111111515150a", "X": "11110a040a1111", "Y": "11110a04040404",
    "Z": "1f01020408101f",
}  # fmt: skip
"""Seven rows of five points for each letter."""


def picture_of(name: str) -> bytes:
    """A PNG for a name."""
    digest = hashlib.sha256(name.encode("utf-8", "replace")).digest()
    rows = _framed(_points(name, digest))
    wide, high = len(rows[0]) * _CELL, len(rows) * _CELL
    lines = b"".join((b"\0" + _line(row)) * _CELL for row in rows)
    ground = bytes(60 + byte // 2 for byte in digest[:3])
    return b"".join(
        (
            SIGNATURE,
            chunk(b"IHDR", struct.pack(">IIBBBBB", wide, high, 1, 3, 0, 0, 0)),
            chunk(b"PLTE", ground + b"\xfa\xf6\xee"),
            chunk(b"IDAT", zlib.compress(lines, 9)),
            chunk(b"IEND", b""),
        )
    )


def _points(name: str, digest: bytes) -> Sequence[int]:
    """Rows of bits: the initial, or a pattern that is the same left and right."""
    glyph = _GLYPHS.get(name[:1].upper())
    if glyph:
        return bytes.fromhex(glyph)
    halves = [byte & 0b111 for byte in digest[3 : 3 + _HIGH]]
    return [half << 2 | (half >> 1 & 1) << 1 | half >> 2 for half in halves]


def _framed(points: Sequence[int]) -> list[str]:
    wide = _WIDE + 2 * _MARGIN + 2
    empty = "0" * wide
    inner = [f"{row:0{_WIDE}b}".center(wide, "0") for row in points]
    return [empty] * _MARGIN + inner + [empty] * _MARGIN


def _line(row: str) -> bytes:
    """One line of pixels; a cell is a whole number of bytes."""
    return b"".join((b"\xff" if bit == "1" else b"\0") * (_CELL // 8) for bit in row)
