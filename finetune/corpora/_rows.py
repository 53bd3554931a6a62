"""The lines of a text that has to be looked at as a whole before it is read, and how long such a text may be.

It knows no format. A text that is larger is refused, with what to do; it is never held in memory.
"""

from finetune.corpora.base import CorpusFile
from knowledge.encodings import read_text
from knowledge.errors import UnreadableError

LARGEST = 32_000_000
"""Bytes."""
MOST_ROWS = 2_000_000
"""Lines; a hundred seasons of a series."""


def read_rows(file: CorpusFile) -> list[str]:
    """Reads all lines of a text, without their ends.

    Raises:
        UnreadableError: It is too large, has too many lines, or is no text.
    """
    text = read_text(file, LARGEST)
    if text.count("\n") > MOST_ROWS:
        raise UnreadableError(file.name, f"it has more than {MOST_ROWS:,} lines: split it into several files")
    return text.split("\n")
