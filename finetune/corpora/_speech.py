"""A speech while it grows over the lines of a file, and how its lines become one text.

Where a line was only wrapped, its break becomes a space, or nothing between Chinese characters; a verse keeps its
breaks. It knows no formats and decides nothing about what belongs to it.
"""

import re

LONG_LINE = 60
"""Characters from which a line that ends is taken for a wrapped one."""

_ENDED = re.compile(r"[。！？!?….~～♪—”」』\"’）)\]】*_]\s*$")
_GOING_ON = re.compile(r"[,，、;；:：\-–]\s*$")
_WIDE = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]")


class Speech:
    """What one speaker says, or several at once; narration has the name ""."""

    def __init__(self, names: tuple[str, ...], place: str, indent: int, text: str = "", *, until: str = "") -> None:
        self.names, self.place, self.indent = names, place, indent
        self.until = until
        """The bracket that ends it; "" where none has to."""
        self.begins = ""
        """The words that opened it, for a report."""
        self._rows = [text] if text else []
        self._worded = bool(text)

    @property
    def narrated(self) -> bool:
        return self.names == ("",)

    @property
    def is_empty(self) -> bool:
        """Whether its words are still to come; a stage direction above them is none."""
        return not self._worded

    @property
    def ended(self) -> bool:
        """Whether its last line ends as a sentence does."""
        return bool(self._rows) and ends_sentence(self._rows[-1])

    @property
    def going_on(self) -> bool:
        """Whether its last line ends in the middle of a sentence."""
        return bool(self._rows) and bool(_GOING_ON.search(self._rows[-1][-8:]))

    @property
    def rows(self) -> int:
        return len(self._rows)

    def add(self, words: str, *, direction: bool = False) -> None:
        self._rows.append(words)
        self._worded = self._worded or not direction

    def text(self) -> str:
        return "".join(
            row + (_break(row, self._rows[at + 1]) if at + 1 < len(self._rows) else "")
            for at, row in enumerate(self._rows)
        )


def ends_sentence(text: str) -> bool:
    return bool(_ENDED.search(text[-8:]))


def _break(before: str, after: str) -> str:
    """What stands between two lines of a text that were one line each."""
    verse = after[0].isupper() or ends_sentence(before)
    if len(before) < LONG_LINE and verse and not _WIDE.match(before[-1]):
        return "\n"
    if len(before) < LONG_LINE // 2 and ends_sentence(before):
        return "\n"
    return "" if _WIDE.match(before[-1]) and _WIDE.match(after[0]) else " "
