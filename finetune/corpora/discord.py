"""Discord channels as DiscordChatExporter writes them in JSON: `guild`, `channel`, `messages`.

The nickname is the name. Only what people wrote is kept, types Default and Reply; joins, pins and calls are left out. A
bot's words are kept and noted. A preview of a link (an embed) counts only where a message has nothing else.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath

import msgspec

from finetune.corpora._bubbles import NOTICE, Bubble, Names, bubble, oldest_first, scenes
from finetune.corpora._chat_json import Fields, decoded, fields_of, list_of, records, text_of
from finetune.corpora._clock import moment
from finetune.corpora.base import CorpusFile, Head
from finetune.dialogue import Scene

HELP = "Discord channels: JSON of DiscordChatExporter"
SUFFIXES = (".json",)
PRIVATE = True

_SPOKEN = frozenset({"Default", "Reply", "0", "19", ""})
_NAMELESS = "Unknown user"
_KINDS = {
    "Image": {".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".heic", ".avif"},
    "Video": {".mp4", ".mov", ".webm", ".mkv", ".avi"},
    "Audio": {".mp3", ".ogg", ".wav", ".m4a", ".flac", ".opus"},
}


class _Export(msgspec.Struct):
    messages: list[msgspec.Raw]


def claims(head: Head) -> float:
    text = head.text
    if not text.lstrip().startswith("{"):
        return 0.0
    return 0.95 if '"guild"' in text and '"channel"' in text and '"messages"' in text else 0.0


def read(file: CorpusFile) -> Iterator[Scene]:
    names, bots = Names(file.note, _NAMELESS), set[str]()
    messages = records(file, decoded(file, _Export).messages)
    found = [each for place, message in messages if (each := _bubble(file, names, bots, place, message))]
    yield from scenes(file, oldest_first(file, found))


def _bubble(file: CorpusFile, names: Names, bots: set[str], place: str, message: Fields) -> Bubble | None:
    if text_of(message.get("type")) not in _SPOKEN:
        file.skip(place, NOTICE)
        return None
    author = fields_of(message.get("author"))
    wanted = text_of(author.get("nickname")) or text_of(author.get("name"))
    person = text_of(author.get("id"))
    name = names.of(place, person, wanted)
    if author.get("isBot") is True and name not in bots:
        bots.add(name)
        file.note(f'{place}: "{name[:60]}"', "a bot speaks: leave it out if it is not to be learnt from")
    text = _text(file, place, message)
    return bubble(file, place, name, text, time=moment(message.get("timestamp")), media=_media(message, text))


def _text(file: CorpusFile, place: str, message: Fields) -> str:
    text = text_of(message.get("content"))
    if text.strip():
        return text
    forwarded = text_of(fields_of(message.get("forwardedMessage")).get("content"))
    if forwarded:
        file.note(place, "it was forwarded: the words may be another's")
    return forwarded


def _media(message: Fields, text: str) -> list[str]:
    files = [_kind(text_of(fields_of(item).get("fileName"))) for item in list_of(message.get("attachments"))]
    stickers = ["Sticker" for _ in list_of(message.get("stickers"))]
    embeds = ["Embed"] if list_of(message.get("embeds")) else []
    return files + stickers or (embeds if not text.strip() else [])


def _kind(name: str) -> str:
    suffix = PurePosixPath(name[-40:].replace("\0", "")).suffix.lower()
    return next((kind for kind, suffixes in _KINDS.items() if suffix in suffixes), "File")
