"""Bytes → text: UTF-8, UTF-16, GB18030 and Windows-1252, told apart by what the bytes are, never by a setting.

UTF-8 wins where most of what lies beyond ASCII is valid in it, so that a few damaged bytes cost these characters only
and never turn a page into another script. Only the first bytes beyond ASCII are looked at, wherever they stand in the
file: an English header says nothing about a Chinese text. Knows nothing of formats; newlines come out as `\\n`.
"""

import codecs
import re
from collections.abc import Iterator
from io import BytesIO, TextIOWrapper
from typing import TYPE_CHECKING, BinaryIO

from knowledge.errors import UnreadableError

if TYPE_CHECKING:
    from knowledge.sources.base import SourceFile

LARGEST_TEXT = 64_000_000
"""Bytes of a file that is read as a whole."""
LONGEST_LINE = 16_000_000
"""Characters of a line."""

_BLOCK, _EVIDENCE = 1 << 16, 1 << 18
_LOST = "\ufffd"
_ASCII = bytes(range(128))
_CONTROL = bytes({*range(32), 127} - set(b"\t\n\v\f\r\x1a\x1b"))
_HAN = re.compile(rb"[\xa1-\xfe]{2}")
"""A character of GB2312, the part of GB18030 that nearly all Chinese text is made of."""
_LONE = re.compile(rb"(?<![\x80-\xff])[\x80-\xff](?![\x80-\xff])")
"""A byte beyond ASCII among letters, as every accent and curly quote of Windows-1252 is."""
_USUAL = re.compile(r"[\t\n\r -~\u00a0-\u052f\u2010-\u2027\u3000-\u30ff\u4e00-\u9fff\uac00-\ud7af\uff00-\uffef]")
"""Characters that make up text in UTF-16: Latin, Greek, Cyrillic, kana, Han, Hangul and their marks."""
_PRIVATE = re.compile("[\ue000-\uf8ff]")
"""What Big5 looks like when it is taken for GB18030."""

_NO_TEXT = "it is not text"
_UNKNOWN = "it is neither UTF-8 nor UTF-16 nor GB18030: save it as UTF-8"


def encoding_of(head: bytes) -> str:
    """Names the codec that reads a text which begins so; the head may end within a character.

    Raises:
        ValueError: It is no text, or in an encoding that is not known; the message says which.
    """
    return _judge(BytesIO(head))


def decode(data: bytes) -> str:
    """Turns a whole text into a string, as it stands, less a byte order mark; damaged bytes become `\ufffd`.

    Raises:
        ValueError: As for `encoding_of`.
    """
    return data.decode(encoding_of(data), "replace").removeprefix("\ufeff")


def read_text(file: "SourceFile", largest: int = LARGEST_TEXT) -> str:
    """Reads a file as a whole. Damaged characters are told to `file.skip`.

    Args:
        largest: Bytes.

    Raises:
        UnreadableError: It is larger, or no text.
    """
    with file.open() as stream:
        data = stream.read(largest + 1)
    if len(data) > largest:
        raise UnreadableError(file.name, f"it is larger than {largest // 1_000_000:,} MB: split it into several files")
    try:
        text = decode(data).replace("\r\n", "\n").replace("\r", "\n")
    except ValueError as error:
        raise UnreadableError(file.name, str(error)) from None
    if _LOST in text:
        _tell_damage(file, text.count("\n", 0, text.index(_LOST)) + 1)
    return text


def read_lines(file: "SourceFile", longest: int = LONGEST_LINE) -> Iterator[tuple[int, str]]:
    """Reads a file of any size line by line: numbers from 1, and lines without their end.

    A longer line is told to `file.skip` and passed over, and never held in memory; the first damaged line is told.

    Args:
        longest: Characters.

    Raises:
        UnreadableError: It is no text.
    """
    whole = True
    with _opened(file) as text:
        for number, line in enumerate(_lines(text, longest), start=1):
            if line is None:
                file.skip(f"line {number}", f"it is longer than {longest:,} characters")
                continue
            if whole and _LOST in line:
                whole = False
                _tell_damage(file, number)
            yield number, line


def _opened(file: "SourceFile") -> TextIOWrapper:
    stream = file.open()
    try:
        encoding = _judge(stream)
        stream.seek(0)
    except ValueError as error:
        stream.close()
        raise UnreadableError(file.name, str(error)) from None
    return TextIOWrapper(stream, encoding, "replace")


def _lines(text: TextIOWrapper, longest: int) -> Iterator[str | None]:
    """Lines; None for one that is too long."""
    while line := text.readline(longest + 1):
        if line.endswith("\n") or len(line) <= longest:
            yield line.removesuffix("\n").removeprefix("\ufeff")
            continue
        while (rest := text.readline(_BLOCK)) and not rest.endswith("\n"):
            pass
        yield None


def _tell_damage(file: "SourceFile", number: int) -> None:
    file.skip(f"line {number}", f"here and maybe below, bytes are damaged: they are read as {_LOST}; save it as UTF-8")


def _judge(stream: BinaryIO) -> str:
    head = stream.read(_BLOCK)
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        if "\0" in head.decode("utf-16", "replace"):
            raise ValueError(_NO_TEXT)
        return "utf-16"
    return _utf16(head) if _is_binary(head) else _narrow(_evidence(head, stream))


def _evidence(block: bytes, stream: BinaryIO) -> bytes:
    """The first blocks that hold more than ASCII."""
    found = b""
    while block and len(found) < _EVIDENCE:
        found += b"" if block.isascii() else block
        block = stream.read(_BLOCK)
    return found


def _is_binary(head: bytes) -> bool:
    """Whether more than one byte in a hundred is a control character, or one in a thousand a NUL."""
    return (len(head) - len(head.translate(None, _CONTROL)) + 9 * head.count(0)) * 100 > len(head)


def _utf16(head: bytes) -> str:
    """UTF-16 without a mark: in the right order nearly every character is a usual one, in the wrong one few are."""
    shares = {name: _share_of_usual(head.decode(name, "replace")) for name in ("utf-16-le", "utf-16-be")}
    name = max(shares, key=shares.__getitem__)
    if shares[name] < 0.95:
        raise ValueError(_NO_TEXT)
    return name


def _share_of_usual(text: str) -> float:
    return len(_USUAL.findall(text)) / max(len(text), 1)


def _narrow(sample: bytes) -> str:
    """The encoding of a sample of bytes beyond ASCII."""
    good, bad = _decoded(sample, "utf-8")
    if good > bad or not bad:
        return "utf-8"
    han, no_han = _decoded(sample, "gb18030")
    if no_han * 10 <= han <= len(_HAN.findall(sample)) * 3:
        return "gb18030"
    if len(_LONE.findall(sample)) * 2 >= len(sample.translate(None, _ASCII)):
        return "cp1252"
    if good * 2 >= bad:
        return "utf-8"
    raise ValueError(_UNKNOWN)


def _decoded(sample: bytes, encoding: str) -> tuple[int, int]:
    """How many characters beyond ASCII an encoding finds, and how many that can't be; a last cut one is not counted."""
    text = codecs.getincrementaldecoder(encoding)("replace").decode(sample)
    lost = text.count(_LOST) - sample.count(_LOST.encode(encoding)) + len(_PRIVATE.findall(text))
    return sum(not char.isascii() for char in text) - lost, lost
