"""Conversations in the way of OpenAI: `messages` with `role` and `content`, in every record or as the file itself.

user is the user, assistant the role (`options.me`), system and developer the premise; a `name` in a message says who
speaks. A content in parts is put together; pictures, sounds and calls of tools are told and left out. It does not know
who the role is.
"""

from collections.abc import Iterator

from finetune.corpora._preferred import preferred
from finetune.corpora._records import SUFFIXES as _SUFFIXES
from finetune.corpora._records import Fields, Placed, first, quiet, records, text_of
from finetune.corpora._turns import Talk, Turn, read_talks, talk_scene
from finetune.corpora.base import CorpusFile, Head
from finetune.dialogue import Scene

HELP = "OpenAI conversations: messages with role and content"
SUFFIXES = _SUFFIXES
PRIVATE = False

_SYSTEM, _REPLIES = ("system", "developer"), ("assistant", "model")
_KNOWN = ("user", *_SYSTEM, *_REPLIES)
_TOOL = "the call of a tool, or what it gave, is left out"


def claims(head: Head) -> float:
    record = first(head)
    messages = record.fields.get("messages")
    if isinstance(messages, list):
        return 0.95 if messages and isinstance(messages[0], dict) and {"role", "content"} <= messages[0].keys() else 0.0
    if _is_message(record.fields):
        return 0.85
    return 0.9 if not record.fields and {"messages", "role", "content"} <= {*record.keys} else 0.0


def read(file: CorpusFile) -> Iterator[Scene]:
    opening = next(records(quiet(file)), None)
    if opening is None or not _is_message(opening.fields):
        yield from read_talks(file, _turns)
        return
    talk = Talk("record 1", [turn for record in records(file) for turn in _said(file, record.place, record.fields)])
    if scene := talk_scene(file, talk):
        yield scene


def _is_message(fields: Fields) -> bool:
    return "messages" not in fields and "content" in fields and fields.get("role") in _KNOWN


def _turns(file: CorpusFile, record: Placed) -> list[Turn]:
    messages = record.fields.get("messages")
    if not isinstance(messages, list):
        raise ValueError("it has no list of messages")
    turns = [turn for message in messages for turn in _said(file, record.place, message)]
    chosen = preferred(file, record)
    return [*turns, Turn("reply", chosen)] if chosen else turns


def _said(file: CorpusFile, place: str, message: object) -> Iterator[Turn]:
    """The turn of a message; none, and told, where it says nothing that can be kept."""
    if not isinstance(message, dict) or not (role := text_of(message.get("role")).casefold()):
        file.skip(place, "a message has no role")
    elif role in ("tool", "function") or (not message.get("content") and message.get("tool_calls")):
        file.skip(place, _TOOL)
    elif not (text := _text(file, place, message.get("content"))):
        file.skip(place, "a message has no text under content")
    elif role in _SYSTEM:
        yield Turn("system", text)
    else:
        name = text_of(message.get("name")) or ("" if role in _KNOWN else text_of(message["role"]))
        yield Turn("reply" if role in _REPLIES else "user", text, name)


def _text(file: CorpusFile, place: str, content: object) -> str:
    """The text of a content, which may come in parts."""
    if not isinstance(content, list):
        return text_of(content)
    parts = [text_of(part.get("text")) if isinstance(part, dict) else text_of(part) for part in content]
    if not all(parts):
        file.skip(place, "a picture, a sound or another part without text is left out")
    return "\n".join(part for part in parts if part)
