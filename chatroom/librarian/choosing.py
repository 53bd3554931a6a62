"""Which of a role's own exchanges show best how to answer now.

The nearest in meaning often speaks of another side of the same thing. So it counts, too, how near the line is that was
answered then, how much of what is asked an exchange holds, and how much of its reply is in the passages that the role
was just given. Knows no index.
"""

from collections.abc import Callable, Collection, Sequence

from knowledge.documents import Hit
from knowledge.language.terms import terms
from knowledge.shelf import Vector, Vectors

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
    question: str,
    passages: Sequence[str],
    rarity: Rarity,
    vectors: tuple[Vector, Vectors] | None = None,
) -> list[Hit]:
    """Puts exchanges into the order in which they should be followed.

    Args:
        hits: Exchanges; the text of each is its reply, what is sought holds the lines before it too.
        question: What is asked.
        passages: What the role knows of it, each with its title.
        rarity: How telling a term is; 0 for one that stands nowhere.
        vectors: Of the question, (D,), and of the lines that the exchanges answer, (N, D); None without an embedder.
    """
    asked, told = set(terms(question)), set(terms("\n".join(passages)))
    alike = [0.0] * len(hits) if vectors is None else (vectors[1] @ vectors[0]).tolist()

    def worth(at: int) -> float:
        passage, line = hits[at].passage, set(terms(answered(hits[at])))
        words = ASKED * _share(asked, set(terms(passage.sought)), rarity) + ANSWERED * _share(line, asked, rarity)
        pages = TOLD * _share(set(terms(passage.text)), told, rarity, DOUBT)
        return NEAR * (hits[at].dense or 0.0) + ALIKE * alike[at] + words + pages

    return [hits[at] for at in sorted(range(len(hits)), key=worth, reverse=True)]


def _share(words: Collection[str], among: Collection[str], rarity: Rarity, doubt: float = 0.0) -> float:
    """How much of words stands among others, each by its rarity: 0 to 1."""
    weights = {word: rarity(word) for word in words}
    whole = sum(weights.values()) + doubt
    return sum(weight for word, weight in weights.items() if word in among) / whole if whole else 0.0
