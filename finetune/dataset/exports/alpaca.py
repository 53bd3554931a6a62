"""Alpaca: an instruction and its output, one moment a row.

The whole past stands in the instruction, also the role's own earlier turns: in this format's `history` they would be
learnt again with every later moment.
"""

from collections.abc import Iterable, Iterator

import msgspec

from finetune.dataset.conversation import conversation, opening, spoken
from finetune.dataset.exports.base import Entry
from finetune.dataset.moment import Moment

HELP = "LLaMA-Factory and most others: one instruction, one output"
SUFFIX = ".json"
ENTRY = Entry(
    formatting="alpaca",
    columns={"prompt": "instruction", "query": "input", "response": "output", "system": "system"},
)


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One moment."""

    instruction: str
    input: str = ""
    output: str
    system: str


def rows(moments: Iterable[Moment]) -> Iterator[Row]:
    """One row a moment."""
    for moment in moments:
        said = "\n".join(map(spoken, moment.heard)) or opening(moment)
        yield Row(instruction=said, output=moment.reply, system=conversation(moment).system)
