"""XTuner's own format: `conversation` with `system`, `input` and `output`; the loss is on outputs.

Earlier turns of the role say `output_with_loss: false`, so that each is learnt once, in its own moment.
"""

from collections.abc import Iterable, Iterator

import msgspec

from finetune.dataset.conversation import Conversation, conversation
from finetune.dataset.exports.base import Entry
from finetune.dataset.moment import Moment

HELP = "XTuner: conversation[] with system, input, output"
SUFFIX = ".json"
ENTRY: Entry | None = None


class Turn(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is said to the role, and its answer; the first one has the system text."""

    system: str | None = None
    input: str
    output: str
    output_with_loss: bool = True


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One moment with its past."""

    conversation: list[Turn]


def rows(moments: Iterable[Moment]) -> Iterator[Row]:
    """One row a moment."""
    return (Row(conversation=list(_turns(conversation(moment)))) for moment in moments)


def _turns(told: Conversation) -> Iterator[Turn]:
    last = len(told.exchanges) - 1
    for at, (said, reply) in enumerate(told.exchanges):
        yield Turn(system=None if at else told.system, input=said, output=reply, output_with_loss=at == last)
