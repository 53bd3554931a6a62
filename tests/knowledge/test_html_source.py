"""Saved pages become the article that a reader would see, and nothing of what stands around it."""

from pathlib import Path

import pytest

from knowledge.documents import Document
from knowledge.errors import UnreadableError
from knowledge.sources import html
from knowledge.sources.base import SourceFile

SCRIPTS = "".join(f'<script>window.track({n}, "<p>Lamp oil sold here {n}</p>");</script>' for n in range(4_000))
HEAD = f"""<!DOCTYPE html><html><head><meta charset="utf-8">
<title>Mara Vell | Saltmarsh Wiki | Fandom</title>
<link rel="canonical" href="https://saltmarsh.fandom.com/wiki/Mara_Vell"><style>.x {{ color: red }}</style>
{SCRIPTS}</head>"""
CHROME = """<body><nav>Explore Main Page All Pages</nav><div class="top-ads">Buy a boat</div><main>
<header role="banner">Sign in</header><h1 id="firstHeading">Mara Vell</h1>
<div id="mw-content-text"><div class="mw-parser-output">"""
BOX = """<aside class="portable-infobox pi-theme-a" role="region"><h2 class="pi-item pi-title">The Keeper</h2>
<figure class="pi-item pi-image"><img src="m.png"><figcaption>Mara at sea</figcaption></figure>
<section class="pi-item pi-group"><h2 class="pi-header">Life</h2>
<div class="pi-item pi-data" data-source="age"><h3 class="pi-data-label">Age</h3>
<div class="pi-data-value pi-font">53<sup class="reference"><a href="#r">[1]</a></sup></div></div>
<div class="pi-item pi-data" data-source="aliases"><h3 class="pi-data-label">Aliases</h3>
<div class="pi-data-value">Lamp-mother<br>Old Salt (by Tobin)</div></div></section>
<table class="pi-horizontal-group"><thead><tr>
<th class="pi-data-label">Strength</th><th class="pi-data-label">Wit</th></tr>
</thead><tbody><tr><td class="pi-data-value">4</td><td class="pi-data-value">9</td></tr></tbody></table></aside>"""
ARTICLE = """<div class="hatnote">For the boat, see elsewhere.</div><p class="mw-empty-elt"></p>
<p><b>Mara Vell</b> (or <b>the Lampwright</b>) is the keeper of
<a href="/wiki/S">Saltmarsh</a>.<sup class="reference">[1]</sup>
She is <b>never</b> late.</p><div id="toc" class="toc">Contents 1 Childhood</div>
<h2><span class="mw-headline">Childhood</span><span class="mw-editsection">[edit]</span></h2>
<p>She grew up by the quay.<span style="display: none">A hidden word.</span></p>
<ul><li>rope<ul><li>knots</li></ul></li><li><p>tar</p></li></ul>
<h3>The storm [edit | edit source]</h3>
<table class="wikitable"><caption>Boats</caption><tr><th>Boat</th><th>Fate</th></tr>
<tr><td>Gull</td><td>sank<br>at dawn</td></tr></table>
<div class="wikia-gallery">A picture of a gull</div><!-- a remark -->
<h2>Trivia</h2><pre>one
  two</pre>
<h2>References</h2><ol class="references"><li>The harbour book</li></ol>
<table class="navbox"><tr><td>Keepers of the coast</td></tr></table>
<div id="catlinks">Categories: People</div></div></div>
<section class="comments">First!</section></main>
<div id="cookie-bar" class="cookie-banner">We use cookies</div></body></html>"""
FANDOM = HEAD + CHROME + BOX + ARTICLE


def page(tmp_path: Path, data: str | bytes, name: str = "mara_vell.html") -> tuple[Document, list[tuple[str, str]]]:
    """Reads a saved page: its document, and what was skipped."""
    path = tmp_path / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    skipped: list[tuple[str, str]] = []
    (document,) = html.read(SourceFile(name=name, path=path, skip=lambda *part: skipped.append(part)))
    return document, skipped


def texts(document: Document) -> dict[tuple[str, ...], str]:
    return {section.path: section.text for section in document.sections}


def main_of(inner: str, head: str = "") -> str:
    return f"<html><head>{head}</head><body><main>{inner}</main></body></html>"


def test_fandom_page_keeps_only_its_article(tmp_path: Path) -> None:
    assert len(FANDOM) > 250_000
    document, skipped = page(tmp_path, FANDOM)
    assert skipped == []
    assert [(section.path, section.text) for section in document.sections] == [
        (("The Keeper",), "Age: 53\nAliases: Lamp-mother, Old Salt (by Tobin)\nStrength: 4\nWit: 9"),
        ((), "Mara Vell (or the Lampwright) is the keeper of Saltmarsh. She is never late."),
        (("Childhood",), "She grew up by the quay.\n\n- rope\n- knots\n\n- tar"),
        (("Childhood", "The storm"), "Boats\nBoat | Fate\nGull | sank at dawn"),
        (("Trivia",), "one\n  two"),
    ]


def test_names_come_from_bold_and_infobox(tmp_path: Path) -> None:
    document, _ = page(tmp_path, FANDOM)
    assert document.aliases == ("the Lampwright", "Lamp-mother", "Old Salt")


def test_page_says_its_title_and_address(tmp_path: Path) -> None:
    document, _ = page(tmp_path, FANDOM)
    assert (document.title, document.url) == ("Mara Vell", "https://saltmarsh.fandom.com/wiki/Mara_Vell")
    assert (document.source, document.place) == ("mara_vell.html", "")


@pytest.mark.parametrize(
    ("head", "title"),
    [
        ("<title>Mara Vell - Wikipedia</title>", "Mara Vell"),
        ("<title>Mara Vell | Saltmarsh Wiki | Fandom</title>", "Mara Vell"),
        ("<title>玛拉 - 萌娘百科 万物皆可萌的百科全书</title>", "玛拉"),
        ("<title>玛拉_灰机wiki</title>", "玛拉"),
        ("<title>Lamp | Oil</title>", "Lamp | Oil"),
        ('<meta property="og:site_name" content="Coast"><title>Mara Vell – Coast</title>', "Mara Vell"),
        ('<meta property="og:title" content="Old Mara"><title>Something</title>', "Old Mara"),
        ("", "mara vell"),
    ],
)
def test_site_name_leaves_the_title(tmp_path: Path, head: str, title: str) -> None:
    assert page(tmp_path, main_of("<p>Text.</p>", head))[0].title == title


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "file:///etc/passwd", "http://[::", "//nowhere", "data:text/html,x"]
)
def test_only_web_addresses_are_kept(tmp_path: Path, address: str) -> None:
    saved = "<!-- saved from url=(0028)https://example.org/wiki/Mara -->\n"
    document, _ = page(tmp_path, saved + main_of("<p>Text.</p>", f'<link rel="canonical" href="{address}">'))
    assert document.url == "https://example.org/wiki/Mara"


def test_chinese_infobox_table_becomes_facts(tmp_path: Path) -> None:
    box = """<table class="wikitable infobox"><tr><th colspan="2">玛拉·维尔</th></tr>
    <tr><td colspan="2"><img src="a.png"></td></tr>
    <tr><td colspan="2">盐沼镇官方立绘</td></tr><tr><td colspan="2">画师的话</td></tr>
    <tr><th>本名</th><td>玛拉·安·维尔</td></tr><tr><th>别名</th><td>灯母、老盐</td></tr>
    <tr><th>年龄</th><td>53</td><th>发色</th><td>灰</td></tr><tr><th colspan="2">简介</th></tr>
    <tr><td colspan="2">守塔人</td></tr></table>"""
    told = "<p><b>玛拉·维尔</b>，又称<b>守灯人</b>，是盐沼镇的灯塔看守。<b>绝不</b>迟到。</p>"
    rest = "<h2>童年[编辑]</h2><p>她在码头长大。</p></div><title>玛拉·维尔 - 萌娘百科</title>"
    document, _ = page(tmp_path, f'<div class="mw-parser-output">{box}{told}{rest}')
    assert [(section.path, section.text) for section in document.sections] == [
        ((), "本名: 玛拉·安·维尔\n别名: 灯母、老盐\n年龄: 53\n发色: 灰\n简介: 守塔人"),
        ((), "玛拉·维尔，又称守灯人，是盐沼镇的灯塔看守。绝不迟到。"),
        (("童年",), "她在码头长大。"),
    ]
    assert document.aliases == ("守灯人", "玛拉·安·维尔", "灯母", "老盐")


def test_frame_tables_are_no_rows(tmp_path: Path) -> None:
    frame = "<table><tr><td><h2>Left</h2><p>One.</p></td><td><h2>Right</h2><p>Two.</p></td></tr></table>"
    assert texts(page(tmp_path, main_of(frame))[0]) == {("Left",): "One.", ("Right",): "Two."}


def test_page_without_article_is_searched(tmp_path: Path) -> None:
    told = "Mara Vell kept the lamp of Saltmarsh for thirty years, through every storm that the sea sent. " * 5
    menu = "<ul>" + "".join(f'<li><a href="/{n}">Shop {n}</a></li>' for n in range(30)) + "</ul>"
    lamp = f"<div><h2>The lamp</h2><p>{told}</p><p>{told}</p></div>"
    body = f"<div class='nav-menu'>{menu}</div>{lamp}<footer>Legal</footer>"
    (text,) = texts(page(tmp_path, f"<html><head><title>Lamp</title></head><body>{body}</body></html>")[0]).values()
    assert "through every storm" in text
    assert "Shop" not in text
    assert "Legal" not in text


CHINESE = "玛拉是盐沼镇的守塔人，每天晚上都点亮灯塔。"


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [
        ("utf-8", "utf-8"),
        ("gb2312", "gb18030"),
        ("gbk", "gbk"),
        ("utf-16", "utf-16"),
        ("utf-8", "gb18030"),
        ("", "gb18030"),
    ],
)
def test_declared_or_guessed_encodings_are_read(tmp_path: Path, declared: str, encoding: str) -> None:
    meta = f'<meta http-equiv="Content-Type" content="text/html; charset={declared}">' if declared else ""
    document, _ = page(tmp_path, main_of(f"<p>{CHINESE}</p>", meta).encode(encoding))
    assert document.sections[0].text == CHINESE


def test_big5_page_is_read_as_declared(tmp_path: Path) -> None:
    text = "瑪拉是鹽沼鎮的守塔人。"
    document, _ = page(tmp_path, main_of(f"<p>{text}</p>", '<meta charset="big5">').encode("big5"))
    assert document.sections[0].text == text


def test_xhtml_with_declaration_is_read(tmp_path: Path) -> None:
    data = (
        '<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml">' + main_of("<p>灯</p>")[6:]
    )
    assert texts(page(tmp_path, data)[0]) == {(): "灯"}


def test_entity_bombs_stay_plain_text(tmp_path: Path) -> None:
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 30))
    secret = '<!ENTITY file SYSTEM "file:///etc/hostname">'
    bomb = f'<!DOCTYPE html [<!ENTITY e0 "boom">{levels}{secret}]>' + main_of("<p>It says &e29; and &file; here.</p>")
    document, _ = page(tmp_path, bomb)
    assert document.sections[-1].text.endswith("It says &e29; and &file; here.")


@pytest.mark.parametrize("opening", ["<div>", "<b>", "<table><tr><td>", "<ul><li>", "<aside class='portable-infobox'>"])
def test_deep_nesting_ends_the_reading(tmp_path: Path, opening: str) -> None:
    document, skipped = page(tmp_path, main_of(f"<p>Before.</p>{opening * 100_000}deep"))
    assert document.sections[0].text == "Before."
    assert [place for place, problem in skipped if "nested too deep" in problem] == ["line 1"]


def test_broken_markup_still_tells_text(tmp_path: Path) -> None:
    document, _ = page(tmp_path, "<main></div></p><p>The <b>lamp</i> burns<table><td>a<td>b</main><li>late")
    assert document.sections[0].text.startswith("The lamp burns")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "it is empty"),
        (b"<html><body></body></html>", "no text was found"),
        (bytes(range(256)) * 40, "it is not text"),
        (b"a" * (html.LARGEST + 1), "larger than 32 MB"),
    ],
    ids=["empty", "no text", "bytes", "large"],
)
def test_unreadable_pages_say_the_reason(tmp_path: Path, data: bytes, problem: str) -> None:
    with pytest.raises(UnreadableError, match=problem) as caught:
        page(tmp_path, data)
    assert str(caught.value).startswith("mara_vell.html: ")


def test_same_bytes_give_same_document(tmp_path: Path) -> None:
    assert page(tmp_path, FANDOM) == page(tmp_path, FANDOM)
