"""Documents become passages that fit, say where they are from, and lose nothing."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.documents import Document, Passage, Rule, Section
from knowledge.indexing.passages import Size, estimate, split

SMALL = Size(target=20, most=30)
SENTENCE = "The keeper carries oil up the stairs. "  # 9 tokens
TEXT = st.text(alphabet="ab灯。. ,，\n\t\u3000-—é’1", max_size=400)


def page(*sections: Section | str, **fields: object) -> Document:
    texts = tuple(Section(text=one) if isinstance(one, str) else one for one in sections)
    return Document(**{"source": "wiki/light.md", "title": "The light", "sections": texts, **fields})


def passages(*sections: Section | str, size: Size = SMALL, **fields: object) -> list[Passage]:
    return list(split(page(*sections, **fields), size=size))


def letters(text: str) -> str:
    return re.sub(r"\s", "", text)


def words(text: str) -> int:
    return len(text.split())


@given(st.lists(TEXT, max_size=4), st.integers(1, 12), st.integers(0, 12))
def test_nothing_is_lost_and_all_fits(texts: list[str], target: int, more: int) -> None:
    size = Size(target=target, most=target + more)
    sections = [Section(path=(), text=text) for text in texts]
    found = list(split(page(*sections), size=size))
    assert letters("".join(one.text for one in found)) == letters("".join(texts))
    assert all(one.text.strip() and (estimate(one.text) <= size.most or len(one.text) == 1) for one in found)
    assert [one.order for one in found] == list(range(len(found)))


def test_a_short_page_stays_whole() -> None:
    (only,) = passages("She lit the lamp.\n\nThen she slept.")
    assert only.text == "She lit the lamp.\n\nThen she slept."


def test_a_long_page_is_cut_at_paragraphs() -> None:
    first, second = (SENTENCE * 2).strip(), (SENTENCE * 2).strip()
    assert [one.text for one in passages(f"{first}\n\n{second}")] == [first, second]


def test_a_long_paragraph_is_cut_at_sentences() -> None:
    found = passages(SENTENCE * 8)
    assert [one.text for one in found] == [(SENTENCE * 2).strip()] * 4


def test_a_long_chinese_paragraph_is_cut_at_sentences() -> None:
    found = passages("灯塔在岛的西边。" * 8)
    assert {one.text for one in found} == {"灯塔在岛的西边。" * 2, "灯塔在岛的西边。" * 3}


def test_a_long_sentence_is_cut_at_clauses() -> None:
    clause = "and then she climbed the stairs once more, "
    assert all(one.text.endswith(",") for one in passages(clause * 12)[:-1])


def test_a_text_without_marks_is_cut_at_blanks() -> None:
    found = passages("word " * 100)
    assert all(set(one.text.split()) == {"word"} for one in found)


@pytest.mark.parametrize("char", ["x", "灯", "é"])
def test_a_string_without_blanks_is_cut_anywhere(char: str) -> None:
    found = passages(char * 3000)
    assert letters("".join(one.text for one in found)) == char * 3000
    assert max(estimate(one.text) for one in found) <= SMALL.most


def test_one_unknown_word_is_still_cut() -> None:
    found = list(split(page("x" * 100_000), words, SMALL))  # this tokenizer sees a single word
    assert max(len(one.text) for one in found) <= 400


def test_a_tokenizer_that_counts_more_together_is_obeyed() -> None:
    def count(text: str) -> int:
        return len(text.split()) + 5 * text.count("\n\n")

    found = list(split(page("\n\n".join(["one two three"] * 12)), count, SMALL))
    assert max(count(one.text) for one in found) <= SMALL.most


def test_long_sections_keep_their_headings_apart() -> None:
    found = passages(
        Section(path=("Tower",), text=SENTENCE * 2),
        Section(path=("Tower", "Stairs"), text=SENTENCE * 2),
        Section(path=("House",), text=SENTENCE * 2),
    )
    assert [one.path for one in found] == [("Tower",), ("Tower", "Stairs"), ("House",)]


def test_tiny_sections_beside_each_other_are_told_together() -> None:
    (only,) = passages(
        Section(path=("Facts", "Age"), text="53."),
        Section(path=("Facts", "Cat"), text="- Soot\n- Ash"),
    )
    assert only.path == ("Facts",)
    assert only.text == "Age: 53.\n\nCat:\n- Soot\n- Ash"


def test_a_tiny_section_joins_its_parent() -> None:
    (only,) = passages("The light of the island.", Section(path=("Trivia",), text="It hums."))
    assert (only.path, only.text) == ((), "The light of the island.\n\nTrivia: It hums.")


def test_cousins_are_not_told_together() -> None:
    found = passages(Section(path=("Tower", "Age"), text="112."), Section(path=("House", "Age"), text="90."))
    assert [(one.path, one.text) for one in found] == [(("Tower", "Age"), "112."), (("House", "Age"), "90.")]


def test_a_heading_alone_is_no_passage() -> None:
    found = passages(Section(path=("Empty",), text=" \n"), Section(path=("Full",), text="A line."))
    assert [one.path for one in found] == [("Full",)]
    assert passages("", "\x00\u200b") == []


def test_an_exchange_is_never_cut_or_joined() -> None:
    long = SENTENCE * 20
    found = passages(
        Section(text="Ann: Is it lit?\nMara: It is.", sought="Is it lit?"),
        Section(text=long, sought="Tell me all."),
        Section(text="Ann: Bye.\nMara: Mind the step.", sought="Bye."),
    )
    assert [one.sought for one in found] == ["Is it lit?", "Tell me all.", "Bye."]
    assert found[1].text == long.strip()


def test_an_entry_of_a_lorebook_stays_whole_longer() -> None:
    rule = Rule(keys=("oil",))
    assert [one.rule for one in passages(SENTENCE * 6, rule=rule)] == [rule]
    assert [one.rule for one in passages(SENTENCE * 8, rule=rule)] == [rule] * 4


def test_a_passage_says_where_it_is_from() -> None:
    only = passages(
        "A line.", place="page 431", id="77", audience=("mara",), url="https://example.org", aliases=("Eye",)
    )[0]
    assert (only.source, only.place, only.document) == ("wiki/light.md", "page 431", "77")
    assert (only.title, only.audience, only.url, only.aliases) == (
        "The light",
        ("mara",),
        "https://example.org",
        ("Eye",),
    )


@pytest.mark.parametrize(
    ("fields", "document"), [({}, "wiki/light.md"), ({"place": "entry 7"}, "wiki/light.md#entry 7")]
)
def test_a_document_without_id_is_named_by_its_place(fields: dict[str, object], document: str) -> None:
    assert passages("A line.", **fields)[0].document == document


def test_a_place_is_the_line_in_the_file() -> None:
    paragraph = (SENTENCE * 2).strip()
    found = passages(Section(text=f"{paragraph}\n\n\n{paragraph}\n\n{paragraph}\n", line=10))
    assert [one.place for one in found] == ["line 10", "line 13", "line 15"]


def test_a_place_inside_a_paragraph_counts_its_lines() -> None:
    found = passages(Section(text=(SENTENCE + "\n") * 6, line=3))
    assert [one.place for one in found] == ["line 3", "line 5", "line 7"]


def test_the_order_goes_on_from_the_first() -> None:
    assert [one.order for one in split(page(SENTENCE * 6), size=SMALL, first=40)] == [40, 41, 42]


def test_an_id_changes_with_text_and_place() -> None:
    def digest(**fields: object) -> str:
        return passages(Section(text=str(fields.pop("text", "A line.")), path=("Tower",)), **fields)[0].id

    assert re.fullmatch("[0-9a-f]{32}", digest())
    assert digest() == digest(title="Another title")
    assert len({digest(), digest(text="A line!"), digest(place="page 2"), digest(source="b.md")}) == 4


def test_what_cannot_be_seen_is_taken_out() -> None:
    (only,) = passages(
        "\u3000\u3000灯\u200b塔 \u202etxt\x07\ufeff\u00a0 lit.  \r\n\r\n\r\n\r\n  - one\t two \x85\x0cend\ud800"
    )
    assert only.text == "灯塔 txt lit.\n\n  - one two\n\nend"


def test_titles_and_headings_are_one_line() -> None:
    found = passages(Section(path=("A\nB", "\u200b"), text="A line."), title=" The\n light\x00 ")
    assert (found[0].title, found[0].path) == ("The light", ("A B",))


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("", 0, 0),
        (SENTENCE * 10, 80, 100),
        ("灯塔在岛的西边。" * 10, 80, 80),
        ("x" * 1000, 150, 400),
        ("안녕하세요", 5, 5),
    ],
)
def test_an_estimate_is_near_the_tokens(text: str, least: int, most: int) -> None:
    assert least <= estimate(text) <= most
