"""Wikitext as plain text: what a reader of the page would see, in sections, with its infoboxes first.

One pass with a stack over templates, links and tables, innermost first, in time that grows with the page and nothing
else: no regular expression here runs over text that another run of it has seen, and nesting beyond `_DEEPEST` is
ignored. A full parser (mwparserfromhell) needs minutes for 100 KB of open braces. Knows no XML and no files.
"""

import html
import re
from collections.abc import Iterable
from typing import NamedTuple

from knowledge.documents import Section
from knowledge.sources import _names
from knowledge.sources._infobox import Infobox, infobox, section
from knowledge.sources._outline import Outline
from knowledge.sources._wikitables import BAR, rows, table
from knowledge.sources._wikitemplates import is_infobox, shown, template

_MEDIA = re.compile(
    r"file|image|media|category|文件|图像|圖像|档案|檔案|媒体|媒體|分类|分類|ファイル|カテゴリ|datei|kategorie|fichier|catégorie"
)
"""Prefixes of links that show no text, whatever else the wiki calls them."""

_DEEPEST = 40
"""Templates in templates, as deep as MediaWiki itself goes."""
_LITERAL = {ord(sign): 0xFDD1 + place for place, sign in enumerate("|=[]{}'<>")}
_ESCAPED = {0xFDD0: "|"} | {place: chr(sign) for sign, place in _LITERAL.items()}
_NO_CHARACTERS = re.compile("[\ufdd0-\ufdef]")
_EDGE = "\ufdef"
"""Between the arguments of a template or a link."""

_TAG = re.compile(r"<!--.*?(?:-->|\Z)|<(/?)([a-zA-Z][a-zA-Z0-9]*)([^<>]*)>", re.DOTALL)
_UNSEEN = re.compile(
    r"ref|references|gallery|math|chem|score|timeline|imagemap|style|script|includeonly|templatestyles|inputbox|mapframe"
    r"|maplink|graph|hiero|rt|rp|syntaxhighlight|source|dpl|categorytree|dynamicpagelist|youtube|html"
)
_SEEN = {"br": "\n", "/p": "\n\n", "p": "\n\n", "div": "\n", "/div": "\n", "tr": "\n", "/tr": "\n", "li": "\n* "} | {
    "/td": f" {BAR} ", "/th": f" {BAR} ", "/table": "\n\n", "table": "\n\n", "blockquote": "\n\n", "/blockquote": "\n\n"
}  # fmt: skip
_VARIANT = re.compile(r"-\{([^{}]*)\}-")
_TOKEN = re.compile(r"\{\{|\}\}|\[\[|\]\]|^[ \t:]*\{\||^[ \t]*\|\}(?!\})|\|", re.MULTILINE)
_OPENS = {"{{": "template", "[[": "link", "{|": "table"}
_CLOSES = {"}}": "template", "]]": "link", "|}": "table"}
_OUTSIDE = re.compile(r"\[(?:https?:|ftp:|mailto:)?//[^\s\[\]]*[ \t]*([^\[\]\n]*)\]")
_RUBBISH = re.compile(
    r"__[A-Z]{4,}__|'{2,}|\{\{+|\}\}+|\[\[+|\]\]+|[\u200b\u200e\u200f\ufeff\u00ad]|^-{4,}", re.MULTILINE
)
_HOLLOW = re.compile(r"[ \t]?(?:\([\s,;:/]{0,9}\)|（[\s,，;；:、]{0,9}）)")
_BOLD = re.compile(r"'''+([^'\n]+(?:'[^'\n]+)*)'''+")
_ITALIC = re.compile(r"(?<!')''(?!')")


class Parsed(NamedTuple):
    """What is left of a page."""

    sections: tuple[Section, ...]
    aliases: tuple[str, ...]


def parse(source: str, title: str, media: frozenset[str] = frozenset()) -> Parsed:
    """Reads the wikitext of a page.

    Args:
        media: The wiki's own prefixes of links that show no text, in small letters.
    """
    page = _Page(title, media)
    text = page.read(_variants(_without_tags(_NO_CHARACTERS.sub("", source))))
    opening = _ITALIC.sub("", _names.opening(text.lstrip().partition("\n\n")[0]))
    listed = (name for box in page.boxes for name in _names.listed(box.facts))
    aliases = _names.distinct([*_BOLD.findall(opening), *listed], title)
    return Parsed((*(section(box, title) for box in page.boxes), *_sections(_finished(text))), aliases)


class _Frame:
    """A template, link or table that is still open, or the page itself; its parts are already text."""

    __slots__ = ("kind", "parts")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.parts: list[str] = []


class _Page:
    """A page being read. `boxes` are the infoboxes found so far."""

    def __init__(self, title: str, media: frozenset[str]) -> None:
        self._title, self._media = title, media
        self._stack = [_Frame("page")]
        self._open = {"template": 0, "link": 0, "table": 0}
        self._begun = False
        self.boxes: list[Infobox] = []

    def read(self, text: str) -> str:
        """Replaces templates, links and tables by their text."""
        at = 0
        for token in _TOKEN.finditer(text):
            self._put(text[at : token.start()])
            self._take(token.group().strip(" \t:"))
            at = token.end()
        self._put(text[at:])
        self._give_up(0)
        return "".join(self._stack[0].parts)

    def _put(self, text: str) -> None:
        if text:
            self._stack[-1].parts.append(text)
            self._begun = self._begun or (len(self._stack) == 1 and not text.isspace())

    def _take(self, token: str) -> None:
        if token in _OPENS:
            if len(self._stack) <= _DEEPEST:
                self._open[_OPENS[token]] += 1
                self._stack.append(_Frame(_OPENS[token]))
        elif token in _CLOSES:
            self._close(_CLOSES[token])
        else:
            self._put(_EDGE if self._stack[-1].kind in ("template", "link") else token)

    def _close(self, kind: str) -> None:
        """Ends the innermost of this kind; what was opened within it and never closed was no markup."""
        if self._open[kind]:
            place = next(place for place in range(len(self._stack) - 1, 0, -1) if self._stack[place].kind == kind)
            self._give_up(place)
            self._open[kind] -= 1
            source = "".join(self._stack.pop().parts)
            text = getattr(self, f"_{kind}")(source)
            self._put(text.replace("=", "\ufdd2") if len(self._stack) > 1 else text)

    def _give_up(self, place: int) -> None:
        for frame in self._stack[place + 1 :]:
            self._open[frame.kind] -= 1
            self._stack[place].parts += ("|" if part == _EDGE else part for part in frame.parts)
        del self._stack[place + 1 :]

    def _link(self, source: str) -> str:
        target, *labels = source.split(_EDGE)
        prefix, colon, _ = target.strip().partition(":")
        foreign = not labels and re.fullmatch(r"[a-z]{2,3}(?:-[a-z]+)*", prefix)
        if colon and (foreign or self._is_media(prefix.strip().casefold())):
            return ""
        return labels[-1] if labels else target.strip().lstrip(":")

    def _is_media(self, prefix: str) -> bool:
        return prefix in self._media or bool(_MEDIA.fullmatch(prefix))

    def _template(self, source: str) -> str:
        known = template(source.split(_EDGE))
        if not is_infobox(known, first=not self._begun and len(self._stack) == 1):
            return shown(known, self._title)
        self._keep(infobox((key, _finished(value)) for key, value in known.named))
        return ""

    def _table(self, source: str) -> str:
        if "infobox" in source.partition("\n")[0].casefold():
            cells = (row for row in rows(source) if len(row) == 2)
            self._keep(infobox((_finished(key), _finished(value)) for key, value in cells))
            return ""
        return table(source)

    def _keep(self, box: Infobox) -> None:
        if box.facts:
            self.boxes.append(box)


def _without_tags(text: str) -> str:
    """Takes tags and comments away, some with all that is in them; what `<nowiki>` protects is not markup any more."""
    kept: list[str] = []
    at, inside = 0, ""
    for tag in _TAG.finditer(text):
        name = f"{tag[1] or ''}{(tag[2] or '').casefold()}"
        if inside and name != f"/{inside}":
            continue
        kept.append(
            text[at : tag.start()].translate(_LITERAL)
            if inside == "nowiki"
            else ""
            if inside
            else text[at : tag.start()]
        )
        at, inside = tag.end(), ""
        if name == "nowiki" or _UNSEEN.fullmatch(name):
            inside = "" if tag[3].endswith("/") else name
        kept.append(_SEEN.get(name, ""))
    kept.append(_TAG.sub("", text[at:]) if inside else text[at:])
    return "".join(kept)


def _variants(text: str) -> str:
    """`-{zh-hans:甲;zh-hant:乙}-` is 甲."""
    return _VARIANT.sub(lambda match: _variant(match[1]), text) if "-{" in text else text


def _variant(source: str) -> str:
    flags, bar, text = source.rpartition("|")
    if bar and set(flags) & set("HT-"):
        return ""
    first = re.match(r"\s*(?:zh|sr|en)[\w-]*\s*:([^;]*)", text)
    return first[1].strip() if first else text


def _finished(text: str) -> str:
    """Plain text of what has no links, templates and tags any more."""
    text = _RUBBISH.sub("", _OUTSIDE.sub(r"\1", text))
    text = html.unescape(text).replace("\xa0", " ")
    return _HOLLOW.sub("", _NO_CHARACTERS.sub(lambda match: _ESCAPED.get(ord(match[0]), ""), text))


def _sections(text: str) -> Iterable[Section]:
    outline = Outline()
    for line in text.split("\n"):
        line = " ".join(line.split())
        if len(line) > 2 and line[0] == line[-1] == "=":
            _heading(outline, line)
        elif line[:1] in ("*", "#"):
            outline.line(f"- {line.lstrip('*#:; ')}")
        else:
            outline.line(line.lstrip(":; "))
    return outline.sections()


def _heading(outline: Outline, line: str) -> None:
    level = min(len(line) - len(line.lstrip("=")), len(line) - len(line.rstrip("=")), 6)
    outline.heading(level, line.strip("=").strip())
