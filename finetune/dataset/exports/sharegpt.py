"""ShareGPT: conversations of `human` and `gpt` in strict alternation, the human side first.

Trainers learn every `gpt` turn, so a role's earlier turns would be learnt with each later moment: train with
`mask_history: true`, which LLaMA-Factory has for this.
"""

from collections.abc import Iterable, Iterator

import msgspec

from finetune.dataset.conversation import conversation
from finetune.dataset.exports.base import Entry
from finetune.dataset.moment import Moment

HELP = "LLaMA-Factory and others: conversations; train with mask_history: true"
SUFFIX = ".json"
ENTRY = Entry(
    formatting="sharegpt",
    columns={"messages": "conversations", "system": "system"},
    tags={"role_tag": "from", "content_tag": "value", "user_tag": "human", "assistant_tag": "gpt"},
)


class Turn(msgspec.Struct, frozen=True, kw_only=True, rename={"side": "from"}):
    """What one side says."""

    side: str
    value: str


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One moment with its past."""

    conversations: list[Turn]
    system: str


def rows(moments: Iterable[Moment]) -> Iterator[Row]:
    """One row a moment."""
    for system, exchanges in map(conversation, moments):
        sides = ((Turn(side="human", value=said), Turn(side="gpt", value=reply)) for said, reply in exchanges)
        yield Row(conversations=[turn for pair in sides for turn in pair], system=system)
