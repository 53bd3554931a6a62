"""The people of a SillyTavern chat: what user and character are called, and whose picture is whose.

Found by a look at the whole chat, because a message may name somebody who speaks only later. It does not know what was
said.
"""

import re
from collections.abc import Iterable
from urllib.parse import unquote

from finetune.corpora._records import Fields, text_of
from finetune.corpora._spoken import is_chinese, plain_name

MOST_EVERYWHERE = 200
"""Members that hear all: each is written to every whisper."""

_USER, _CHAR = (
    re.compile(r"\{\{user\}\}|<user>", re.IGNORECASE),
    re.compile(r"\{\{char\}\}|<(?:bot|char)>", re.IGNORECASE),
)
_FILE = re.compile(r"[?&]file=([^&]{1,300})")
_UNUSED = ("unused", "none", "null")
_PICTURE = re.compile(r"\.(?:png|webp|jpe?g|gif)$", re.IGNORECASE)


class People:
    """Names, as far as a chat tells them.

    Args:
        user: Who sits at the keyboard.
        char: The character, in a group the one who speaks first.
        members: Pictures of all characters that speak or are present; a picture is what a member is known by.
        everywhere: Pictures of those who hear all.
        scenario: What the chat says of where it takes place.
    """

    def __init__(self, chat: Iterable[Fields]) -> None:
        self.user, self.char, self.scenario = "", "", ""
        self.members: set[str] = set()
        self.everywhere: set[str] = set()
        self._names: dict[str, str] = {}
        for message in chat:
            self._meet(message)
        self.user = self.user or ("用户" if is_chinese(self.char) else "User")

    def name_of(self, member: str) -> str:
        """The name of the member with this picture: that of the picture where it never spoke."""
        return self._names.get(member) or plain_name(_PICTURE.sub("", member))

    def named(self, text: str, speaker: str = "") -> str:
        """A text with names in place of macros."""
        char = speaker if speaker and speaker != self.user else self.char
        text = _USER.sub(lambda _: self.user, text)
        return _CHAR.sub(lambda _: char, text) if char else text

    def _meet(self, message: Fields) -> None:
        if "mes" not in message:
            self._read_header(message)
        name, picture = plain_name(text_of(message.get("name"))), avatar(message)
        if message.get("is_user") is True:
            self.user = self.user or name
        elif name and message.get("is_system") is not True:
            self.char = self.char or name
            if picture:
                self.members.add(picture)
                self._names[picture] = name
        self.members.update(_texts(message.get("present")))

    def _read_header(self, header: Fields) -> None:
        self.user = self.user or _used(header.get("user_name"))
        self.char = self.char or _used(header.get("character_name"))
        metadata = header.get("chat_metadata")
        if isinstance(metadata, dict):
            self.scenario = text_of(metadata.get("scenario"))
            self.everywhere.update(_texts(metadata.get("ignore_presence"))[:MOST_EVERYWHERE])


def avatar(message: Fields) -> str:
    """The picture of who speaks, as members are listed by; "" where none is told."""
    if original := text_of(message.get("original_avatar")):
        return original
    shown = _FILE.search(text_of(message.get("force_avatar")))
    return unquote(shown[1]) if shown and message.get("is_user") is not True else ""


def _used(name: object) -> str:
    found = plain_name(text_of(name))
    return "" if found.casefold() in _UNUSED else found


def _texts(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str) and one] if isinstance(value, list) else []
