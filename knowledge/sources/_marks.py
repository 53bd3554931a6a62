"""One line of Markdown → plain text: what is written is kept, how it is set is not. Knows no blocks.

Every pattern is bounded, so that no line takes longer than its length warrants.
"""

import re
from html import unescape

_ANY = re.compile(r"[*_`\[\]<&\\~=!]")
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")
_CODE = re.compile(r"(?<!`)(`{1,3})(?!`)(.{1,1000}?)(?<!`)\1(?!`)")
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")
_GAP = re.compile(r"(?<=\S) {2,}")
_AWAY = 0xE000
"""Where characters hide that are no marks."""
_BACK = {_AWAY + code: chr(code) for code in range(33, 127)}

_TARGET = r"\((?:[^()\n]|\([^()\n]*\)){0,2000}\)"
_RULES = [
    (re.compile(r"!\[\[[^\[\]\n]{0,500}\]\]"), ""),  # an embedded page
    (re.compile(rf"!\[[^\[\]\n]{{0,1000}}\](?:{_TARGET}|\[[^\[\]\n]{{0,200}}\])"), ""),  # an image
    (re.compile(r"\[\[(?:[^\[\]|\n]{0,500}\|)?([^\[\]|\n]{1,500})\]\]"), r"\1"),
    (re.compile(r"\[\^[^\[\]\s]{1,100}\](?::\s*)?"), ""),  # a footnote's mark
    (re.compile(rf"\[([^\[\]\n]{{0,1000}})\](?:{_TARGET}|\[[^\[\]\n]{{0,200}}\])"), r"\1"),
    (re.compile(r"<(https?://[^<>\s]{1,2000})>"), r"\1"),
    (re.compile(r"<br\s*/?>", re.IGNORECASE), " "),
    (re.compile(r"</?[a-zA-Z][^<>\n]{0,1000}>"), ""),
    (_STRONG := re.compile(r"(\*{1,3})(?=[^\s*])([^*\n]{1,1000})(?<=\S)\1"), r"\2"),
    (_STRONG, r"\2"),  # again, around what was within
    (re.compile(r"(?<![^\W_])(_{1,3})(?=[^\s_])([^_\n]{1,1000})(?<=\S)\1(?![^\W_])"), r"\2"),
    (re.compile(r"(~~|==)(?=\S)([^~=\n]{1,1000})(?<=\S)\1"), r"\2"),
]


def plain(line: str) -> str:
    """A line without its marks."""
    if not _ANY.search(line):
        return line
    line = _CODE.sub(lambda found: _hidden(found[2].strip()), line)
    line = _ESCAPE.sub(lambda found: _hidden(found[1]), line)
    for pattern, text in _RULES:
        line = pattern.sub(text, line)
    return _GAP.sub(" ", unescape(line)).translate(_BACK)


def _hidden(text: str) -> str:
    return _PUNCTUATION.sub(lambda found: chr(_AWAY + ord(found[0])), text)
