"""The score floor: small talk finds nothing, questions keep their passages; also on the bundled wikis."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from knowledge.documents import Document, Passage, Section
from knowledge.embed import open_embedder
from knowledge.indexing.passages import split
from knowledge.language.everyday import is_everyday
from knowledge.searching.floor import Floor
from knowledge.searching.query import Line, query_of
from knowledge.searching.search import search
from tests.bookshelf import Bookshelf

ROOT = Path(__file__).parents[2]
TALK = (ROOT / "benchmarks" / "knowledge" / "small_talk.txt").read_text(encoding="utf-8").splitlines()
QUESTIONS = [
    json.loads(line)
    for line in (ROOT / "benchmarks" / "knowledge" / "questions.jsonl").read_text(encoding="utf-8").splitlines()
]


def wiki(role: str) -> list[Passage]:
    """The passages of a bundled role's wiki."""
    found: list[Passage] = []
    for page in sorted((ROOT / "roles" / role / "wiki").glob("*.md")):
        title, text = page.read_text(encoding="utf-8").split("\n", 1)
        document = Document(source=f"wiki/{page.name}", title=title[2:], sections=(Section(text=text.strip()),))
        found += split(document)
    return found


def passing(line: str, texts: Sequence[str], cosines: Sequence[float | None] = (), rarity: float = 2.0) -> list[bool]:
    passages = [Passage(id=str(row), title="Page", text=text, source="page.md") for row, text in enumerate(texts)]
    known = " ".join(texts).casefold()
    floor = Floor(line, line, lambda term: rarity if term in known else 0.0)
    return floor.passing(list(zip(passages, cosines or [None] * len(texts), strict=True)))


def test_a_telling_word_of_a_question_is_enough() -> None:
    assert passing("Where is the lantern?", ["A lantern hangs on the hook.", "Bread is baked at dawn."]) == [
        True,
        False,
    ]


def test_everyday_words_are_never_enough() -> None:
    assert passing("how are you tonight?", ["Tonight the storm is up."]) == [False]
    assert passing("pass me the bread", ["Bread is baked at dawn; pass the bread on."]) == [False]


def test_an_everyday_word_as_a_name_tells() -> None:
    assert passing("What is the Day made of?", ["The Day is a lens of glass."]) == [True]


def test_a_statement_needs_more_than_a_question() -> None:
    texts = ["A lantern hangs on the hook."]
    assert passing("You are my little lantern", texts) == [False]
    assert passing("They hung a lantern on some hook", texts) == [True]


def test_a_bare_topic_is_a_question() -> None:
    assert passing("lantern", ["A lantern hangs on the hook."]) == [True]
    assert passing("灯塔", ["灯塔有一百四十二级台阶。"]) == [True]


def test_a_topic_must_be_held_whole() -> None:
    assert passing("lantern thief", ["A lantern hangs on the hook.", "A thief took a lantern."]) == [True, True]
    assert passing("lantern thief", ["A lantern hangs on the hook.", "A thief took bread."]) == [False, False]


def test_a_line_without_words_finds_nothing() -> None:
    for line in (":)", "...", "?", ""):
        assert passing(line, ["A lantern hangs on the hook."], [0.3]) == [False]


def test_what_somebody_does_is_no_topic() -> None:
    assert passing("*lifts lantern*", ["A lantern hangs on the hook."]) == [False]


def test_one_chinese_character_is_not_enough() -> None:
    assert passing("你信不信？", ["一封信放在桌上。"]) == [False]
    assert passing("那封密信在哪里？", ["密信放在桌上。"]) == [True]


def test_nearness_alone_is_enough_for_a_question() -> None:
    assert passing("Where would somebody conceal contraband?", ["A cave under the cliff."], [0.45]) == [True]
    assert passing("Where would somebody conceal contraband?", ["A cave under the cliff."], [0.10]) == [False]


def test_nearness_of_idle_words_must_be_great() -> None:
    assert passing("what time is it?", ["The hours of the storm."], [0.34]) == [False]


def test_nothing_found_passes_nothing() -> None:
    assert passing("Where is the lantern?", []) == []


def test_everyday_words_are_known_as_stems() -> None:
    assert is_everyday("hungri")
    assert is_everyday("今天")
    assert not is_everyday("lantern")


@pytest.mark.parametrize("role", ["mara", "tobin", "ilse", "narrator"])
def test_small_talk_finds_no_words(role: str) -> None:
    shelf = Bookshelf(wiki(role))
    told = [line for line in TALK if search([shelf], query_of([Line(text=line)]), None)]
    assert len(told) <= 0.05 * len(TALK), told


def test_small_talk_finds_no_meaning_either() -> None:
    embedder = open_embedder("minilm")
    assert embedder is not None
    shelf = Bookshelf(wiki("mara"), embedder)
    told = [line for line in TALK[::9] if search([shelf], query_of([Line(text=line)]), embedder)]
    assert len(told) <= 0.05 * len(TALK[::9]), told
    asked = [row for row in QUESTIONS if row["role"] == "mara"][::3]
    assert sum(is_answered(shelf, row) for row in asked) >= 0.9 * len(asked)


def is_answered(shelf: Bookshelf, row: dict[str, list[str]]) -> bool:
    said = (line.split(": ", 1) for line in row["lines"])
    query = query_of([Line(name=name, text=text) for name, text in said])
    return any(hit.passage.source in row["pages"] for hit in search([shelf], query, shelf.embedder))
