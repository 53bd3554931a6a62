"""Which entries of a lorebook come to mind, and which must not."""

from collections.abc import Mapping
from typing import Any

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from knowledge.documents import Rule
from knowledge.lorebooks.key_patterns import compiled, is_regex
from knowledge.lorebooks.key_search import MOST_SLOW
from knowledge.lorebooks.keys import MOST_ROUNDS, Awake, Keys

WORDS = st.sampled_from(["lamp", "sea", "Mara", "灯塔", "harbour"])


def awake(rules: Mapping[int, Rule], *lines: str, texts: Mapping[int, str] | None = None, **options: Any) -> Awake:
    return Keys(rules, (texts or {}).__getitem__ if texts else lambda row: "").awake(lines, **options)


def rule(*keys: str, **options: Any) -> Rule:
    return Rule(keys=keys, **options)


def is_up(entry: Rule, *lines: str) -> bool:
    return awake({0: entry}, *lines).rows == (0,)


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("lamp", "Ann: is the LAMP lit?"),
        ("Ｌamp", "the ｌａｍｐ"),
        ("old   lamp", "an old lamp"),
        ("straße", "in der STRASSE"),
        ("灯塔", "今晚灯塔亮了吗"),
        ("ﾏﾗ", "マラは"),
        ("é", "caf\u0065\u0301"),
    ],
)
def test_a_key_is_found_whatever_its_form(key: str, line: str) -> None:
    assert is_up(rule(key), line)


@pytest.mark.parametrize(
    ("logic", "said", "expected"),
    [
        ("and_any", "lamp oil", True),
        ("and_any", "lamp", False),
        ("and_all", "lamp oil wick", True),
        ("and_all", "lamp oil", False),
        ("not_any", "lamp", True),
        ("not_any", "lamp oil", False),
        ("not_all", "lamp oil", True),
        ("not_all", "lamp oil wick", False),
    ],
)
def test_secondary_keys_decide_by_their_logic(logic: str, said: str, expected: bool) -> None:
    found = awake({7: rule("lamp", secondary=("oil", "wick"), logic=logic)}, said)
    assert (found.rows == (7,)) is expected
    assert found.barred == (frozenset() if expected else {7})


def test_secondary_keys_alone_raise_nothing() -> None:
    found = awake({7: rule("lamp", secondary=("oil",))}, "oil on the water")
    assert (found.rows, found.barred) == ((), frozenset())


def test_constant_entries_come_without_keys() -> None:
    found = awake({1: rule("lamp"), 2: rule(constant=True)}, "the lamp")
    assert found.why == {1: "key", 2: "constant"}


def test_rows_stand_in_the_lorebooks_order() -> None:
    rules = {
        1: rule("lamp", order=5),
        2: rule(constant=True, order=9),
        3: rule("lamp", order=-1),
        4: rule("lamp", order=5),
    }
    assert awake(rules, "lamp").rows == (3, 1, 4, 2)


def test_only_the_latest_lines_are_heard() -> None:
    lines = ["the lamp", "one", "two", "three", "four"]
    assert not is_up(rule("lamp"), *lines)
    assert is_up(rule("lamp", depth=5), *lines)
    assert awake({0: rule("lamp")}, *lines, depth=9).rows == (0,)


def test_a_key_never_spans_two_lines() -> None:
    assert not is_up(rule("old lamp"), "so old", "lamp")


@pytest.mark.parametrize(
    ("key", "line", "expected"),
    [
        ("art", "a work of art.", True),
        ("art", "the start of it", False),
        ("art", "start, then art", True),
        ("art", "arts", False),
        ("Mara Vell", "ask Mara Vell's sister", True),
        ("安吉拉", "我喜欢安吉拉的灯", True),
        ("Mara", "我喜欢Mara的灯", True),
        ("(art)", "the (art)ist", True),
    ],
)
def test_whole_words_end_where_letters_end(key: str, line: str, expected: bool) -> None:
    assert is_up(rule(key, whole_words=True), line) is expected


def test_a_whole_word_may_end_the_text() -> None:
    rules = {0: rule("lamp", whole_words=True), 1: rule("lamplight", whole_words=True)}
    assert awake(rules, "a lamp").rows == (0,)


def test_a_boundless_key_is_passed_over() -> None:
    assert not is_up(rule("x" * 3_000), "x" * 4_000)
    assert not is_up(rule(f"/{'x' * 3_000}/"), "x" * 4_000)


def test_case_counts_only_where_asked() -> None:
    assert is_up(rule("Rose", case_sensitive=True), "her name is Ｒose")
    assert is_up(rule("Rose", case_sensitive=True), "her name is Rose")
    assert not is_up(rule("Rose", case_sensitive=True), "a rose")


def test_rules_may_share_a_key_and_differ() -> None:
    rules = {0: rule("Rose", case_sensitive=True), 1: rule("Rose"), 2: rule("rose", whole_words=True)}
    assert awake(rules, "roses").rows == (1,)
    assert awake(rules, "Rose").rows == (0, 1, 2)


@pytest.mark.parametrize(
    ("key", "line", "expected"),
    [
        (r"/\blamps?\b/", "two lamps", True),
        (r"/\blamps?\b/", "two Lamps", False),
        (r"/\blamps?\b/i", "two Lamps", True),
        (r"/lit.*dark/s", "lit dark", True),
        (r"/^Ann:/m", "Tobin: no", False),
        (r"/(?<who>Mara) and \k<who>/u", "Mara and Mara", True),
        (r"/\u706f\u{5854}/u", "灯塔", True),
        (r"/\ud83d\ude00/", "hi 😀", True),
        (r"/\p{Script=Han}{2}/u", "an 灯塔", True),
        (r"/\bMara\b/", "我喜欢Mara的灯", True),
        (r"/[\w-]+\/sea/", "lamp/sea", True),
        (r"/^[^]$/", "x", True),
        (r"/a{b}/", "a{b}", True),
        (r"/lamp{e}/", "lamps", False),
        (r"/[[:x]/", "a [ there", True),
        (r"/\d/", "٣", False),
        ("/^[[:alpha:]]$/", "a]", True),
        ("/^[[:alpha:]]$/", "z", False),
        ("/café/", "cafe\u0301", True),
        ("/lamp", "use /lamp now", True),
        ("and/or", "oil and/or wick", True),
        ("/a/b/", "in /a/b/ there", True),
    ],
)
def test_regex_keys_read_as_in_javascript(key: str, line: str, expected: bool) -> None:
    assert is_up(rule(key), line) is expected


@pytest.mark.parametrize(
    "key",
    ["/(/", "/[a/", r"/\p{Foo}/", "/(?R)/", "/(?P<a>b)/", "/(*FAIL)/", pytest.param("/" + "(" * 900 + "/", id="deep")],
)
def test_broken_regex_keys_are_refused(key: str) -> None:
    assert is_regex(key)
    with pytest.raises(ValueError, match=r"\w"):
        compiled(key)
    assert awake({0: rule(key, "lamp")}, "lamp").rows == (0,)


@given(st.text("ab{}[]()\\?*+<>^$.|-:=!0123456789ukpxcdwsk,&~", min_size=1, max_size=30))
def test_any_regex_key_compiles_or_is_refused(source: str) -> None:
    key = f"/{source}/"
    if is_regex(key):
        try:
            pattern = compiled(key)
        except ValueError:
            return
        assert isinstance(pattern, regex.Pattern)


def test_a_dollar_means_the_end_of_all() -> None:
    assert not is_up(rule("/lit$/"), "lit", "dark")
    assert not is_up(rule("/lit$/"), "lit", "")
    assert is_up(rule("/lit$/m"), "lit", "dark")


def test_runaway_regexes_stop_only_themselves() -> None:
    runaways = {row: rule(f"/(x+x+)+{row}/") for row in range(MOST_SLOW)}
    keys = Keys({**runaways, 7: rule("lamp"), 8: rule("/lamp/")}, lambda row: "")
    line = "x" * 5_000 + " lamp"
    assert keys.awake([line]).rows == (7,)
    assert keys.awake([line]).rows == (7, 8)


def test_texts_of_entries_raise_other_entries() -> None:
    rules = {0: rule("lamp"), 1: rule("keeper", recursive=True), 2: rule("keeper")}
    assert awake(rules, "lamp", texts={0: "The keeper lights it.", 1: "", 2: ""}).rows == (0, 1)


def test_constant_texts_raise_others_too() -> None:
    rules = {0: rule(constant=True), 1: rule("keeper", recursive=True)}
    assert awake(rules, texts={0: "The keeper.", 1: ""}).rows == (0, 1)


@pytest.mark.parametrize("flags", [({"silent": True}, {}), ({}, {"excluded": True})])
def test_silent_and_excluded_entries_stop_recursion(flags: tuple[dict[str, bool], dict[str, bool]]) -> None:
    rules = {0: rule("lamp", **flags[0]), 1: rule("keeper", recursive=True, **flags[1])}
    assert awake(rules, "lamp", texts={0: "The keeper.", 1: ""}).rows == (0,)


def test_delayed_entries_wait_for_another() -> None:
    rules = {0: rule("lamp"), 1: rule("keeper", recursive=True, delayed=True)}
    alone = awake(rules, "the keeper", texts={0: "The keeper.", 1: ""})
    raised = awake(rules, "the lamp", texts={0: "The keeper.", 1: ""})
    assert (alone.rows, alone.barred) == ((), {1})
    assert (raised.rows, raised.barred) == ((0, 1), frozenset())


def test_recursion_ends_after_a_few_rounds() -> None:
    texts = {row: f"then step{row + 1}." for row in range(10)}
    rules = {row: rule(f"step{row}.", recursive=True) for row in range(10)}
    assert awake(rules, "step0.", texts=texts).rows == tuple(range(MOST_ROUNDS + 1))


def test_entries_that_name_each_other_come_once() -> None:
    rules = {0: rule("lamp", recursive=True), 1: rule("keeper", recursive=True)}
    assert awake(rules, "lamp", texts={0: "keeper", 1: "lamp"}).rows == (0, 1)


def test_what_a_text_adds_may_lift_a_bar() -> None:
    rules = {0: rule("lamp"), 1: rule("lamp", secondary=("keeper",), recursive=True)}
    found = awake(rules, "lamp", texts={0: "the keeper", 1: ""})
    assert (found.rows, found.barred) == ((0, 1), frozenset())


def test_hidden_entries_betray_themselves_nowhere() -> None:
    rules = {0: rule("lamp"), 1: rule("keeper", recursive=True), 2: rule(constant=True)}
    found = awake(rules, "lamp", texts={0: "the keeper", 1: "", 2: "the keeper"}, hidden=frozenset({0, 2}))
    assert found.rows == ()


def test_no_lines_and_no_rules_are_fine() -> None:
    assert awake({}).rows == awake({}, "lamp").rows == awake({0: rule("lamp"), 1: rule()}).rows == ()


@given(
    st.dictionaries(
        st.integers(0, 20),
        st.builds(
            Rule,
            keys=st.lists(WORDS, max_size=3).map(tuple),
            secondary=st.lists(WORDS, max_size=2).map(tuple),
            logic=st.sampled_from(["and_any", "not_all", "not_any", "and_all"]),
            constant=st.booleans(),
            recursive=st.booleans(),
            silent=st.booleans(),
            delayed=st.booleans(),
            depth=st.integers(0, 3),
        ),
    ),
    st.lists(st.lists(WORDS, max_size=3).map(" ".join), max_size=5),
)
def test_what_is_up_is_never_barred(rules: dict[int, Rule], lines: list[str]) -> None:
    found = awake(rules, *lines, texts=dict.fromkeys(rules, "the lamp of Mara"))
    assert set(found.rows) == set(found.why)
    assert not found.barred & set(found.rows)
    assert {row for row, entry in rules.items() if entry.constant} <= set(found.rows)
    assert all(rules[row].keys for row in found.rows if found.why[row] == "key")
    assert found == awake(rules, *lines, texts=dict.fromkeys(rules, "the lamp of Mara"))


@given(st.lists(WORDS, min_size=1, max_size=6), st.lists(WORDS, min_size=1, max_size=6))
def test_plain_keys_are_found_like_substrings(keys: list[str], said: list[str]) -> None:
    line = "x".join(said)
    expected = tuple(row for row, key in enumerate(keys) if key.casefold() in line.casefold())
    assert awake({row: rule(key) for row, key in enumerate(keys)}, line).rows == expected
