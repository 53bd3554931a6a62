"""The search: which passages a moment of a conversation brings to mind, and why.

By meaning and by words at once, joined by their ranks. Served to a prompt, entries of lorebooks that were named come
first, what is below the floor is left out, and what says the same twice is told once; raw, none of that happens.
Invariant: a row that whoever asks may not see is masked before anything is ranked, so that it leaves no trace.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Literal
from weakref import WeakKeyDictionary, ref

import numpy as np

from knowledge.documents import Audience, Hit, sought
from knowledge.embed import Embedder
from knowledge.language.terms import terms
from knowledge.lorebooks.keys import Awake, Keys
from knowledge.searching.floor import Floor
from knowledge.searching.query import Query
from knowledge.searching.ranking import Candidate, candidates, diverse, one_each
from knowledge.searching.rerank import Reranker
from knowledge.searching.scale import standard
from knowledge.shelf import Mask, Shelf, Vector

Mode = Literal["hybrid", "dense", "words"]
Allowed = Callable[[Audience], bool]
SHORTLIST = 20
"""Candidates that a reranker reads."""
CHOICE = 3
"""How many candidates for each place are looked at more closely: by the floor, and for likeness to one another."""
_keys: "WeakKeyDictionary[Shelf, Keys]" = WeakKeyDictionary()
"""Of the shelves with a lorebook: making them ready takes longer than asking them."""


def search(
    shelves: Sequence[Shelf],
    query: Query,
    embedder: Embedder | None,
    *,
    limit: int = 4,
    mode: Mode = "hybrid",
    raw: bool = False,
    allowed: Allowed | None = None,
    reranker: Reranker | None = None,
) -> list[Hit]:
    """Finds passages, the most useful first.

    Args:
        embedder: None to search by words only, as is done for a text in a script that it can't read.
        mode: What is compared: meaning and words, or one of them.
        raw: The plain ranking, one passage per document, as retrieval is measured: no floor, no keys, no diversity.
        allowed: Decides who may see a passage with an audience; without it nobody may.
        reranker: Puts the best candidates into another order.
    """
    masks = [_mask(shelf, allowed) for shelf in shelves]
    if raw:
        found = islice(one_each(_found(shelves, masks, query, embedder, mode)), max(limit, SHORTLIST))
        return [_hit(each) for each in _reranked(list(found), query, reranker)[:limit]]
    minds = [_awake(shelf, mask, query.lines) for shelf, mask in zip(shelves, masks, strict=True)]
    masks = [_without(shelf, mask, mind) for shelf, mask, mind in zip(shelves, masks, minds, strict=True)]
    hits = list(_entries(shelves, minds, limit))
    most = max(CHOICE * limit, SHORTLIST if reranker else 0)
    worthy = _worthy(_found(shelves, masks, query, embedder, mode)[:most], query, shelves, embedder)
    return hits + [_hit(each) for each in diverse(_reranked(worthy, query, reranker), limit - len(hits))]


def vector_of(query: Query, embedder: Embedder | None, mode: Mode = "hybrid") -> Vector | None:
    """The vector that a query is searched by; None where it is searched by words only."""
    if mode == "words" or embedder is None or not query.text or not embedder.reads(query.text):
        return None
    return embedder.encode_query(query.text)


def _found(
    shelves: Sequence[Shelf], masks: Sequence[Mask | None], query: Query, embedder: Embedder | None, mode: Mode
) -> list[Candidate]:
    vector = vector_of(query, embedder, mode)
    return candidates(shelves, masks, vector, terms(query.text) if mode != "dense" or vector is None else ())


def _worthy(
    found: Sequence[Candidate], query: Query, shelves: Sequence[Shelf], embedder: Embedder | None
) -> list[Candidate]:
    """What is above the floor."""

    def rarity(term: str) -> float:
        return max((shelf.rarity(term) for shelf in shelves), default=0.0)

    def near(each: Candidate) -> float | None:
        return None if each.dense is None or embedder is None else standard(each.dense, embedder)

    floor = Floor(query.text, query.lines[-1] if query.lines else query.text, rarity)
    passing = floor.passing([(each.passage(), near(each)) for each in found])
    return [each for each, passes in zip(found, passing, strict=True) if passes]


def _reranked(found: list[Candidate], query: Query, reranker: Reranker | None) -> list[Candidate]:
    if reranker is None or not found:
        return found
    scores = reranker.scores(query.text, [sought(each.passage()) for each in found])
    best = sorted(zip(scores, found, strict=True), key=lambda scored: -scored[0])
    return [each._replace(score=score) for score, each in best]


def _mask(shelf: Shelf, allowed: Allowed | None) -> Mask | None:
    """Which rows whoever asks may see; None for all."""
    if not shelf.private:
        return None
    mask, verdict = np.ones(len(shelf), np.bool_), dict[Audience, bool]()
    for row, audience in shelf.private.items():
        if audience not in verdict:
            verdict[audience] = allowed is not None and allowed(audience)
        mask[row] = verdict[audience]
    return mask


def _awake(shelf: Shelf, mask: Mask | None, lines: Sequence[str]) -> Awake | None:
    """What of a lorebook comes to mind; None where there is no lorebook."""
    if not shelf.rules:
        return None
    if shelf not in _keys:
        _keys[shelf] = Keys(shelf.rules, _text_of(ref(shelf)))
    hidden = {row for row in shelf.rules if not mask[row]} if mask is not None else set()
    return _keys[shelf].awake(lines, hidden=hidden)


def _text_of(shelf: "ref[Shelf]") -> Callable[[int], str]:
    """The text of a row; it does not hold the shelf, so that one that is closed is not kept for its keys."""

    def text(row: int) -> str:
        held = shelf()
        assert held is not None
        return held.passage(row).text

    return text


def _without(shelf: Shelf, mask: Mask | None, mind: Awake | None) -> Mask | None:
    """A mask without the entries that are up, which are told anyway, and without those that are barred."""
    rows = [*mind.rows, *mind.barred] if mind else []
    if not rows:
        return mask
    left = np.ones(len(shelf), np.bool_) if mask is None else mask.copy()
    left[rows] = False
    return left


def _entries(shelves: Sequence[Shelf], minds: Sequence[Awake | None], limit: int) -> Iterator[Hit]:
    """Entries of lorebooks, in their order: at most three places of four, and of these half for constant ones."""
    up = [(shelf, mind, row) for shelf, mind in zip(shelves, minds, strict=True) if mind for row in mind.rows]
    most = limit - limit // 4
    named = min(most, sum(mind.why[row] == "key" for _, mind, row in up))
    left = {"key": named, "constant": min(limit // 2, most - named)}
    for shelf, mind, row in up:
        why = mind.why[row]
        if left[why]:
            left[why] -= 1
            yield Hit(passage=shelf.passage(row), score=1.0, why=why)


def _hit(found: Candidate) -> Hit:
    return Hit(passage=found.passage(), score=found.score, dense=found.dense, words=found.words)
