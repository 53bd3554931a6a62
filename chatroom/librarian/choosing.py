"""Which of a role's own exchanges show best how to answer now.

The nearest in meaning often speaks of another side of the same thing. So it counts, too, how near the line is that was
answered then, how much of what is asked an exchange holds, and how much of its reply is in the passages that the role
was just given. Knows no index.
"""

from collections.abc import Callable, Collection, Sequence

from msgspec.structs import replace

from knowledge.documents import Hit
from knowledge.language.terms import terms
from knowledge.shelf import Vectors

NEAR, ALIKE, ASKED, ANSWERED, TOLD = 2.0, 1.0, 1.0, 0.5, 1.0
"""What each weighs: the cosine of the whole exchange; that of the line it answers; how much of the question's words the
exchange holds; of that line's words, the question; of the reply's words, the pages. docs/experiments.md has a trial."""
DOUBT = 10.0
"""Rarity that the pages are taken to lack: a reply of one common word is not borne out by a page that has it."""

Rarity = Callable[[str], float]


def answered(hit: Hit) -> str:
    """The line that an exchange answers."""
    return hit.passage.sought.split("\n")[-2]


def best_first(
    hits: Sequence[Hit],
    questions: Sequence[str],
    passages: Sequence[str],
    rarity: Rarity,
    vectors: tuple[Vectors, Vectors] | None = None,
) -> list[Hit]:
    """Puts exchanges into the order in which they should be followed.

    Args:
        hits: Exchanges; the text of each is its reply, what is sought holds the lines before it too.
        questions: What is asked, with what it leans on and without: each counts alike.
        passages: What the role knows of it, each with its title.
        rarity: How telling a term is; 0 for one that stands nowhere.
        vectors: Of the questions, (Q, D), and of the lines that the exchanges answer, (N, D); None without an embedder.
    """
    asked, told = [set(terms(question)) for question in questions], set(terms("\n".join(passages)))
    alike = [0.0] * len(hits) if vectors is None else (vectors[1] @ vectors[0].T).mean(1).tolist()

    def worth(at: int) -> float:
        said, line = set(terms(hits[at].passage.sought)), set(terms(answered(hits[at])))
        words = sum(ASKED * _share(each, said, rarity) + ANSWERED * _share(line, each, rarity) for each in asked)
        pages = TOLD * _share(set(terms(hits[at].passage.text)), told, rarity, DOUBT)
        return NEAR * (hits[at].dense or 0.0) + ALIKE * alike[at] + words / len(asked) + pages

    return [hits[at] for at in sorted(range(len(hits)), key=worth, reverse=True)]


def joined(found: Sequence[Sequence[Hit]], most: int) -> list[Hit]:
    """What several questions found, by the mean of the cosines; what one of them did not find counts as its last."""
    if len(found) == 1:
        return list(found[0][:most])
    near = [{hit.passage.id: hit.dense or 0.0 for hit in hits} for hits in found]
    last = [min(each.values(), default=0.0) for each in near]
    every = {hit.passage.id: hit for hits in found for hit in hits}
    means = {id_: sum(each.get(id_, end) for each, end in zip(near, last, strict=True)) / len(near) for id_ in every}
    best = sorted(every, key=means.__getitem__, reverse=True)[:most]
    return [replace(every[id_], dense=means[id_]) for id_ in best]


def _share(words: Collection[str], among: Collection[str], rarity: Rarity, doubt: float = 0.0) -> float:
    """How much of words stands among others, each by its rarity: 0 to 1."""
    weights = {word: rarity(word) for word in words}
    whole = sum(weights.values()) + doubt
    return sum(weight for word, weight in weights.items() if word in among) / whole if whole else 0.0
