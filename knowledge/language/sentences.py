"""Cuts a text into sentences; nothing is lost: the pieces joined are the text.

For English and its neighbours a full stop ends a sentence where a blank and a new beginning follow it, but not after
`Mr.`, `J. R.` or `3.`; for Chinese and Japanese the mark alone is enough. A line end is a border too, but for a long
line that is only wrapped. Knows no size and no tokens. One pass over the text: it never takes longer than linear time.
"""

import re

_STOPS = r".!?…‥"
_WIDE_STOPS = r"。！？｡．।॥؟۔"
_CLOSING = r"\"'”’»)\]}」』）】》〉"
_BORDER = re.compile(rf"(?P<stop>[{_STOPS}{_WIDE_STOPS}]+)(?:\[\d{{1,3}}\]|[{_CLOSING}])*(?P<gap>\s*)|(?P<line>\n\s*)")
"""A mark with the quotes, brackets and note numbers that close after it, or a line end, each with the blanks behind."""
_TITLES = "mr mrs ms mx dr prof st sr jr rev fr capt cpt col gen lt sgt maj cdr adm gov sen rep hon pres mme"
_SHORT = "vs e.g i.e cf viz al approx ca c dept fig figs vol vols ch pp ed eds mt ft"
_NEVER_END = frozenset(f"{_TITLES} {_SHORT}".split())
"""Abbreviations that something always follows."""
_NUMBERED = "no nos p pg art sec op jan feb mar apr jun jul aug sep sept oct nov dec"
_BEFORE_NUMBER = frozenset([*_NUMBERED.split()])
_LOOK_BACK, _LIST_NUMBER = 24, 6
"""Characters before a full stop that are looked at; characters of a line that may be the number of a list."""
_WRAPPED = 50
"""A line of at least so many characters that ends in the middle of a sentence is wrapped, not ended."""


def sentences(text: str) -> list[str]:
    """Cuts a text after each sentence; blanks and line ends stay with what is before them."""
    pieces, start, line = [], 0, 0
    for border in _BORDER.finditer(text):
        end = border.end()
        if end == len(text) or _ends(text, border, line):
            pieces.append(text[start:end])
            start = end
        if "\n" in border.group():
            line = end
    return [*pieces, text[start:]] if start < len(text) else pieces


def _ends(text: str, border: re.Match[str], line: int) -> bool:
    """Whether a sentence ends here; `line` is where the line begins, and something follows."""
    if border["stop"] is None:
        return not _wraps(text, border, line)
    if border["stop"][-1] in _WIDE_STOPS or _is_wide(text[border.end()]):
        return True
    if not border["gap"]:
        return False
    if "\n" in border["gap"] and not _wraps(text, border, line):
        return True
    return not text[border.end()].islower() and not (border["stop"] == "." and _is_abbreviation(text, border, line))


def _wraps(text: str, border: re.Match[str], line: int) -> bool:
    """Whether a line goes on in the next one: it is long, and no blank line, list or Chinese follows."""
    after = text[border.end()]
    is_long = border.start() - line >= _WRAPPED
    return is_long and border.group().count("\n") == 1 and after.isalnum() and not _is_wide(after)


def _is_abbreviation(text: str, border: re.Match[str], line: int) -> bool:
    """Whether the full stop belongs to the word before it: `Dr.`, an initial, `No. 5`, the number of a list."""
    at = border.start()
    words = text[max(line, at - _LOOK_BACK) : at].split()
    if not words:
        return False
    word = words[-1].lstrip("([\"'“‘«")
    if len(words) == 1 and word.isdigit():
        return at - line <= _LIST_NUMBER
    initial = len(word.rpartition(".")[2]) == 1 and word.isupper() and word != "I"
    number = word.casefold() in _BEFORE_NUMBER and text[border.end()].isdigit()
    return initial or number or word.casefold() in _NEVER_END


def _is_wide(char: str) -> bool:
    """Whether a character's script begins a sentence without a blank: kana, Han and their punctuation."""
    return "\u3000" <= char <= "\u9fff" or char > "\U00020000"
