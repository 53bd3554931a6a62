"""What may be the name of somebody at the table: pure, for roles and persons alike.

A name stands at the beginning of transcript lines and on screens, so it must be one line, visible, and without the
colon that ends it. Folders and frames are checked with this; it knows neither.
"""

import unicodedata

from chatroom.addressing import EVERYONE, fold

LONGEST = 40
_BLANK = "\u115f\u1160\u3164\uffa0\u2800\u034f"
"""Letters and marks that show nothing: Hangul fillers, the empty Braille cell, the grapheme joiner."""
_ALIKE = str.maketrans("авекмнорстухіјѕԁԛԝһαβεζηικμνορτυχ", "abekmhopctyxijsdqwhabezhikmnoptyx")
"""Cyrillic and Greek letters, small ones, that themselves or whose capitals look like Latin ones."""
_SCRIPTS = {"LATIN", "CYRILLIC", "GREEK"}


def name_fault(name: str) -> str:
    """What is wrong with a name, as the rest of a sentence that begins with it; empty if nothing is."""
    if not name:
        return "is empty"
    if len(name) > LONGEST:
        return f"has {len(name)} characters; at most {LONGEST} are allowed"
    if any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") or char in _BLANK for char in name):
        return "has invisible characters: control, direction or zero-width ones, or line breaks"
    if ":" in fold(name):
        return "has a colon"
    if name != name.strip():
        return "begins or ends with a space"
    if not any(char.isalnum() for char in name):
        return "has no letter or digit"
    if name_key(name)[0] in "/@#" or name_key(name) == "system":
        return "is kept for the table itself: commands, mentions and notices"
    if len({unicodedata.name(char, "").split(" ")[0] for char in fold(name) if char.isalpha()} & _SCRIPTS) > 1:
        return "mixes letters of different scripts that look alike"
    return "means everybody" if name_key(name) in EVERYONE else ""


def name_key(name: str) -> str:
    """Equal for names that a reader would take for the same one: width, case, spaces and look-alikes do not count."""
    return " ".join(fold(name).translate(_ALIKE).split())
