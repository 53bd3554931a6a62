"""The contract of a corpus format: a file of dialogue, in whatever shape people bring it → scenes of lines.

A format is a module with `HELP`, `SUFFIXES`, `PRIVATE`, `claims` and `read`. It knows its format and nothing of roles,
training or other formats. It is deterministic, streams where the format lets it, opens nothing but its file, and
accounts for everything: each non-blank line of the file becomes a line of a scene, a heading or premise, or is told to
`file.skip`; what was kept although it looks odd is told to `file.note`.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

import msgspec

from finetune.dialogue import Scene
from knowledge.sources.base import SourceFile

HEAD = 65_536
"""Bytes of a file that `claims` may look at."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What a user may say of a corpus. A format ignores what means nothing to it.

    Args:
        columns: Of a table: column name by what it holds (`speaker`, `text`, `scene`, `audience`), where the reader
            could not tell by itself.
        me: What the owner of a chat export is called, where the export only says "I".
        pause: Minutes of silence after which a chat goes on as a new scene.
        media: Whether placeholders for pictures, voices and stickers are kept, as `[Photo]`, or dropped.
        names: Speakers that are known, where a format has to tell a name from other words.
    """

    columns: Mapping[str, str] = {}
    me: str = ""
    pause: int = 180
    media: bool = False
    names: tuple[str, ...] = ()


class CorpusFile(SourceFile, frozen=True, kw_only=True):
    """A regular file that may be read.

    `skip(place, reason)` and `note(place, what)` say where (`line 12`) and why. Reports count equal reasons, so a
    reason holds no text of the file: that goes into the place, as `line 12: "Enter the KING"` (at most 60 characters).

    Args:
        note: Tells of what was kept but may not be what the author meant, as a line without a speaker that was taken
            for narration.
    """

    note: Callable[[str, str], None] = lambda place, what: None
    options: Options = Options()


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The beginning of a file, from which a format is told.

    Args:
        suffix: In small letters, with its dot.
        data: Its first bytes, at most `HEAD`.
        text: The same decoded and with `\\n`; "" where it is no text. The last line may be cut off.
    """

    suffix: str
    data: bytes
    text: str


class Corpus(Protocol):
    """What a module in this folder defines."""

    HELP: str
    """What it reads, in a few words, as `screenplays: 名字：台词 or NAME: text`."""
    SUFFIXES: tuple[str, ...]
    """File name endings that may be this format, in small letters and with their dot."""
    PRIVATE: bool
    """Whether such files are people's own talk: then what identifies them is taken out unless the user says no."""
    __doc__: str | None

    def claims(self, head: Head) -> float:
        """How sure it is that a file which begins so is its own: 0 not at all, 1 beyond doubt; the surest reads it.

        For plain text: the share of non-blank lines that this format explains. It costs no more than a look.
        """
        ...

    def read(self, file: CorpusFile) -> Iterator[Scene]:
        """Reads the scenes of a file, in order; none is empty, no text in it is blank, names are stripped.

        Raises:
            UnreadableError: The file as a whole can't be read. A part that can't is told to `file.skip`.
        """
        ...
