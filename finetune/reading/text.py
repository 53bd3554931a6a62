"""Names and texts as they may stand in a scene: one line to a name, `\\n` between lines of text, nothing unseen.

It knows no scenes and no files.
"""

import re

LONGEST_NAME = 40
"""Characters of a speaker's name, as at the table."""

_BREAKS = re.compile("\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_UNSEEN = re.compile("[\0-\x08\x0e-\x1b\x1f\x7f-\x9f\ufeff]")
"""Control characters but tab and newline, and byte order marks that were left in the middle."""
_UNSEEN_IN_NAMES = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def clean_name(name: str) -> str:
    """A name on one line, with single spaces and without what can't be seen."""
    return " ".join(_UNSEEN_IN_NAMES.sub("", clean_text(name)).split())


def clean_text(text: str) -> str:
    """Text with `\\n` between its lines, stripped, without control characters, and fit for UTF-8."""
    if _SURROGATE.search(text):  # from `\\ud83d` in JSON: pairs are joined, lone halves are lost
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return _UNSEEN.sub("", _BREAKS.sub("\n", text)).strip()
