"""Fields of records that people and many programs wrote: each goes by several names, and a value may have any shape.

What can't be understood counts as absent. Strings come out as text that can be stored: halves of characters are lost.
"""

import re
from collections.abc import Mapping, Sequence

_COMMA = re.compile(r"\s*(/(?:[^/\\]|\\.)+/[gimsuy]*(?=\s*(?:[,，]|$))|[^,，]+)", re.DOTALL)
"""A key in a list with commas; one that is a regular expression may hold commas itself."""
_LARGEST = 1e12
_FLAGS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


class Fields:
    """A record; of a field with several names the first that is not null counts."""

    def __init__(self, *records: object) -> None:
        """Takes records of which an earlier one stands before a later; what is no record is passed over."""
        self._records: list[Mapping[str, object]] = [record for record in records if isinstance(record, dict)]

    def first(self, *names: str) -> object:
        """The value as it stands; None where there is none."""
        values = (record.get(name) for name in names for record in self._records)
        return next((value for value in values if value is not None), None)

    def has(self, *names: str) -> bool:
        """Whether the record speaks of it at all, be it with null."""
        return any(name in record for name in names for record in self._records)

    def text(self, *names: str) -> str:
        """The first that says something."""
        values = (text_of(record.get(name)) for name in names for record in self._records)
        return next((value for value in values if value.strip()), "")

    def flag(self, *names: str, default: bool = False) -> bool:
        return _FLAGS.get(text_of(self.first(*names)).strip().lower(), default)

    def number(self, *names: str, default: float = 0) -> float:
        """A number that is finite and fits anywhere."""
        try:
            value = float(text_of(self.first(*names)))
        except ValueError:
            return default
        return value if abs(value) < _LARGEST else default

    def texts(self, *names: str) -> list[str]:
        """A list of texts, or one text with commas; empty ones are left out."""
        value = self.first(*names)
        parts = commas(text_of(value)) if not isinstance(value, list) else [text_of(part).strip() for part in value]
        return [part for part in dict.fromkeys(parts) if part]


def text_of(value: object) -> str:
    """A text, a number or a truth value as text; "" for all else."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return str(value) if isinstance(value, int | float) else ""


def commas(text: str) -> Sequence[str]:
    """The parts of a text with commas, Chinese ones too."""
    return [part.strip() for part in _COMMA.findall(text)]
