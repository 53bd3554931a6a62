"""What was taken out: how often, how many different ones, by kind; never what it was.

A report may be written to disk and shown; the things themselves stay in memory, in the scrubber that took them out.
"""

import msgspec


class Removed(msgspec.Struct, frozen=True, kw_only=True):
    """What was taken out of one kind.

    Args:
        count: Places in the text.
        distinct: Different ones, which is also how many placeholders of the kind there are.
    """

    count: int
    distinct: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What was taken out of a corpus.

    Args:
        kinds: By kind, as `phone`; kinds of which there was nothing are absent.
        placeholders: How often each placeholder was written.
    """

    kinds: dict[str, Removed]
    placeholders: dict[str, int]

    def __str__(self) -> str:
        told = (f"{kind} {removed.count} ({removed.distinct} different)" for kind, removed in self.kinds.items())
        return "; ".join(told) or "nothing was taken out"
