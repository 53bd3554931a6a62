"""Markdown, text, records and exchanges: what is told survives, what is for some is never given to all."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.documents import Document, Section
from knowledge.errors import UnreadableError
from knowledge.reading import read
from knowledge.sources._fields import names
from knowledge.sources._marks import plain
from knowledge.sources.base import SourceFile

Told = list[tuple[str, str]]


def opened(tmp_path: Path, name: str, text: str) -> tuple[list[Document], Told]:
    told: Told = []
    (tmp_path / name).write_bytes(text.encode())
    file = SourceFile(name=name, path=tmp_path / name, skip=lambda place, problem: told.append((place, problem)))
    return list(read(file)), told


def only(tmp_path: Path, name: str, text: str) -> Document:
    (document,), told = opened(tmp_path, name, text)
    assert told == []
    return document


def texts(document: Document) -> list[tuple[tuple[str, ...], str]]:
    return [(section.path, " ".join(section.text.split())) for section in document.sections]


def lines_of(section: Section) -> dict[str, int]:
    """Every line of a section, and its number in the file as one would count it."""
    return {line: section.line + number for number, line in enumerate(section.text.split("\n")) if line}


PAGE = """---
title: "The keeper: a life"
aliases: [Mara, 'the keeper', 守灯人]  # as in the play
tags:
  - person
url: https://saltmere.example/mara
---
Known on the whole coast.

# Mara *Vell*
She keeps the light.

## Childhood ##
Born in [Saltmere](http://saltmere.example/(old)).
<!-- the table knows
nothing of this -->
### Tobin
Her [[Tobin Reed|brother]].

The storm
---------
It broke in ![a wave](wave.png) the year 71.
"""


def test_headings_make_a_path(tmp_path: Path) -> None:
    page = only(tmp_path, "mara.md", PAGE)
    assert (page.title, page.source, page.place) == ("Mara Vell", "mara.md", "")
    assert texts(page) == [
        ((), "Known on the whole coast."),
        ((), "She keeps the light."),
        (("Childhood",), "Born in Saltmere."),
        (("Childhood", "Tobin"), "Her brother."),
        (("The storm",), "It broke in the year 71."),
    ]


def test_front_matter_tells_of_a_page(tmp_path: Path) -> None:
    page = only(tmp_path, "mara.md", PAGE)
    assert page.aliases == ("Mara", "the keeper", "守灯人")
    assert (page.url, page.audience) == ("https://saltmere.example/mara", None)
    assert only(tmp_path, "a.md", "---\ntitle: 'It''s lit'\n---\nText").title == "It's lit"
    assert only(tmp_path, "the_old-light.md", "Text").title == "the old light"


@pytest.mark.parametrize(
    ("written", "audience"),
    [
        ("mara", ("mara",)),
        ("mara, tobin", ("mara", "tobin")),
        ("玛拉、托宾，安吉拉", ("玛拉", "托宾", "安吉拉")),
        ("[mara, 'Tobin Reed']", ("mara", "Tobin Reed")),
        ('"mara, the keeper"  # nobody else', ("mara", "the keeper")),
        ("[\"Vell, Mara\", 'x'] # nobody else", ("Vell, Mara", "x")),
        ("\n  - mara\n  - tobin", ("mara", "tobin")),
        ("\n- mara", ("mara",)),
    ],
)
@pytest.mark.parametrize("name", ["secret.md", "secret.txt"])
def test_secret_page_names_its_audience(tmp_path: Path, name: str, written: str, audience: tuple[str, ...]) -> None:
    page = only(tmp_path, name, f"\n---\nAudience: {written}\n---\nThe lamp oil is gone.")
    assert page.audience == audience
    assert texts(page) == [((), "The lamp oil is gone.")]


@pytest.mark.parametrize(
    "front",
    [
        "audience:\n---\n",
        "audience: []\n---\n",
        "audience: [mara\n---\n",
        "audience：mara\n---\n",
        "audience: mara\naudience: tobin\n---\n",
        "audience: &who mara\n---\n",
        "audience: >\n  mara\n---\n",
        "audience: mara\nodd line\n---\n",
        'audience: "mara\n---\n',
        "audience: mara\n\nThe end was forgotten.\n",
    ],
)
@pytest.mark.parametrize("name", ["secret.md", "secret.txt"])
def test_unclear_audience_hides_the_page(tmp_path: Path, name: str, front: str) -> None:
    with pytest.raises(UnreadableError, match=r"secret\.(md|txt).*audience.*nobody is shown"):
        opened(tmp_path, name, f"---\n{front}The lamp oil is gone.")


def test_broken_front_matter_is_text(tmp_path: Path) -> None:
    (page,), told = opened(tmp_path, "a.md", "---\ntitle: The light\nit stands on a rock\n---\n# Light\nText")
    assert told == [("line 1", "the front matter is taken for text: line 3 is not `key: value`")]
    assert "it stands on a rock" in "".join(section.text for section in page.sections)
    (page,), told = opened(tmp_path, "b.md", "---\nNo front matter, just a line above.\n")
    assert (told, texts(page)) == ([], [((), "No front matter, just a line above.")])


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("**bold *and* more** ***all*** __under__ _it_", "bold and more all under it"),
        ("snake_case_name 2 * 3 * 4 and 5*", "snake_case_name 2 * 3 * 4 and 5*"),
        ("[a](http://x.y/(z)) [b][ref] [c][] [d]", "a b c [d]"),
        ("[[Mara]] [[Mara Vell|the keeper]] ![[map.png]]", "Mara the keeper"),
        ("![alt](a.png)![alt][ref]after", "after"),
        ("`*args` ``a`b`` \\*kept\\* \\[[x]]", "*args a`b *kept* [[x]]"),
        ("a<br>b <b class='x'>c</b> 3 < 4 > 2 &amp; &lt;d&gt;", "a b c 3 < 4 > 2 & <d>"),
        ("~~gone~~ ==lit== a == b note[^1] <https://x.y/z>", "gone lit a == b note https://x.y/z"),
        ("灯塔**很高**，_没有_。", "灯塔很高，没有。"),
    ],
)
def test_marks_become_plain_text(line: str, expected: str) -> None:
    assert plain(line).strip() == expected


@given(st.text(alphabet="ab *_`~=\\!灯", max_size=60))
def test_words_outlive_any_marks(line: str) -> None:
    assert [char for char in plain(line) if char.isalpha()] == [char for char in line if char.isalpha()]


def test_blocks_keep_their_words(tmp_path: Path) -> None:
    text = """> quoted
> > twice

* one
+ [x] two
  - three
1. four

| Name | Steps |
|:-----|------:|
| [[Old\\|Tower]] | 142 |
| b \\| c | 118 |

```python
# no *heading*
<!-- kept -->
```
***
[ref]: http://x.y
"""
    page = only(tmp_path, "a.md", text)
    rows = [line for line in page.sections[0].text.split("\n") if line]
    assert rows[:6] == ["quoted", "twice", "- one", "- two", "  - three", "1. four"]
    assert rows[6:] == ["Name | Steps", "Tower | 142", "b | c | 118", "# no *heading*", "<!-- kept -->"]
    assert "Name | Steps\nTower | 142" in page.sections[0].text


@pytest.mark.parametrize("name", ["a.md", "a.txt"])
def test_lines_can_be_counted(tmp_path: Path, name: str) -> None:
    wrapped = (
        "She keeps the light as her mother did before her, and has never once\nlet it go out in all these years.\n"
    )
    head = "Saltmere\n\nChapter 1\n" if name == "a.txt" else "<!--\n-->\n# Saltmere\n"
    text = f"{head}\n{wrapped * 3}\n\x0cA line.\n\n{wrapped}\nLast.\n"
    written = text.replace("\x0c", "").split("\n")
    (section,) = only(tmp_path, name, text).sections
    counted = lines_of(section)
    assert {line.strip() for line in counted} >= {"A line.", "Last."}
    assert all(written[number - 1].split()[:3] == line.split()[:3] for line, number in counted.items())


def test_unending_comment_is_told(tmp_path: Path) -> None:
    (page,), told = opened(tmp_path, "a.md", "Seen.\n<!-- from here\nnothing\n\n# is seen")
    assert texts(page) == [((), "Seen.")]
    assert [place for place, _ in told] == ["line 2"]


def test_wrapped_lines_are_joined(tmp_path: Path) -> None:
    prose = """The light at Saltmere has stood on its rock for one hundred and forty
two years, and nobody who lives in the town can say who built it or what
was paid for it, though the old people like to tell of a well-
known smuggler.

A verse is short
and keeps its lines.

- a list that is long enough to fill the whole of this line to its end
- stays a list

灯塔在岩石上已经矗立了一百四十二年，没有人记得是谁建造的，也没有人知道花了多少钱，老人们喜欢讲一个走私者
的故事。
"""
    paragraphs = [part for part in only(tmp_path, "a.txt", prose).sections[0].text.split("\n\n") if part.strip()]
    assert paragraphs[0].endswith(
        "who built it or what was paid for it, though the old people like to tell of a well-known smuggler."
    )
    assert "\n".join(paragraphs).count("\n- ") == 2
    assert "A verse is short\nand keeps its lines." in "\n\n".join(paragraphs)


@pytest.mark.parametrize(
    ("first", "title"),
    [
        ("海上灯塔\n\n", "海上灯塔"),
        ("《海上灯塔》\n\n", "海上灯塔"),
        ("The Light at Saltmere\n\n", "The Light at Saltmere"),
        ("It stood.\n\n", "my notes"),
        ("Two lines\ntogether\n\n", "my notes"),
        ("第一章 风雪夜\n\n", "my notes"),
        ("x" * 61 + "\n\n", "my notes"),
        ("灯" * 31 + "\n\n", "my notes"),
    ],
)
def test_short_first_line_is_title(tmp_path: Path, first: str, title: str) -> None:
    page = only(tmp_path, "my_notes.txt", f"{first}The rest of it.")
    assert page.title == title
    said = "".join(" ".join(section.path) + section.text for section in page.sections) + page.title
    assert first.strip("《》\n") in said


def test_lonely_line_is_no_title(tmp_path: Path) -> None:
    assert texts(only(tmp_path, "a.txt", "Mara keeps the light\n")) == [((), "Mara keeps the light")]


def test_chinese_chapters_open_sections(tmp_path: Path) -> None:
    novel = """第一卷 起
第一章 风雪夜
　　风很大。第二章说的是别的事。
第二回合开始了，他们打了起来。
第二章：你是谁？
　　他没有回答。
第十二回　王婆说风情
　　且说……
第三章他来了。
第２卷
第一百零三节 尾
　　完。
番外
　　再见。
"""
    assert texts(only(tmp_path, "a.txt", novel)) == [
        (("第一卷 起", "第一章 风雪夜"), "风很大。第二章说的是别的事。 第二回合开始了，他们打了起来。"),
        (("第一卷 起", "第二章：你是谁？"), "他没有回答。"),
        (("第一卷 起", "第十二回 王婆说风情"), "且说…… 第三章他来了。"),
        (("第２卷", "第一百零三节 尾"), "完。"),
        (("第２卷", "番外"), "再见。"),
    ]


def test_english_chapters_open_sections(tmp_path: Path) -> None:
    novel = """PART ONE

CHAPTER I.
The keeper wakes.

Chapter 2: The Storm

It broke. She read
Chapter 3 aloud.

Chapter 3 was her favourite.

Chapter Twenty-One The End

Scene 2

Over.

Epilogue

Gone.
"""
    assert texts(only(tmp_path, "a.txt", novel)) == [
        (("PART ONE", "CHAPTER I."), "The keeper wakes."),
        (("PART ONE", "Chapter 2: The Storm"), "It broke. She read Chapter 3 aloud. Chapter 3 was her favourite."),
        (("PART ONE", "Chapter Twenty-One The End", "Scene 2"), "Over."),
        (("PART ONE", "Epilogue"), "Gone."),
    ]


def test_records_keep_what_they_say(tmp_path: Path) -> None:
    rows = [
        {"text": "It has 142 steps.", "title": "Tower", "id": 3, "url": "https://x.y", "aliases": "Old one，light"},
        {"_id": "q1", "heading": "", "name": "Tobin", "body": "A boy.", "url": "javascript:x", "aliases": [1]},
        {"context": "Plain.", "audience": ["mara"]},
        {"content": "Hidden.", "Audience": "mara、tobin"},
        "A text alone.",
    ]
    expected = [
        ("Tower", "3", "It has 142 steps.", "https://x.y", ("Old one", "light"), None),
        ("Tobin", "q1", "A boy.", "", (), None),
        ("my page", "", "Plain.", "", (), ("mara",)),
        ("my page", "", "Hidden.", "", (), ("mara", "tobin")),
        ("my page", "", "A text alone.", "", (), None),
    ]
    jsonl = "\n\n".join(json.dumps(row) for row in rows)
    for name, text, word in (
        ("my_page.jsonl", jsonl, "line"),
        ("my_page.json", json.dumps(rows, indent=1), "record"),
        ("my_page.ndjson", json.dumps(rows), "record"),
    ):
        found, told = opened(tmp_path, name, text)
        got = [(d.title, d.id, d.sections[0].text, d.url, d.aliases, d.audience) for d in found]
        assert (got, told) == (expected, [])
        step = 2 if word == "line" else 1
        assert [d.place for d in found] == [f"{word} {1 + step * number}" for number in range(5)]


BAD = [
    ('{"text": "cut', "it is no JSON"),
    ('{"title": "none"}', "it has no text"),
    ('{"text": ["a"]}', "it has no text"),
    ('{"text": " "}', "it has no text"),
    ("[1]", "neither an object nor a text"),
    ("3", "neither an object nor a text"),
    ('{"text": NaN}', "it is no JSON"),
    ("[" * 100_000, "nested too deeply"),
    ('{"text": "secret", "audience": []}', "nobody is shown it"),
    ('{"text": "secret", "audience": 7}', "nobody is shown it"),
    ('{"text": "secret", "audience": [1]}', "nobody is shown it"),
    ('{"text": "secret", "audience": " , "}', "nobody is shown it"),
]


@pytest.mark.parametrize(("line", "problem"), BAD)
def test_bad_line_costs_only_itself(tmp_path: Path, line: str, problem: str) -> None:
    found, told = opened(tmp_path, "a.jsonl", f'{{"text": "one"}}\n{line}\n{{"text": "two"}}')
    assert [document.sections[0].text for document in found] == ["one", "two"]
    ((place, why),) = told
    assert place == "line 2"
    assert problem in why


def test_bad_record_costs_only_itself(tmp_path: Path) -> None:
    found, told = opened(tmp_path, "a.json", '[{"text": "one"}, 3, {"text": "s", "audience": []}, "two"]')
    assert [document.sections[0].text for document in found] == ["one", "two"]
    assert [place for place, _ in told] == ["record 2", "record 3"]


@pytest.mark.parametrize("text", ['[{"text": "one"}, {"te', "[" * 100_000, '["a"] "b"', "[NaN]"])
def test_broken_list_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UnreadableError, match=r"a\.json: (it is no JSON list|it is nested too deeply)"):
        opened(tmp_path, "a.json", text)


def said(*pairs: tuple[str, str], reply: str, **more: object) -> str:
    return json.dumps({"context": [{"name": name, "text": text} for name, text in pairs], "reply": reply, **more})


def test_exchange_is_sought_by_question_and_reply(tmp_path: Path) -> None:
    rows = [
        said(("Tobin", "Is it lit?"), ("Ada", "Well,\nis it?"), reply="Always.\nMind the step."),
        said(("Tobin", "Where is the oil?"), reply="Gone.", audience="mara"),
    ]
    found, told = opened(tmp_path, "lines.jsonl", "\n".join(rows))
    assert told == []
    assert [(d.title, d.place, d.audience) for d in found] == [
        ("lines", "line 1", None),
        ("lines", "line 2", ("mara",)),
    ]
    assert found[0].sections == (
        Section(
            text="Always. Mind the step.",
            sought="Is it lit?\nWell, is it?\nAlways. Mind the step.",
        ),
    )
    assert found[1].sections[0].sought == "Where is the oil?\nGone."


@pytest.mark.parametrize(
    "row",
    [
        '{"context": [], "reply": "Aye."}',
        '{"context": [{"name": "Tobin"}], "reply": "Aye."}',
        said(("Tobin", " "), reply="Aye."),
        said(("Tobin", "Hm?"), reply=" \n"),
        said(("Tobin", "Hm?"), reply="Aye.", audience=[]),
        '{"context": "text", "reply": "Aye."}',
        '{"context": [{"name": "Tobin", "text": "Hm?"}]}',
        "cut {",
    ],
)
def test_bad_exchange_costs_only_itself(tmp_path: Path, row: str) -> None:
    good = said(("Tobin", "Hm?"), reply="Aye.")
    found, told = opened(tmp_path, "lines.jsonl", f"{good}\n{row}\n{good}")
    assert [document.place for document in found] == ["line 1", "line 3"]
    assert [place for place, _ in told] == ["line 2"]


@pytest.mark.parametrize(
    ("value", "expected"), [("a, b;c，d、 e ", ("a", "b", "c", "d", "e")), (["a, b", "", "a, b"], ("a, b",)), ("", ())]
)
def test_names_stand_between_commas(value: object, expected: tuple[str, ...]) -> None:
    assert names(value) == expected


HOSTILE = {
    "brackets": "[" * 50_000,
    "stars": "**a " * 20_000,
    "underscores": "__a" * 20_000,
    "ticks": "".join("a" + "`" * run for run in range(300)),
    "comments": "<!-- -->" * 20_000,
    "blanks": " " * 50_000 + "x",
    "heading": "# a" + " " * 50_000 + "b",
    "table": "|-" * 30_000 + "x",
    "quotes": "> " * 30_000 + "x",
    "links": "[a](" * 20_000,
    "tags": "<a " * 20_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_markup_comes_to_an_end(tmp_path: Path, name: str) -> None:
    found, _ = opened(tmp_path, "a.md", HOSTILE[name] + "\n\nEnd.")
    assert found[0].sections[-1].text.endswith("End.")


@pytest.mark.parametrize(
    "block",
    [
        "---\nmeta:\n  audience: mara\n---",
        "---\n{audience: mara}\n---",
        " ---\naudience: mara\n ---",
        '+++\naudience = "mara"\n+++',
    ],
)
def test_an_audience_written_otherwise_is_never_overlooked(tmp_path: Path, block: str) -> None:
    (tmp_path / "page.md").write_text(f"{block}\n# The vault\n\nThe code is 7714.\n", "utf-8")
    shown: list[Document] = []
    with suppress(UnreadableError):  # refused, and named
        shown = list(read(SourceFile(name="page.md", path=tmp_path / "page.md")))
    assert all(document.audience == ("mara",) for document in shown)
