"""Copies are told from facts that look alike."""

import random

import pytest

from knowledge.indexing.duplicates import NearDuplicates

PAGE = (
    "The Saltmere light stands on the high west end of the island, above the village of Underlight. The tower is one"
    " hundred and twelve years old and was built by masons from the mainland, who came in open boats and stayed for a"
    " whole summer. It has 142 steps from the door to the lamp room. The third step is loose and always comes loose"
    " again, so the keeper tells everybody to mind it. In a storm the tower moves a little, and that is normal."
)
CHINESE = "盐湾灯塔立在岛的西头，高过村子。塔里有142级台阶，第三级是松的，守塔人总要提醒大家小心。" * 2


def same(one: str, other: str, title: str = "", second: str | None = None) -> bool:
    seen = NearDuplicates()
    assert seen.is_new(one, title=title)
    return not seen.is_new(other, title=title if second is None else second)


@pytest.mark.parametrize(
    "other",
    [
        PAGE.upper(),
        PAGE.replace(",", " –").replace(". ", ".\n\n"),
        PAGE.replace("Saltmere", "Ｓａｌｔｍｅｒｅ"),
        PAGE.replace("everybody", "everyone"),
        PAGE.replace("always comes loose", "alwais comes loose"),
        PAGE.replace("a whole summer", "a summer"),
    ],
)
def test_a_copy_with_small_differences_is_not_new(other: str) -> None:
    assert same(PAGE, other, "The light")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("142", "118"),
        ("Saltmere", "Anner"),
        ("hundred and twelve", "hundred and twenty"),
        ("The third step", "The second step"),
        ("high west end", "high east end"),
        ("that is normal", "that is not normal"),
        ("142 steps", "-142 steps"),
    ],
)
def test_a_page_with_another_fact_is_new(old: str, new: str) -> None:
    assert old in PAGE
    assert not same(PAGE, PAGE.replace(old, new), "The light")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Tower A has 142 steps.", "Tower B has 118 steps."),
        ("Rarity: ★★★", "Rarity: ★★★★"),
        ("It heals 5% of burns.", "It heals 5 of burns."),
        ("It costs $5.", "It costs €5."),
        ("The lamp gives warm light.", "The lamp gives cold light."),
        ("Mara told Tobin.", "Tobin told Mara."),
        (CHINESE, CHINESE.replace("142", "118")),
        (CHINESE, CHINESE.replace("盐湾", "安纳")),
        (CHINESE, CHINESE.replace("是松的", "不松")),
    ],
)
def test_statements_that_look_alike_are_two(one: str, other: str) -> None:
    assert not same(one, other)


def test_a_chinese_copy_with_other_marks_is_not_new() -> None:
    assert same(CHINESE, CHINESE.replace("，", "、").replace("。", "！ "))


def test_a_short_text_under_another_title_is_new() -> None:
    assert not same("It has 142 steps.", "It has 142 steps.", "Tower A", "Tower B")
    assert same("It has 142 steps.", "it has 142 steps", "Tower A", "tower a")


def test_a_long_copy_under_another_title_is_not_new() -> None:
    assert same(PAGE, PAGE + "\n", "The light", "The light (copy)")
    assert not same(PAGE, PAGE.replace("everybody", "everyone"), "The light", "Another light")


def test_what_others_may_see_is_another_text() -> None:
    seen = NearDuplicates()
    assert seen.is_new(PAGE, audience=("mara",))
    assert seen.is_new(PAGE)
    assert not seen.is_new(PAGE, audience=("mara",))


def test_a_thousand_templated_facts_are_kept() -> None:
    rng = random.Random(4)
    names = ["".join(rng.choices("aeioulmnrst", k=6)).capitalize() for _ in range(1000)]
    facts = [
        f"{name} is one of the towers that the masons of the mainland built in the old days for the Harbour Office, and"
        f" like all of them it stands on a rock, has a lamp, a keeper and a bell, and is painted white. It has"
        f" {100 + number % 90} steps, and its keeper, who lives in the house at the foot of the tower, is called"
        f" {names[(number * 7 + 3) % 1000]}."
        for number, name in enumerate(names)
    ]
    seen = NearDuplicates()
    assert all(seen.is_new(fact) for fact in facts)
    assert not any(seen.is_new(fact) for fact in facts)
