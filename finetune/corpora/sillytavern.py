"""SillyTavern chats, of one character or a group: JSON Lines of messages, with or without a header.

What is kept of a message with several swipes is the one that was chosen. `{{user}}` and `{{char}}` become names, hidden
messages and those of the program are told and left out; where the chat says who was present, only they heard it. It
does not know when messages were sent: the form of their dates can't be relied on.
"""

from collections.abc import Iterator

from finetune.corpora._records import Fields, Placed, first, quiet, records, text_of
from finetune.corpora._spoken import spoken
from finetune.corpora._tavern import People, avatar
from finetune.corpora.base import CorpusFile, Head
from finetune.dialogue import Line, Scene

HELP = "SillyTavern chats and group chats"
SUFFIXES = (".jsonl", ".ndjson")
PRIVATE = False

_START = "<start>"


def claims(head: Head) -> float:
    keys = {*first(head).keys}
    if "mes" in keys and ("is_user" in keys or "name" in keys):
        return 1.0
    return 1.0 if "chat_metadata" in keys or {"user_name", "character_name"} <= keys else 0.0


def read(file: CorpusFile) -> Iterator[Scene]:
    people = People(record.fields for record in records(quiet(file)))
    lines: list[Line] = []
    began = ""
    for record in records(file):
        if lines and _starts(record.fields):
            yield _scene(file, people, lines, began)
            lines = []
        if line := _line(file, record, people):
            began = began if lines else record.place
            lines.append(line)
    if lines:
        yield _scene(file, people, lines, began)


def _scene(file: CorpusFile, people: People, lines: list[Line], began: str) -> Scene:
    return Scene(premise=people.named(people.scenario), lines=lines, source=f"{file.name}, {began}")


def _starts(message: Fields) -> bool:
    return text_of(message.get("mes")).casefold().startswith(_START)


def _line(file: CorpusFile, record: Placed, people: People) -> Line | None:
    """The line of a message; None for the header, and, told, for what nobody said."""
    message = record.fields
    if "mes" not in message and ("chat_metadata" in message or "user_name" in message):
        return None
    if message.get("is_system") is True:
        file.skip(record.place, "it is hidden, or from the program")
        return None
    name = _name(message, people)
    line = spoken(name, people.named(_without_start(text_of(message.get("mes"))), name), _audience(message, people))
    if line is None and not _starts(message):
        file.skip(record.place, "it has no text under mes")
    return line


def _without_start(text: str) -> str:
    return "\n".join(row for row in text.split("\n") if row.strip().casefold() != _START)


def _name(message: Fields, people: People) -> str:
    extra = message.get("extra")
    if isinstance(extra, dict) and extra.get("type") == "narrator":
        return ""
    return text_of(message.get("name")) or (people.user if message.get("is_user") is True else people.char)


def _audience(message: Fields, people: People) -> list[str] | None:
    """Those who were present, the user always; None where all were, or nothing is said of it."""
    present = message.get("present")
    if not isinstance(present, list):
        return None
    here = {one for one in present if isinstance(one, str)} | people.everywhere | ({avatar(message)} - {""})
    if here >= people.members:
        return None
    return [people.user, *map(people.name_of, here)]
