"""Macros in the texts of a card → plain text, the same every time: `{{char}}`, `{{user}}`, `{{random:a,b}}`, notes.

Nobody is `{{user}}` at a table with many people: in what is said it becomes the one spoken to ("you"), in what is told
about somebody "the player", as in lorebooks. Dice show their middle, a choice its first. Linear in time.
"""

import re
from typing import Literal

__all__ = ["Voice", "is_chinese", "is_han", "plain"]

Voice = Literal["told", "said"]
"""Told about somebody (a description), or said to somebody (a greeting, a line)."""

_MACRO = re.compile(r"\{\{([^{}]*)\}\}")
_NESTED = 4
_OLD = re.compile(r"<(user|char|bot)>", re.IGNORECASE)
_CALLED = re.compile(r"[,，、][ \t]{0,9}\x00(?=[ \t]{0,9}[.!?,。！？，…~～*\"”」\n]|[ \t]{0,9}$)")
"""Somebody called by name at the end of a clause: `Good evening, {{user}}!`"""
_CALLED_FIRST = re.compile(r"(^|[.!?。！？\n*\"“「] ?)\x00[,，、][ \t]{0,9}(\w?)")
"""The same at its beginning: `{{user}}, come in.`"""
_FIRST = re.compile(r"(^|[.!?\n*\"“] ?)\x00(['’]s\b)?")
_OWNED = re.compile(r"\x00['’]s\b")
_HAN = re.compile(r"[\u3400-\u9fff]")
_HAN_OR_MARK = re.compile(r"[\u3400-\u9fff\u3001\u3002\uff01\uff0c\uff1a\uff1b\uff1f]")
_LATIN = re.compile(r"[A-Za-z]")
_LETTERS_LOOKED_AT = 20_000
_DICE = re.compile(r"(\d{0,3})d?(\d{1,6})", re.IGNORECASE)
_NOTES = ("//", "comment", "hidden_key")
_EMPTY = ("original", "trim", "noop")
_PEOPLE = {"user": "\0", "char": "\x02", "bot": "\x02"}
"""Whom a macro means, as a mark that stands for them until all macros are read."""
_KEPT_FREE = re.compile(r"[\0\x01\x02\x03\ufeff]")
_MIRRORED = {2: 3, 3: 2}
"""The mark of a character, and the mark of its name from behind."""


def is_han(text: str) -> bool:
    return bool(_HAN.search(text))


def is_chinese(text: str) -> bool:
    """Whether a text is in Chinese, whatever macros are in it and whoever is named in it."""
    bare = _OLD.sub("", _MACRO.sub("", text[:_LETTERS_LOOKED_AT]))
    return len(_HAN_OR_MARK.findall(bare)) * 5 > len(_LATIN.findall(bare))


def plain(text: str, char: str, voice: Voice = "told") -> str:
    """A text without macros.

    Args:
        char: Who `{{char}}` is.
    """
    chinese = is_chinese(text)
    text = _KEPT_FREE.sub("", text)
    text = _OLD.sub(lambda found: _PEOPLE[found[1].lower()], text)
    for _ in range(_NESTED):
        text = _MACRO.sub(lambda found: _said(found[1].strip()), text)
    text = _without_user(text, voice, chinese) if "\0" in text else text
    # last and once: a name that looks like a macro would grow with every round
    return text.replace("\x02", char).replace("\x03", char[::-1])


def _said(macro: str) -> str:
    name, _, rest = macro.partition(":")
    name = name.strip().lower()
    if macro.startswith("//") or name in _NOTES or name in _EMPTY:
        return ""
    if name in _PEOPLE:
        return _PEOPLE[name]
    if name in ("random", "pick"):
        return _first(rest)
    if name == "reverse":
        return rest[::-1].translate(_MIRRORED)
    if name == "newline":
        return "\n"
    return _rolled(macro) if name.split(" ")[0] == "roll" else macro


def _first(choices: str) -> str:
    """The first of `a,b` or `:a::b`; a comma after a backslash is part of a choice."""
    if choices.startswith(":"):
        return choices[1:].split("::")[0].strip()
    return choices.replace("\\,", "\x01").split(",")[0].replace("\x01", ",").strip()


def _rolled(macro: str) -> str:
    """The middle of what `roll:2d6`, `roll:d6` or `roll:6` can show."""
    dice = _DICE.fullmatch(macro[4:].lstrip(": ").strip())
    if dice is None:
        return ""
    count = int(dice[1] or 1) if "d" in dice[0].lower() else 1
    sides = int(dice[2]) if "d" in dice[0].lower() else int(dice[1] + dice[2])
    return str(count * (sides + 1) // 2)


def _without_user(text: str, voice: Voice, chinese: bool) -> str:
    if voice == "told":
        return text.replace("\0", "玩家" if chinese else "the player")
    text = _CALLED_FIRST.sub(lambda found: found[1] + found[2].upper(), _CALLED.sub("", text))
    if chinese:
        return text.replace("\0", "你")
    text = _FIRST.sub(lambda found: found[1] + ("Your" if found[2] else "You"), text)
    return _OWNED.sub("your", text).replace("\0", "you")
