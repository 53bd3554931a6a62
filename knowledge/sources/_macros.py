"""Macros in texts of lorebooks and character cards: `{{char}}`, `{{random:a,b}}`, `{{// a note}}`.

Each becomes plain text, the same at every reading; notes are left out. An unknown one only loses its braces.
"""

import re

_MACRO = re.compile(r"\{\{([^{}]*)\}\}")
_NESTED = 4
_OLD = re.compile(r"<(user|char|bot)>", re.IGNORECASE)
_HAN = re.compile(r"[\u3400-\u9fff]")
_NOTES = ("//", "comment", "hidden_key")
_CHOICES = ("random", "pick")


def plain(text: str, char: str) -> str:
    """A text without macros.

    Args:
        char: Who `{{char}}` is; "" where nobody knows.
    """
    names = {"char": char or "char", "bot": char or "char", "user": "玩家" if _HAN.search(text) else "the player"}
    text = _OLD.sub(lambda found: names[found[1].lower()], text)
    for _ in range(_NESTED):
        text = _MACRO.sub(lambda found: _said(found[1].strip(), names), text)
    return text


def names_nobody(text: str, char: str) -> bool:
    """Whether a text names somebody whom nobody knows while documents are read."""
    found = {macro.strip().lower() for macro in (*_MACRO.findall(text), *_OLD.findall(text))}
    return "user" in found or (not char and not found.isdisjoint(("char", "bot")))


def _said(macro: str, names: dict[str, str]) -> str:
    if macro.lower() in names:
        return names[macro.lower()]
    name, _, rest = macro.partition(":")
    if macro.startswith("//") or name.strip().lower() in _NOTES:
        return ""
    if name.strip().lower() in _CHOICES:
        return _first(rest)
    return macro


def _first(choices: str) -> str:
    """The first of `a,b` or `:a::b`."""
    parts = choices[1:].split("::") if choices.startswith(":") else choices.split(",")
    return parts[0].strip()
