"""What choosing examples promises: the one that answers what is asked comes first, by meaning, words and pages."""

import numpy as np
import pytest
from msgspec.structs import replace

from chatroom.librarian.choosing import answered, best_first, joined
from knowledge.documents import Hit, Passage


def hit(line: str, reply: str, dense: float | None = 0.5) -> Hit:
    passage = Passage(id=reply, text=reply, title="lines", source="lines.jsonl", place="1", sought=f"{line}\n{reply}")
    return Hit(passage=passage, score=1.0, dense=dense, words=None)


def even(_: str) -> float:
    return 1.0


def first(hits: list[Hit], question: str, passages: list[str]) -> str:
    return best_first(hits, [question], passages, even)[0].passage.text


def test_the_line_before_a_reply_is_answered() -> None:
    assert answered(hit("Who lit it?\nAnd when?", "At six.")) == "And when?"


def test_the_nearest_exchange_comes_first() -> None:
    assert first([hit("Hello?", "Hello.", 0.2), hit("Hi!", "Hi.", 0.8)], "hey", []) == "Hi."


def test_an_exchange_with_the_words_asked_wins() -> None:
    hits = [hit("Who keeps the lamp?", "I do."), hit("How much oil does the lamp burn?", "Four gallons.")]
    assert first(hits, "how much oil", []) == "Four gallons."


def test_a_reply_that_pages_bear_out_wins() -> None:
    hits = [hit("How high is it?", "As high as a bird."), hit("How high is it?", "A hundred steps.")]
    assert first(hits, "how high", ["The tower: It has a hundred steps."]) == "A hundred steps."


def test_a_line_like_the_one_asked_wins() -> None:
    hits = [hit("I look.", "You see a door."), hit("I listen.", "You hear the sea.")]
    vectors = np.array([[0.0, 1.0], [1.0, 0.0]], np.float32)
    best = best_first(hits, ["what is there"], [], even, (np.array([[1.0, 0.0]], np.float32), vectors))
    assert best[0].passage.text == "You hear the sea."


def test_a_reply_of_one_common_word_is_not_borne_out() -> None:
    hits = [hit("Who is he?", "A keeper."), hit("Who is he?", "A keeper of the light on the western rock.", 0.55)]
    pages = ["The light: Its keeper lives on the western rock."]
    assert best_first(hits, ["who"], pages, lambda word: 3.0)[0] is hits[1]


def test_equals_keep_their_order_without_embedder() -> None:
    hits = [hit("灯亮吗？", "亮。", None), hit("船呢？", "在。", None)]
    assert best_first(hits, [""], [], even) == hits


def test_what_is_asked_alone_counts_beside_its_context() -> None:
    cow, boat = hit("The cow?", "She swam home."), hit("What is the boat called?", "The Second Wife.")
    leaning = [replace(cow, dense=0.7), replace(boat, dense=0.5)]
    alone = [replace(boat, dense=0.8), replace(cow, dense=0.3)]
    assert [found.dense for found in joined([leaning, alone], 2)] == pytest.approx([0.65, 0.5])
    assert joined([leaning, alone], 1)[0].passage.text == "The Second Wife."
    assert joined([leaning], 1) == leaning[:1]
