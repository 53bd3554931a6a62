"""A small base leans on the examples in its prompt: it follows them, leaves them, and never runs in circles."""

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
    assert follow(Leading([[5, 6, 7, END], [8, 9, END]], 3.0)) == [5, 6, 7, END]


def test_later_examples_count_less() -> None:
    assert Leading([[5, END], [8, END], [5, 9]], 3.0).next() == {5: 3.0, 8: 3.0 * LATER}


def test_another_word_leaves_the_example() -> None:
    leading = Leading([[5, 6, 7, END]], 3.0)
    leading.said(5)
    leading.said(4)
    assert not leading.next()


def test_two_common_words_lead_back() -> None:
    leading = Leading([[5, 6, 7, 8, END]], 3.0)
    for token in (4, 6, 7):
        leading.said(token)
    assert leading.next() == {8: 3.0}


def test_no_place_is_followed_twice() -> None:
    assert len(follow(Leading([[5, 6, 5, 6, 5, 6, 9]], 3.0), most=100)) <= 7


def test_without_strength_nothing_leads() -> None:
    assert not Leading([[5, 6]], 0.0).next()
    assert not Leading([], 3.0).next()


def sampled(lean: float, logits: list[float]) -> list[int]:
    sampler = Sampler(
        Sampling(temperature=0, lean=lean, repetition_penalty=1),
        heard=(),
        exempt=(END,),
        banned=(),
        vocabulary=len(logits),
        leads=[[2, 3, END]],
    )
    return [sampler.pick(torch.tensor(logits)) for _ in range(3)]


def test_a_model_that_objects_is_heard() -> None:
    mild, sure = [0.0, 2.0, 0.0, 0.0], [0.0, 9.0, 0.0, 0.0]
    assert sampled(3.0, mild) == [2, 3, END]
    assert sampled(3.0, sure) == [1, 1, 1]
    assert sampled(0.0, mild) == [1, 1, 1]
