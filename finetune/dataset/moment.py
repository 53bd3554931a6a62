"""A moment: somebody's turn, with all that is said to them before they speak. What a dataset is made of.

It holds words, not token ids: render.py turns it into ids for a base. It knows no files and no model.
"""

from typing import Literal

import msgspec

from chatroom.messages import Recalled
from finetune.dialogue import Line

Origin = Literal["own", "general", "made", "other"]
"""Whose words the reply is: the role's own, from general material mixed in, written by a model, another speaker's."""


class Moment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody's turn.

    Args:
        premise: Of the room.
        heard: What was said before it, oldest first, as the role heard it; whispers to it have an audience.
        name: Whose turn it is.
        persona: As it stands in the tail.
        reply: What they then say.
        recalled: What they are reminded of.
        language: Of the words around what they are told.
        layout: How the role is asked.
        scene: Which scene it is from: moments of one scene are never divided between training and measuring.
        origin: Whose words the reply is.
    """

    premise: str = ""
    heard: tuple[Line, ...]
    name: str
    persona: str = ""
    reply: str
    recalled: Recalled = Recalled()
    language: str = "en"
    layout: Literal["room", "chat"] = "room"
    scene: str = ""
    origin: Origin = "own"
