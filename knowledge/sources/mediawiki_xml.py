"""MediaWiki XML exports, as Special:Export and dump tools write them: every article of a wiki in one file.

A file is read twice, as a stream: first for redirects, which become other names of what they lead to, then for pages.
Memory holds one page and the redirects, never the file. Documents with a DOCTYPE are refused before they are parsed,
so there are no entities to expand. Knows XML and what a dump holds, not wikitext (_wikitext.py).
"""

import codecs
import re
from collections.abc import Callable, Iterator
from typing import BinaryIO
from urllib.parse import quote

from lxml import etree

from knowledge.documents import Document, Noun
from knowledge.errors import UnreadableError
from knowledge.sources import _names, _wikitext
from knowledge.sources._address import is_web
from knowledge.sources.base import SourceFile

HELP = "MediaWiki XML exports (articles; redirects become other names)"
SUFFIXES = (".xml",)

MOST_REDIRECTS = 500_000
"""About 180 MB of names."""
_LONGEST_CHAIN = 10
_ROOT = re.compile(r"<(?:\w+:)?mediawiki[\s>]")
_PROLOG = re.compile(r"\ufeff?(?>\s|<\?.*?\?>|<!--.*?-->)*+<(?:\w+:)?mediawiki[\s>]", re.DOTALL)
_LONGEST_PROLOG = 1 << 16
_REDIRECT = re.compile(
    r"\s*#\s*(?:redirect|重定向|重新導向|重新导向|転送|넘겨주기)\s*:?\s*\[\[([^\[\]|]*)", re.IGNORECASE
)


class _Wiki(Noun, frozen=True, kw_only=True):
    """What the head of a dump says of its wiki."""

    address: str = ""
    """What comes before a page's title in its address."""
    other: frozenset[str] = frozenset()
    """Prefixes of titles that are no articles, in small letters."""
    media: frozenset[str] = frozenset()
    """Prefixes of links to files and categories, in small letters."""


class _Page(Noun, frozen=True, kw_only=True):
    """A page as the dump holds it: `text` is its latest revision."""

    id: str
    title: str
    redirect: str
    text: str
    wiki: _Wiki


class _Revision(Noun, frozen=True, kw_only=True):
    at: str = ""
    text: str = ""


def claims(head: bytes) -> bool:
    return bool(_ROOT.search(_decoded(head)))


def read(file: SourceFile) -> Iterator[Document]:
    """Reads every article; pages of other namespaces and pages without text are passed over."""
    _check(file)
    others = redirects(file)
    for page in _pages(file, file.skip):
        if not page.redirect and (document := _document(file.name, page, others.get(page.title, []))):
            yield document


def _check(file: SourceFile) -> None:
    """Sees to it that nothing but comments comes before the first element."""
    with file.open() as stream:
        head = _decoded(stream.read(_LONGEST_PROLOG))
    if not _PROLOG.match(head):
        problem = "it is no MediaWiki export, or it declares a DOCTYPE, which none does"
        raise UnreadableError(file.name, f"{problem}; export the pages with Special:Export")


def _decoded(head: bytes) -> str:
    return head.decode(_encoding(head), "replace")


def _encoding(head: bytes) -> str:
    """UTF-16 needs a byte order mark; a declaration is not asked, so that nothing hides in an odd encoding."""
    return "utf-16" if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8"


def _document(source: str, page: _Page, others: list[str]) -> Document | None:
    parsed = _wikitext.parse(page.text, page.title, page.wiki.media)
    if not parsed.sections:
        return None
    address = page.wiki.address
    return Document(
        source=source,
        place=f"page {page.id or page.title}",
        id=page.id,
        title=page.title,
        sections=parsed.sections,
        aliases=_names.distinct([*parsed.aliases, *others], page.title),
        url=f"{address}{quote(page.title.replace(' ', '_'), safe='/:(),!*@;')}" if address else "",
    )


def redirects(file: SourceFile, most: int = MOST_REDIRECTS) -> dict[str, list[str]]:
    """Titles that lead to a page, by its title; through chains, and not in circles."""
    leads = {}
    for page in _pages(file, lambda place, problem: None):
        if page.redirect and page.title != page.redirect:
            leads[page.title] = page.redirect
        if len(leads) == most:
            file.skip(f"page {page.id}", f"redirects after the first {most:,} are not read as other names")
            break
    others: dict[str, list[str]] = {}
    for title, target in leads.items():
        if (end := _end(target, leads)) is not None:
            others.setdefault(end, []).append(title)
    return others


def _end(title: str, leads: dict[str, str]) -> str | None:
    """Where a chain of redirects ends; None for a circle and for what is as good as one."""
    for _ in range(_LONGEST_CHAIN):
        if title not in leads:
            return title
        title = leads[title]
    return None


def _pages(file: SourceFile, skip: Callable[[str, str], None]) -> Iterator[_Page]:
    """Articles in the order of the file, up to its end or to where it is damaged."""
    wiki, latest = _Wiki(), _Revision()
    with file.open() as stream:
        try:
            for kind, element in _elements(stream):
                if kind == "siteinfo":
                    wiki = _wiki(element)
                elif kind == "revision":
                    latest = _later(latest, _revision(element))
                elif kind == "page":
                    if page := _page(element, latest.text, wiki, skip):
                        yield page
                    latest = _Revision()
        except etree.XMLSyntaxError as error:
            skip(f"line {error.lineno}", f"it is damaged, and what follows can't be read ({error.msg}); export it anew")


def _elements(stream: BinaryIO) -> Iterator[tuple[str, etree._Element]]:
    """Elements that matter, as they end, without their namespace; each is freed before the next is read."""
    encoding = _encoding(stream.read(2))
    stream.seek(0)
    tags = tuple(f"{{*}}{kind}" for kind in ("siteinfo", "page", "revision", "logitem"))
    safe = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False}
    for _, element in etree.iterparse(
        stream, tag=tags, encoding=encoding, remove_comments=True, remove_pis=True, **safe
    ):
        kind = etree.QName(element).localname
        yield kind, element
        _free(element, kind)


def _free(element: etree._Element, kind: str) -> None:
    """Forgets an element and those before it; a page that is not at its end keeps its title."""
    element.clear()
    before = element.getprevious()
    while before is not None and (kind != "revision" or before.tag == element.tag):
        element.getparent().remove(before)
        before = element.getprevious()


def _wiki(siteinfo: etree._Element) -> _Wiki:
    """Names of namespaces and the address of pages; a dump names them in its own language."""
    names: dict[str, set[str]] = {}
    for namespace in siteinfo.iterfind("{*}namespaces/{*}namespace"):
        names.setdefault(namespace.get("key", ""), set()).add((namespace.text or "").strip().casefold())
    other = frozenset().union(*(found for key, found in names.items() if key != "0")) - {""}
    media = frozenset().union(*(names.get(key, ()) for key in ("-2", "6", "14")))
    return _Wiki(address=_address(siteinfo.findtext("{*}base", "")), other=other, media=media)


def _address(base: str) -> str:
    """What comes before a title, from the address of the main page: `https://saltmarsh.fandom.com/wiki/`."""
    if not is_web(base):
        return ""
    before, query, _ = base.partition("?title=")
    return f"{before}{query}" if query else f"{base.rpartition('/')[0]}/"


def _revision(revision: etree._Element) -> _Revision:
    model = revision.findtext("{*}model", "wikitext").strip()
    text = revision.findtext("{*}text", "") if model in ("", "wikitext") else ""
    return _Revision(at=revision.findtext("{*}timestamp", "").strip(), text=text)


def _later(one: _Revision, other: _Revision) -> _Revision:
    """The younger of two, of which `other` comes later in the file; times are ISO 8601 and compare as text."""
    return one if one.at and other.at and other.at < one.at else other


def _page(element: etree._Element, text: str, wiki: _Wiki, skip: Callable[[str, str], None]) -> _Page | None:
    """The page, if it is an article: namespace 0, by number or by the prefix of its title."""
    id_, title = element.findtext("{*}id", "").strip(), element.findtext("{*}title", "").strip()
    prefix, colon, _ = title.partition(":")
    namespace = element.findtext("{*}ns", "1" if colon and prefix.strip().casefold() in wiki.other else "0").strip()
    if namespace != "0":
        return None
    if not title:
        skip(f"page {id_}", "it has no title")
        return None
    return _Page(id=id_, title=title, redirect=_redirect(element, text), text=text, wiki=wiki)


def _redirect(element: etree._Element, text: str) -> str:
    """The title that a page leads to; old dumps say it in the text only."""
    mark = element.find("{*}redirect")
    if mark is not None and mark.get("title"):
        return str(mark.get("title"))
    written = _REDIRECT.match(text)
    target = " ".join(written[1].partition("#")[0].replace("_", " ").split()).lstrip(":") if written else ""
    return target[:1].upper() + target[1:]
