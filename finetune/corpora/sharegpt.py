"""Conversations in the way of ShareGPT: `conversations` of turns with `from` and `value`, perhaps a `system`.

human and user are the user, gpt and assistant the role (`options.me`), system the premise; any other `from` is taken
for the name of a speaker. Calls of functions and what they gave are told and left out. It does not know who the role
is.
"""

from collections.abc import Iterator

from finetune.corpora._preferred import preferred
from finetune.corpora._records import SUFFIXES as _SUFFIXES
from finetune.corpora._records import Placed, first, text_of
from finetune.corpora._turns import Turn, read_talks
from finetune.corpora.base import CorpusFile, Head
from finetune.dialogue import Scene

HELP = "ShareGPT conversations: from, value"
SUFFIXES = _SUFFIXES
PRIVATE = False

_USERS, _REPLIES = ("human", "user"), ("gpt", "assistant", "chatgpt", "model", "bot")
_TOOLS = ("observation", "function", "function_call", "function_response", "tool", "tool_call", "tool_response")


def claims(head: Head) -> float:
    record = first(head)
    turns = record.fields.get("conversations")
    if isinstance(turns, list):
        return 0.95 if turns and isinstance(turns[0], dict) and {"from", "value"} <= turns[0].keys() else 0.0
    return 0.9 if not record.fields and {"conversations", "from", "value"} <= {*record.keys} else 0.0


def read(file: CorpusFile) -> Iterator[Scene]:
    return read_talks(file, _turns)


def _turns(file: CorpusFile, record: Placed) -> list[Turn]:
    said = record.fields.get("conversations")
    if not isinstance(said, list):
        raise ValueError("it has no list of turns under conversations")
    system = text_of(record.fields.get("system"))
    turns = [Turn("system", system)] if system else []
    turns += [turn for one in said if (turn := _turn(file, record.place, one))]
    chosen = preferred(file, record)
    return [*turns, Turn("reply", chosen)] if chosen else turns


def _turn(file: CorpusFile, place: str, said: object) -> Turn | None:
    side = text_of(said.get("from")) if isinstance(said, dict) else ""
    text = text_of(said.get("value")) if isinstance(said, dict) else ""
    if not side or not text:
        file.skip(place, "a turn has no speaker under from or no text under value")
        return None
    if side.casefold() in _TOOLS:
        file.skip(place, "the call of a tool, or what it gave, is left out")
        return None
    if side.casefold() == "system":
        return Turn("system", text)
    if side.casefold() in _USERS:
        return Turn("user", text)
    return Turn("reply", text) if side.casefold() in _REPLIES else Turn("user", text, side)
