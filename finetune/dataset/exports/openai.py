"""OpenAI's chat format, a JSON object a line: `messages` with role and content.

Earlier turns of the role have weight 0, so that each is learnt once, in its own moment. LLaMA-Factory reads the file
too, without the weights: train with `mask_history: true` there.
"""

from collections.abc import Iterable, Iterator

import msgspec

from finetune.dataset.conversation import Conversation, conversation
from finetune.dataset.exports.base import Entry
from finetune.dataset.moment import Moment

HELP = "OpenAI's fine-tuning, TRL, LLaMA-Factory: messages, one object a line"
SUFFIX = ".jsonl"
ENTRY = Entry(
    formatting="sharegpt",
    columns={"messages": "messages"},
    tags={
        "role_tag": "role",
        "content_tag": "content",
        "user_tag": "user",
        "assistant_tag": "assistant",
        "system_tag": "system",
    },
)


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one side says."""

    role: str
    content: str
    weight: int | None = None


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One moment with its past."""

    messages: list[Message]


def rows(moments: Iterable[Moment]) -> Iterator[Row]:
    """One row a moment."""
    return (Row(messages=list(_messages(conversation(moment)))) for moment in moments)


def _messages(told: Conversation) -> Iterator[Message]:
    if told.system:
        yield Message(role="system", content=told.system)
    last = len(told.exchanges) - 1
    for at, (said, reply) in enumerate(told.exchanges):
        yield Message(role="user", content=said)
        yield Message(role="assistant", content=reply, weight=None if at == last else 0)
