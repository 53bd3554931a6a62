"""The figures of one part, a line of its table each. Pure data."""

import msgspec


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all rows: the fields are the columns, in their order."""


class Part(msgspec.Struct, kw_only=True):
    """What became of one part.

    Args:
        question: That its figures answer.
        notes: What a reader must know beside them.
        error: Why it broke off, or was not done; the rows before stay.
    """

    name: str
    question: str
    rows: list[Row] = []
    notes: list[str] = []
    seconds: float = 0.0
    error: str = ""
