"""Prompt → the text or the messages that a server is sent, in the order in which chat_template renders ids. Pure.

The room layout is one text of lines, so that a server with a prefix cache reads the shared part once for every role;
the chat layout has own lines as assistant turns and everybody else's in user turns. Both work on either endpoint.
"""

import re
from collections.abc import Iterator
from itertools import groupby

from chatroom.messages import Line, Prompt

COLONS = ":："
NOTHING = "…"
"""A user turn in which nobody said anything: many servers refuse an empty one."""

Message = dict[str, str]

_CONTROL = re.compile(r"(<(?=<?[|｜/]{0,2}[\w｜▁.-]{1,40}[|｜]?>)|\[(?=/?[A-Z_]{3,20}\]))")
"""The bracket of what looks like `<|im_end|>`, `</s>`, `<start_of_turn>`, `[/INST]` or `<<SYS>>`."""


def text(prompt: Prompt) -> str:
    """The prompt as one text, which ends with the reply's beginning."""
    said = [prompt.premise, *(line.text for line in prompt.lines), *prompt.tail]
    return _clean("\n".join([*filter(None, said), prompt.start]))


def messages(prompt: Prompt) -> list[Message]:
    """The prompt as messages; user and assistant take turns, and a user turn is the first and the last.

    No message begins the reply: few servers go on from one. The tail says who is to speak, and a name that the model
    puts before its words is dropped by the room.
    """
    turns = [*_turns(prompt)]
    if prompt.tail and turns[-1]["role"] == "user":
        turns[-1] = _message("user", *filter(None, [turns[-1]["content"]]), *prompt.tail)
    elif prompt.tail or turns[-1]["role"] != "user":
        turns.append(_message("user", *prompt.tail))
    system = [_message("system", prompt.premise)] if prompt.premise else []
    return [*system, *({**turn, "content": turn["content"] or NOTHING} for turn in turns)]


def stops(prompt: Prompt) -> list[str]:
    """Strings at which the server itself may end, fewer than the four that all take: the speaker's own next line.

    Not the lines of others: a stop string is left out of the answer, and the room would not learn whom the reply hands
    over to. Those end the reply here, and closing the stream ends it there.
    """
    name = prompt.start.rstrip(COLONS).strip()
    return [f"\n{_clean(name)}{colon}" for colon in COLONS] if name else []


def names(prompt: Prompt) -> frozenset[str]:
    """Whose lines would end a reply in the chat layout: everybody's who has spoken, in one case."""
    heads = (line.text.partition(":")[0] for line in prompt.lines if not line.own and ":" in line.text)
    return frozenset(head.strip().casefold() for head in heads)


def _turns(prompt: Prompt) -> Iterator[Message]:
    """Lines grouped by whose they are; a user turn is always the first."""
    chat = prompt.layout == "chat"
    groups = [(own, [*lines]) for own, lines in groupby(prompt.lines, lambda line: chat and line.own)]
    if not groups or groups[0][0]:
        yield _message("user")
    for own, lines in groups:
        yield _message("assistant" if own else "user", *(_words(line, own) for line in lines))


def _words(line: Line, own: bool) -> str:
    return line.said if own else line.text


def _message(role: str, *parts: str) -> Message:
    return {"role": role, "content": _clean("\n".join(parts))}


def _clean(told: str) -> str:
    """Without halves of characters, which no JSON can carry, and with every control token broken up.

    Which ones the server's model has is not known here, so whatever looks like one gets a space: what a person types
    must not open a turn of its own.
    """
    return _CONTROL.sub(r"\1 ", told.encode("utf-8", "replace").decode())
