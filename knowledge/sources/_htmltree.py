"""A saved page as a tree, and where in it the article, its title and its address are.

Says what of a tree a reader would see (`walk`, `text`); how that becomes sections is html.py's business. Trees are
walked, never climbed by recursion, and never changed.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import TypeAlias

import lxml.html
from lxml import etree

from knowledge.encodings import decode
from knowledge.errors import UnreadableError
from knowledge.sources._address import is_web
from knowledge.sources.base import HEAD, SourceFile

Element: TypeAlias = lxml.html.HtmlElement

_CHARSET = re.compile(rb"(?i)<(?:meta|\?xml)[^<>]{0,200}?(?:charset|encoding)\s*=\s*[\"']?\s*([\w.:-]{1,40})")
_WIDER = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "iso-8859-1": "cp1252",
    "latin-1": "cp1252",
    "us-ascii": "cp1252",
}
"""What browsers take these names to mean."""
_SAVED_FROM = re.compile(rb"<!--\s*saved from url=\(\d+\)(\S{1,2000})\s*-->")

_BLOCK = re.compile(
    r"address|article|blockquote|body|br|caption|center|d[dlt]|details|div|h[1-6r]|header|li|main|[ou]l|p|pre|section|summary"
    r"|table|t[dhr]"
)
_UNTOLD = re.compile(
    r"aside|audio|button|canvas|dialog|figure|footer|head|iframe|img|input|math|nav|noscript|object|rp|rt|script|select|style"
    r"|svg|template|textarea|video"
)
_CHROME = re.compile(
    r"(?:^|\s)(?:navbox\S*|\S+-navbox|toc|toctitle|toc-\S+|(?:mw-)?editsection\S*|reference|references|reflist|refbegin"
    r"|mw-references-wrap\S*|mw-cite-backlink|cite-bracket|catlinks|article-categories|printfooter|noprint|metadata|hatnote"
    r"|dablink|rellink|[atm]mbox\S*|sistersitebox|portalbox|mw-jump\S*|mw-indicators?|gallery\S*|\S+-gallery|thumb|thumbinner"
    r"|wds-tabs__wrapper|tabbernav|cookie\S*|\S+-cookie\S*|\S*consent\S*|gdpr\S*|advert\S*|ads?|ads?-\S+|\S+-ads?|share"
    r"|social\S*|comments?|comment-list|breadcrumbs?|sidebar|\S+-rail|rail|screen-reader\S*|sr-only|visually-hidden"
    r"|license-description|page-footer\S*|newsletter\S*|noteta|mw-empty-elt|navigation-not-searchable|shortdescription)(?=\s|$)",
    re.IGNORECASE,
)
_CHROME_IDS = frozenset(
    ("toc", "catlinks", "sitesub", "contentsub", "jump-to-nav", "mw-navigation", "footer", "comments")
)
_CHROME_ROLES = frozenset(("navigation", "banner", "contentinfo", "search", "dialog", "alertdialog", "complementary"))
_HIDDEN = re.compile(r"(?i)(?:display\s*:\s*none|visibility\s*:\s*hidden)")
_BOX = re.compile(r"(?i)(?:^|\s)\S*infobox\S*")

_ARTICLES = (
    "//*[contains(concat(' ', normalize-space(@class), ' '), ' mw-parser-output ')]",
    "//*[@id='mw-content-text']",
    "//article",
    "//main",
)
_SPACE, _INVISIBLE = re.compile(r"\s+"), re.compile("[\u200b\u200e\u200f\u2060\ufeff\u00ad]")
_SITE = re.compile(r"(?i)wiki|fandom|pedia|百科|维基|維基|灰机|bilibili|哔哩")
_LONGEST_TITLE = 300
_APART = re.compile(r"\s+[|\-–—·]\s+|_(?=[^_]*$)|\s*[|｜]\s*")


def parse(file: SourceFile, largest: int) -> Element:
    """Reads a page; a part that is too much for the parser is told to `file.skip`.

    Raises:
        UnreadableError: It is larger than `largest` bytes, no text, or empty.
    """
    with file.open() as stream:
        data = stream.read(largest + 1)
    if len(data) > largest:
        raise UnreadableError(
            file.name, f"it is larger than {largest // 1_000_000} MB; save the page without its media"
        )
    parser = lxml.html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, huge_tree=False)
    try:
        page = lxml.html.document_fromstring(_decoded(data).replace("\0", "").encode("utf-8", "replace"), parser=parser)
    except ValueError as error:
        raise UnreadableError(file.name, f"{error}; save the page as UTF-8") from None
    except etree.LxmlError:
        raise UnreadableError(file.name, "it is empty; save the page again") from None
    for fault in parser.error_log.filter_from_fatals():
        file.skip(f"line {fault.line}", "it is nested too deep here, or one text is too long; what follows is not read")
    if saved := _SAVED_FROM.search(data[:HEAD]):
        page.set("data-saved-from", saved[1].decode("utf-8", "replace"))
    return page


def _decoded(data: bytes) -> str:
    """Text of a page: by its byte order mark, by what it says of itself, or by what its bytes look like."""
    declared = _CHARSET.search(data[:HEAD])
    name = declared[1].decode("ascii").casefold() if declared else ""
    if name and not data.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")) and not name.startswith("utf-16"):
        try:
            return data.decode(_WIDER.get(name, name))
        except (LookupError, UnicodeError):
            pass  # it is not what it says
    return decode(data)


def title(page: Element) -> str:
    """The page's own heading, or its title without the name of the site; "" without either."""
    heading = next((text(found) for found in page.xpath("//h1[@id='firstHeading']")), "")
    if heading:
        return " ".join(heading.split())
    site = _meta(page, "og:site_name")
    named = _meta(page, "og:title") or " ".join((page.findtext(".//title") or "").split())
    return _without_site(named[:_LONGEST_TITLE], site) or next(
        (" ".join(text(found).split()) for found in page.iter("h1")), ""
    )


def _without_site(name: str, site: str) -> str:
    """Takes ` - Wikipedia` or ` | Saltmarsh Wiki | Fandom` off, part by part."""
    while parts := list(_APART.finditer(name)):
        last = name[parts[-1].end() :]
        if not _SITE.search(last) and last.casefold() != site.casefold():
            break
        name = name[: parts[-1].start()]
    return name.strip()


def address(page: Element) -> str:
    """Where the page was saved from, if it says."""
    canonical = page.xpath("string(//link[translate(@rel, 'CANOIL', 'canoil')='canonical']/@href)")
    for found in (canonical, _meta(page, "og:url"), page.get("data-saved-from", "")):
        if is_web(found.strip()):
            return str(found.strip())
    return ""


def _meta(page: Element, name: str) -> str:
    return " ".join(page.xpath("string(//meta[@property=$name or @name=$name]/@content)", name=name).split())


def article(page: Element) -> Element:
    """The element that holds the article: where wikis put it, else what looks most like one."""
    for place in _ARTICLES:
        if found := page.xpath(place):
            return max(found, key=lambda element: len(element.text_content()))
    return _likeliest(page)


def _likeliest(page: Element) -> Element:
    from trafilatura import extract  # slow to import, and seldom needed

    found = extract(
        page, output_format="html", include_comments=False, include_tables=True, include_formatting=True, fast=True
    )
    return lxml.html.document_fromstring(found) if found else page


def is_box(element: Element) -> bool:
    """Whether an element calls itself an infobox."""
    return element.tag in ("table", "aside", "div", "section") and bool(_BOX.search(element.get("class", "")))


def is_block(tag: str) -> bool:
    """Whether elements with this tag begin a line of their own."""
    return bool(_BLOCK.fullmatch(tag))


def is_told(element: Element) -> bool:
    """Whether a reader of the article sees it, and it is the article's own."""
    if _UNTOLD.fullmatch(element.tag):
        return is_box(element)
    if element.get("hidden") is not None or element.get("aria-hidden") == "true":
        return False
    named = element.get("id", "").casefold() in _CHROME_IDS or element.get("role", "") in _CHROME_ROLES
    return not (named or _is_chrome(element.get("class", "")) or _HIDDEN.search(element.get("style", "")))


@lru_cache(maxsize=4096)
def _is_chrome(classes: str) -> bool:
    return bool(_CHROME.search(classes))


class Walk:
    """Goes through what is told below an element: `start` and `end` of each, its tail belongs to its end."""

    def __init__(self, root: Element) -> None:
        self._root = root
        self._events = etree.iterwalk(root, events=("start", "end"))

    def __iter__(self) -> Iterator[tuple[str, Element]]:
        for event, element in self._events:
            if event == "start" and element is not self._root and not is_told(element):
                self.skip()
            else:
                yield event, element

    def skip(self) -> None:
        """Leaves out what is below the element that has just started."""
        self._events.skip_subtree()

    def tail(self, element: Element) -> str:
        """The text after an element, as far as it is below the root."""
        return "" if element is self._root else spaced(element.tail)


def spaced(text: str | None) -> str:
    """Text as a browser shows it: all white space is one space, characters without width are gone."""
    return _SPACE.sub(" ", _INVISIBLE.sub("", text or ""))


def text(root: Element) -> str:
    """What is told in an element, line by line; no empty lines."""
    parts: list[str] = []
    walk = Walk(root)
    for event, element in walk:
        edge = "\n" if is_block(element.tag) else ""
        parts += (edge, spaced(element.text)) if event == "start" else (edge, walk.tail(element))
    lines = (" ".join(line.split()) for line in "".join(parts).split("\n"))
    return "\n".join(filter(None, lines))
