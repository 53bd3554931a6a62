"""A small base leans on the examples in its prompt: it follows them, leaves them, and never runs in circles."""

import pytest
import torch

from chatroom.engines.transformers_peft.leading import LATER, Leading
from chatroom.engines.transformers_peft.sampling import Sampler
from chatroom.messages import Sampling

END = 0


def follow(leading: Leading, most: int = 20) -> list[int]:
    """The strongest way on, until nothing leads any more."""
    said: list[int] = []
    while (ways := leading.next()) and len(said) < most:
        said.append(max(ways, key=lambda token: ways[token]))
        leading.said(said[-1])
    return said


def test_the_best_example_is_followed_to_its_end() -> None:
    assert follow(Leading([[5, 6, 7, END], [8, 9, END]])) == [5, 6, 7, END]


def test_later_examples_count_less() -> None:
    chances = Leading([[5, END], [8, END], [5, 9]]).next()
    assert chances[5] / chances[8] == pytest.approx((1 + LATER**2) / LATER)
    assert sum(chances.values()) == pytest.approx(1)


def test_another_word_leaves_the_example() -> None:
    leading = Leading([[5, 6, 7, END]])
    leading.said(5)
    leading.said(4)
    assert not leading.next()


def test_two_common_words_lead_back() -> None:
    leading = Leading([[5, 6, 7, 8, END]])
    for token in (4, 6, 7):
        leading.said(token)
    assert leading.next() == {8: 1.0}


def test_no_place_is_followed_twice() -> None:
    assert len(follow(Leading([[5, 6, 5, 6, 5, 6, 9]]), most=100)) <= 7


def test_without_examples_nothing_leads() -> None:
    assert not Leading([]).next()
    assert not Leading([[]]).next()


def sampled(lean: float, logits: list[float], **sampling: float) -> list[int]:
    options = {"temperature": 0.0, "repetition_penalty": 1.0} | sampling
    sampler = Sampler(
        Sampling(lean=lean, **options),
        heard=(),
        exempt=(END,),
        banned=(),
        vocabulary=len(logits),
        leads=[[2, 3, END]],
    )
    return [sampler.pick(torch.tensor(logits)) for _ in range(3)]


@pytest.mark.parametrize("temperature", [0.0, 0.5, 2.0])
def test_a_reply_is_led_as_far_as_told(temperature: float) -> None:
    sure = [0.0, 60.0, 0.0, 0.0]
    assert sampled(0.9, sure, temperature=temperature, top_p=0.9) == [2, 3, END]
    assert sampled(0.3, sure, temperature=temperature, top_p=0.6) == [1, 1, 1]
    assert sampled(0.0, sure, temperature=temperature) == [1, 1, 1]
