"""The contract of an export: moments → rows of another trainer's format.

An export is a module with `HELP`, `SUFFIX`, `ENTRY` and `rows`. It knows its format and nothing of files; the loss of
every format is on the role's replies and on nothing else.
"""

from collections.abc import Iterable, Iterator
from typing import Protocol

import msgspec

from finetune.dataset.moment import Moment


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What LLaMA-Factory's dataset_info.json says of a file; what is left out has its default there."""

    file_name: str = ""
    formatting: str = ""
    columns: dict[str, str] = {}
    tags: dict[str, str] = {}


class Export(Protocol):
    """What a module in this folder defines."""

    HELP: str
    """Which trainers read it, in a few words."""
    SUFFIX: str
    """`.json` for one list of all rows, `.jsonl` for a row a line."""
    ENTRY: Entry | None
    """For dataset_info.json; None where LLaMA-Factory can't read it."""
    __doc__: str | None

    def rows(self, moments: Iterable[Moment]) -> Iterator[msgspec.Struct]:
        """The rows of a file."""
        ...
