"""Dumps of a MediaWiki become one document per article, with redirects as other names of what they lead to."""

from html import escape
from pathlib import Path

import pytest

from knowledge.documents import Document
from knowledge.errors import UnreadableError
from knowledge.sources import mediawiki_xml
from knowledge.sources.base import SourceFile

SITE = """<siteinfo><sitename>Saltmarsh Wiki</sitename><base>https://saltmarsh.fandom.com/wiki/Main_Page</base>
<namespaces><namespace key="-2">Media</namespace><namespace key="0" case="first-letter" />
<namespace key="1">Talk</namespace><namespace key="6">Bild</namespace><namespace key="14">Schublade</namespace>
</namespaces></siteinfo>"""
MARA = """{{short description|A keeper}}
{{Infobox character
| name = The Keeper
| image = [[File:Mara.png|200px]]
| birth_place = [[Saltmarsh (town)|Saltmarsh]]
| born = {{birth date and age|1970|1|2}}
| family = {{ubl|[[Tobin]]|[[Ana Vell|Aunt Ana]]}}
| work = [[Lighthouse keeper|Keeper]]<br />Cook
| aliases = Lamp-mother, ''Old Salt'' (by Tobin)
}}
[[File:Mara.jpg|thumb|Mara by the [[quay]]]]
'''Mara Vell''' ({{IPA|vel}}), called '''the ''old'' Lamp''', is the keeper<ref name="a">{{cite book|title=X}}</ref> of
[[Saltmarsh]].<ref name="a" /> She is '''never''' late &amp; walks {{convert|5|km|mi}} a day.<!-- a remark -->

__NOTOC__
== Childhood ==
* one [[rope]]
** two [https://example.org/a?b=c knots]
# {{nowrap|three}}

=== The storm of [[1820]] ===
{| class="wikitable"
|+ Boats
! Boat !! Fate
|-
| style="width:3em" | Gull || sank<br />at dawn
|-
| [[Tern (boat)|Tern]]
| {{color|red|late}}
|}
{{Quote|It was dark.|Mara}}
<nowiki>[[not a link]] '''x'''</nowiki> {{Unknown|thing}}<gallery>A.png|Gull</gallery>

== References ==
<references />
{{Keepers navbox}}
[[Category:People]] [[Schublade:Leute]] [[de:Mara]]
"""


def revision(text: str, at: str = "2024-01-01T00:00:00Z", more: str = "<model>wikitext</model>") -> str:
    timestamp = f"<timestamp>{at}</timestamp>" if at else ""
    return f'<revision><id>9</id>{timestamp}{more}<text xml:space="preserve">{escape(text)}</text></revision>'


def page(title: str, *revisions: str, id_: int = 1, ns: str = "<ns>0</ns>", more: str = "") -> str:
    return f"<page><title>{escape(title)}</title>{ns}<id>{id_}</id>{more}{''.join(revisions)}</page>\n"


def redirect(title: str, target: str) -> str:
    return page(title, revision(f"#REDIRECT [[{target}]]"), more=f'<redirect title="{escape(target)}" />')


def dump(*pages: str, site: str = SITE, version: str = "0.11") -> str:
    return f'<mediawiki xmlns="http://www.mediawiki.org/xml/export-{version}/">\n{site}\n{"".join(pages)}</mediawiki>\n'


Skipped = list[tuple[str, str]]


def read(tmp_path: Path, data: str | bytes) -> tuple[list[Document], Skipped]:
    """Reads a dump: its documents, and what was skipped."""
    path = tmp_path / "wiki.xml"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    skipped: Skipped = []
    file = SourceFile(name="wiki.xml", path=path, skip=lambda *part: skipped.append(part))
    return list(mediawiki_xml.read(file)), skipped


def one(tmp_path: Path, text: str, title: str = "Mara Vell") -> Document:
    (document,), _ = read(tmp_path, dump(page(title, revision(text))))
    return document


def plain(tmp_path: Path, text: str) -> str:
    """The text of the one section that a short page has."""
    (section,) = one(tmp_path, text).sections
    return section.text


def test_article_reads_as_its_reader_sees(tmp_path: Path) -> None:
    sections = one(tmp_path, MARA).sections
    assert [(section.path, section.text) for section in sections] == [
        (
            ("The Keeper",),
            "name: The Keeper\nbirth place: Saltmarsh\nborn: 1970-1-2\nfamily: Tobin, Aunt Ana\nwork: Keeper, Cook\n"
            "aliases: Lamp-mother, Old Salt (by Tobin)",
        ),
        ((), "Mara Vell, called the old Lamp, is the keeper of\nSaltmarsh. She is never late & walks 5 km a day."),
        (("Childhood",), "- one rope\n- two knots\n- three"),
        (
            ("Childhood", "The storm of 1820"),
            "Boats\nBoat | Fate\nGull | sank at dawn\nTern | late\n\nIt was dark. — Mara\n[[not a link]] '''x'''",
        ),
    ]


def test_names_come_from_bold_and_box(tmp_path: Path) -> None:
    assert one(tmp_path, MARA).aliases == ("the old Lamp", "Lamp-mother", "Old Salt")


def test_document_says_where_it_is_from(tmp_path: Path) -> None:
    (document,), skipped = read(tmp_path, dump(page("Mara & Söhne?", revision("Text."), id_=431)))
    assert skipped == []
    assert (document.source, document.place, document.id) == ("wiki.xml", "page 431", "431")
    assert document.url == "https://saltmarsh.fandom.com/wiki/Mara_%26_S%C3%B6hne%3F"


@pytest.mark.parametrize("base", ["javascript:alert(1)", "file:///wiki/Main", "http://[::", ""])
def test_only_web_addresses_are_kept(tmp_path: Path, base: str) -> None:
    (document,), _ = read(
        tmp_path, dump(page("Mara", revision("Text.")), site=f"<siteinfo><base>{base}</base></siteinfo>")
    )
    assert document.url == ""


@pytest.mark.parametrize("version", ["0.3", "0.10", "0.11", "9.9"])
def test_every_schema_version_is_read(tmp_path: Path, version: str) -> None:
    documents, _ = read(tmp_path, dump(page("Mara", revision("Text.")), version=version))
    assert [document.title for document in documents] == ["Mara"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_dump_is_read_in_unicode(tmp_path: Path, encoding: str) -> None:
    data = dump(page("玛拉", revision("'''玛拉'''，又称'''守灯人'''，是看守。"))).encode(encoding)
    assert mediawiki_xml.claims(data[:4096])
    (document,), _ = read(tmp_path, data)
    assert (document.title, document.aliases) == ("玛拉", ("守灯人",))


def test_other_xml_is_not_claimed() -> None:
    assert not mediawiki_xml.claims(b"<?xml version='1.0'?><rss><title>mediawiki</title></rss>")


def test_redirects_become_names_of_targets(tmp_path: Path) -> None:
    chain = [
        redirect("Lampwright", "The Keeper"),
        redirect("The Keeper", "Mara Vell"),
        page("Mara Vell", revision("Text.")),
    ]
    circle = [redirect("A", "B"), redirect("B", "A"), redirect("Nowhere", "Gone")]
    written = [
        page("守灯人", revision("#重定向 [[mara_Vell#Childhood]]")),
        page("Old", revision("#redirect: [[Mara Vell]]")),
    ]
    documents, skipped = read(tmp_path, dump(*chain, *circle, *written))
    assert skipped == []
    assert [document.title for document in documents] == ["Mara Vell"]
    assert documents[0].aliases == ("Lampwright", "The Keeper", "守灯人", "Old")


def test_redirects_beyond_the_limit_are_told(tmp_path: Path) -> None:
    path = tmp_path / "wiki.xml"
    path.write_text(dump(*(redirect(f"Name {n}", "Mara") for n in range(5))))
    skipped: Skipped = []
    file = SourceFile(name="wiki.xml", path=path, skip=lambda *part: skipped.append(part))
    assert mediawiki_xml.redirects(file, most=2) == {"Mara": ["Name 0", "Name 1"]}
    assert "after the first 2" in skipped[0][1]


def test_only_articles_become_documents(tmp_path: Path) -> None:
    pages = [
        page("Talk:Mara", revision("Talk."), ns="<ns>1</ns>"),
        page("Talk:Tobin", revision("Talk."), ns=""),
        page("Lua", revision("return 1", more="<model>Scribunto</model>")),
        page("Gone", '<revision><id>1</id><text deleted="deleted" /></revision>'),
        page("Mara: a life", revision("Text."), ns=""),
    ]
    documents, skipped = read(tmp_path, dump(*pages))
    assert ([document.title for document in documents], skipped) == (["Mara: a life"], [])


@pytest.mark.parametrize(
    ("times", "latest"),
    [(("2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z", "2023-01-01T00:00:00Z"), "text 1"), (("", "", ""), "text 2")],
)
def test_latest_revision_is_the_text(tmp_path: Path, times: tuple[str, ...], latest: str) -> None:
    revisions = [revision(f"text {n}", at) for n, at in enumerate(times)]
    documents, _ = read(
        tmp_path, dump(page("Mara", *revisions), page("Tobin", revision("other", "2001-01-01T00:00:00Z")))
    )
    assert [document.sections[0].text for document in documents] == [latest, "other"]


@pytest.mark.parametrize(
    "end", [b"", b"<page><title>Tob", b"<page></wrong></page>", b"<page>\xff\xfe</page>", b"<page>&boom;"]
)
def test_damaged_dump_gives_what_precedes(tmp_path: Path, end: bytes) -> None:
    whole = dump(page("Mara", revision("Text."))).encode()
    documents, skipped = read(tmp_path, whole.removesuffix(b"</mediawiki>\n") + end)
    assert [document.title for document in documents] == ["Mara"]
    ((place, problem),) = skipped
    assert place.startswith("line ")
    assert "damaged" in problem


def test_page_without_title_is_told(tmp_path: Path) -> None:
    documents, skipped = read(tmp_path, dump("<page><ns>0</ns><id>7</id>" + revision("Text.") + "</page>"))
    assert (documents, skipped) == ([], [("page 7", "it has no title")])


@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE mediawiki [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;">]>',
        '<!DOCTYPE mediawiki [<!ENTITY b SYSTEM "file:///etc/hostname">]>',
        '<!-- <mediawiki> --><!DOCTYPE mediawiki SYSTEM "http://127.0.0.1/x.dtd">',
        "<!DOCTYPE mediawiki>",
        "<!-- x -->" * 10_000,
        "<html>",
    ],
    ids=["bomb", "external", "after a comment", "bare", "endless prolog", "other root"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_doctype_is_refused_before_parsing(tmp_path: Path, doctype: str, encoding: str) -> None:
    with pytest.raises(UnreadableError, match="declares a DOCTYPE"):
        read(tmp_path, (doctype + dump(page("Mara", revision("&b;")))).encode(encoding))


def test_declared_encoding_hides_no_doctype(tmp_path: Path) -> None:
    hidden = '<?xml version="1.0" encoding="UTF-7"?><!-- +AC0ALQA+- +ADwAIQ-DOCTYPE x+AD4- -->'
    (document,), _ = read(tmp_path, hidden + dump(page("Mara", revision("+ADw-b+AD4-"))))
    assert document.sections[0].text == "+ADw-b+AD4-"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("-{zh-hans:灯塔;zh-hant:燈塔}-和-{船}-", "灯塔和船"),
        ("{{lang|fr|parler}} and {{lang-de|reden}}", "parler and reden"),
        ("她{{黑幕|其实}}很{{ruby|累|lei}}", "她其实很累"),
        ("{{nowrap|1=a=b}} {{=}} {{PAGENAME}}", "a=b = Mara Vell"),
        ("{{convert|5|to|6|km|mi}} {{frac|1|2}}", "5 to 6 km 1/2"),
        ("[[:Category:Keepers]] [[a#b|c]] [[Bild:x.png|d]]", "Category:Keepers c"),
        ("[[File:x.png|thumb|a [[b]] {{c|d}}]]e", "e"),
        ("a<br>b", "a\nb"),
        ("{{a|{{b|c}}|[[d]]}}e {{#if:x|y}}", "e"),
        ("x {{open [[ y ]] z", "x open y z"),
        ("a }} b ]] c |} d", "a b c |} d"),
        ("<ref>never closed", "never closed"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("{|\n| a {{!}} b || c\n|}", "a | b | c"),
        ('{| class="navbox"\n| links\n|}\nTold.', "Told."),
        (":: indented\n; term", "indented\nterm"),
    ],
)
def test_markup_becomes_what_it_shows(tmp_path: Path, source: str, text: str) -> None:
    assert plain(tmp_path, source) == text


def test_first_template_with_facts_is_infobox(tmp_path: Path) -> None:
    sections = one(tmp_path, "{{盐沼人物\n|姓名=玛拉\n|年龄=53\n|别名=灯母、老盐\n}}\n玛拉是看守。", "玛拉").sections
    assert [section.text for section in sections] == ["姓名: 玛拉\n年龄: 53\n别名: 灯母、老盐", "玛拉是看守。"]


def test_infobox_table_becomes_facts(tmp_path: Path) -> None:
    table = '{| class="infobox"\n! colspan="2" | Mara\n|-\n! Age\n| 53\n|-\n! Town || [[Saltmarsh]]\n|}\nText.'
    assert [section.text for section in one(tmp_path, table).sections] == ["Age: 53\nTown: Saltmarsh", "Text."]


@pytest.mark.parametrize(
    "piece", ["{{", "[[", "{{a|", "[[a|{{b|", "{|\n|", "<ref>", "<!--", "-{", "= ", "'''", "[http://x", "{{{", "<b>"]
)
def test_open_brackets_cost_no_time(tmp_path: Path, piece: str) -> None:
    text = f"Mara kept the lamp.\n\n{piece * 30_000}"
    assert one(tmp_path, text).sections[0].text.startswith("Mara kept the lamp.")


def test_nesting_beyond_the_limit_ends(tmp_path: Path) -> None:
    text = "Mara kept the lamp.\n\n" + "{{nowrap|" * 10_000 + "x" + "}}" * 10_000
    assert one(tmp_path, text).sections[0].text.startswith("Mara kept the lamp.")


def test_same_bytes_give_same_documents(tmp_path: Path) -> None:
    data = dump(page("Mara Vell", revision(MARA)), redirect("Lampwright", "Mara Vell"))
    assert read(tmp_path, data) == read(tmp_path, data)
