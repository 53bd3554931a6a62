"""Telegram Desktop's `result.json`: the export of one chat, or of a whole account with its `chats`.

A sticker is the emoji it stands for. Service messages (calls, joins, pins) are left out. What was forwarded is kept
under the name of who forwarded it, and noted: the words may be another's. An account that was deleted has no name, so
it is `Deleted account`, with a number where there are several.
"""

from collections.abc import Iterator

import msgspec

from finetune.corpora._bubbles import NOTICE, Bubble, Names, bubble, clean, oldest_first, scenes
from finetune.corpora._chat_json import Fields, decoded, fields_of, list_of, records, text_of
from finetune.corpora._clock import moment
from finetune.corpora.base import CorpusFile, Head
from finetune.dialogue import Scene
from knowledge.errors import UnreadableError

HELP = "Telegram chats: result.json of Telegram Desktop"
SUFFIXES = (".json",)
PRIVATE = True

_NAMELESS = "Deleted account"
_KINDS = {
    "sticker": "Sticker",
    "voice_message": "Voice",
    "video_message": "Video",
    "video_file": "Video",
    "animation": "Animation",
    "audio_file": "Audio",
}
_MARKS = {
    "photo": "Photo",
    "location_information": "Location",
    "live_location_period_seconds": "Location",
    "contact_information": "Contact",
    "poll": "Poll",
    "dice": "Dice",
    "game_title": "Game",
    "invoice_information": "Invoice",
}


class _Chat(msgspec.Struct):
    name: object = None
    messages: list[msgspec.Raw] = []


class _Chats(msgspec.Struct):
    chats: list[msgspec.Raw] = msgspec.field(name="list", default_factory=list)


class _Export(_Chat):
    chats: _Chats | None = None
    left_chats: _Chats | None = None


def claims(head: Head) -> float:
    text = head.text
    if not text.lstrip().startswith("{"):
        return 0.0
    if '"from_id"' in text and '"messages"' in text:
        return 0.95
    if '"date_unixtime"' in text and '"messages"' in text:
        return 0.9
    return 0.8 if '"personal_information"' in text and '"user_id"' in text else 0.0


def read(file: CorpusFile) -> Iterator[Scene]:
    export = decoded(file, _Export)
    listed = [raw for chats in (export.chats, export.left_chats) if chats for raw in chats.chats]
    if not listed and not export.messages:
        raise UnreadableError(file.name, "it has neither messages nor chats: export chats as machine-readable JSON")
    names = Names(file.note, _NAMELESS)
    yield from scenes(file, _bubbles(file, names, export.messages, "", ""))
    for number, raw in enumerate(listed, start=1):
        yield from _chat(file, names, raw, number)


def _chat(file: CorpusFile, names: Names, raw: msgspec.Raw, number: int) -> Iterator[Scene]:
    """One of the chats of an account."""
    try:
        chat = msgspec.json.decode(raw, type=_Chat)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        file.skip(f"chat {number}", "it is no chat: an object with a list of messages is expected")
        return
    title = clean(text_of(chat.name)) or f"chat {number}"
    yield from scenes(file, _bubbles(file, names, chat.messages, f"chat {number}, ", title))


def _bubbles(file: CorpusFile, names: Names, raws: list[msgspec.Raw], within: str, chat: str) -> list[Bubble]:
    read = (_bubble(file, names, place, message, chat) for place, message in records(file, raws, within))
    return oldest_first(file, [each for each in read if each])


def _bubble(file: CorpusFile, names: Names, place: str, message: Fields, chat: str) -> Bubble | None:
    if message.get("type", "message") != "message":
        file.skip(place, NOTICE)
        return None
    text, emoji = _text(message), text_of(message.get("sticker_emoji"))
    kinds = [] if emoji else _media(message)
    if message.get("forwarded_from") and text:
        file.note(place, "it was forwarded: the words may be another's")
    name = names.of(place, text_of(message.get("from_id")), text_of(message.get("from")) or _NAMELESS)
    time = moment(message.get("date")) or moment(message.get("date_unixtime"))
    return bubble(file, place, name, f"{text}\n{emoji}", time=time, chat=chat, media=kinds)


def _text(message: Fields) -> str:
    """A text in one piece, or in pieces that are plain or carry a format."""
    pieces = message.get("text")
    if not isinstance(pieces, list):
        return text_of(pieces)
    return "".join(text_of(fields_of(piece).get("text")) or text_of(piece) for piece in list_of(pieces))


def _media(message: Fields) -> list[str]:
    kind = text_of(message.get("media_type"))
    if kind:
        return [_KINDS.get(kind, "Media")]
    found = [word for mark, word in _MARKS.items() if message.get(mark) is not None]
    return found[:1] or (["File"] if message.get("file") else [])
