"""A line of `passages.jsonl`: a passage with the terms that its words were counted as.

Near-duplicates stand there too: which of them are dropped is decided anew in every build, so that an index that was
built step by step is the same as one built at once.
"""

from hashlib import blake2b

import msgspec

from knowledge.documents import Audience, Passage, Rule

encode = msgspec.json.Encoder().encode


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A passage as an index keeps it."""

    passage: Passage
    terms: tuple[str, ...]


class Told(msgspec.Struct, frozen=True):
    """An entry read for its passage alone."""

    passage: Passage


class Marked(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of `marked.json`: those that not everyone may see, and those of lorebook entries."""

    private: dict[int, Audience]
    rules: dict[int, Rule]


def key(text: str) -> bytes:
    """Under which the vector of a searched text is kept: 16 bytes."""
    return blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()
