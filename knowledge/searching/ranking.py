"""Candidates of a search, from several shelves, in one order: by meaning and by words, joined by their ranks.

A cosine and a BM25 score can't be added up, and what they are worth differs from wiki to wiki; their ranks can. Knows
neither what is asked nor who asks; masks say what may be found at all.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import combinations
from typing import NamedTuple

import numpy as np

from knowledge.documents import Passage
from knowledge.shelf import Mask, Rows, Scores, Shelf, Vector, Vectors

POOL = 100
"""Candidates of each kind and shelf: what is no better than that in either order is not found."""
K = 60
"""Of reciprocal rank fusion, as its authors chose it: how little the first places differ from those after them."""
RELEVANCE = 0.7
"""What being relevant weighs against being unlike what was chosen before."""
NEIGHBOUR = 0.9
"""How alike two neighbours of one document count at least: both are chosen only if nothing else comes near them."""
_WORDS = re.compile(r"(?=([\u3400-\u9fff]{2}))|([^\W\d_]{4,})")

Place = tuple[int, int]
"""A shelf's number and a row of it."""


class Candidate(NamedTuple):
    """A row that was found, its scores of both kinds, and the joint one."""

    shelf: Shelf
    row: int
    score: float
    dense: float | None
    words: float | None

    def passage(self) -> Passage:
        return self.shelf.passage(self.row)


def candidates(
    shelves: Sequence[Shelf], masks: Sequence[Mask | None], vector: Vector | None, words: Sequence[str]
) -> list[Candidate]:
    """What shelves hold that is near in meaning or has words in common, best first; first in every order scores 1.

    Args:
        masks: For each shelf, which rows may be found; None for all.
        vector: None where meaning is not asked.
        words: Terms; none where words are not asked.
    """

    def near(shelf: Shelf, mask: Mask | None) -> tuple[Rows, Scores]:
        assert vector is not None
        return shelf.dense(vector, POOL, mask)

    dense = _ranked(shelves, masks, near) if vector is not None else {}
    shared = _ranked(shelves, masks, lambda shelf, mask: shelf.words(words, POOL, mask)) if words else {}
    joint: dict[Place, float] = {}
    rankings = [ranking for ranking in (dense, shared) if ranking]
    for ranking in rankings:
        for rank, place in enumerate(ranking):
            joint[place] = joint.get(place, 0) + K / (K + rank) / len(rankings)
    best = sorted(joint, key=lambda place: (-joint[place], place))
    return [Candidate(shelves[at[0]], at[1], joint[at], dense.get(at), shared.get(at)) for at in best]


def one_each(found: Sequence[Candidate]) -> Iterator[Candidate]:
    """The best passage of every document."""
    seen = set()
    for each in found:
        passage = each.passage()
        document = (passage.source, passage.place if passage.document == "" else passage.document)
        if document not in seen:
            seen.add(document)
            yield each


def diverse(found: Sequence[Candidate], limit: int) -> list[Candidate]:
    """The best that do not say the same: maximal marginal relevance, relevance being the place in the order."""
    alike, chosen = _likeness(found), list[int]()
    while len(chosen) < min(limit, len(found)):
        chosen.append(max(set(range(len(found))).difference(chosen), key=lambda at: (_worth(at, chosen, alike), -at)))
    return [found[at] for at in chosen]


def _worth(at: int, chosen: Sequence[int], alike: Vectors) -> float:
    repeated = max((float(alike[at, other]) for other in chosen), default=0.0)
    return RELEVANCE / (1 + at / 8) - (1 - RELEVANCE) * repeated


def _ranked(
    shelves: Sequence[Shelf],
    masks: Sequence[Mask | None],
    search: Callable[[Shelf, Mask | None], tuple[Rows, Scores]],
) -> dict[Place, float]:
    """Scores of what was found in all shelves, best first."""
    scores: dict[Place, float] = {}
    for number, (shelf, mask) in enumerate(zip(shelves, masks, strict=True)):
        rows, values = search(shelf, mask)
        scores |= {(number, row): value for row, value in zip(rows.tolist(), values.tolist(), strict=True)}
    best = sorted(scores, key=lambda place: (-scores[place], place))[:POOL]
    return {place: scores[place] for place in best}


def _likeness(found: Sequence[Candidate]) -> Vectors:
    """How alike each two are, from 0 to 1: (N, N)."""
    passages = [each.passage() for each in found]
    vectors = [each.shelf.vectors([each.row])[0] for each in found]
    alike = np.zeros((len(found), len(found)), np.float32)
    for one, other in combinations(range(len(found)), 2):
        alike[one, other] = alike[other, one] = max(
            _cosine(vectors[one], vectors[other]) or _overlap(passages[one].text, passages[other].text),
            NEIGHBOUR if _beside(passages[one], passages[other]) else 0,
        )
    return alike


def _cosine(one: Vector, other: Vector) -> float:
    """0 as well where one of them has no vector."""
    return float(one @ other) if len(one) == len(other) else 0.0


def _overlap(one: str, other: str) -> float:
    """How much of the shorter text the other one holds."""
    return len(_words(one) & _words(other)) / max(1, min(len(_words(one)), len(_words(other))))


@lru_cache(maxsize=256)
def _words(text: str) -> frozenset[str]:
    """Longer words and pairs of Chinese characters: enough to see what says the same."""
    return frozenset(pair or word for pair, word in _WORDS.findall(text.casefold()))


def _beside(one: Passage, other: Passage) -> bool:
    return (one.source, one.document) == (other.source, other.document) and abs(one.order - other.order) == 1
