"""Which of a role's own exchanges show best how to answer now.

The nearest in meaning often speaks of another side of the same thing. So it counts, too, how near the line is that was
answered then, how much of what is asked an exchange holds, and how much of its reply is in the passages that the role
was just given. Knows no index.
"""

from collections.abc import Callable, Collection, Sequence

from knowledge.documents import Hit
from knowledge.language.terms import terms
from knowledge.shelf import Vector, Vectors

NEAR, ALIKE, ASKED, TOLD = 3.0, 1.0, 1.0, 1.5
"""What the cosine of the whole exchange, that of the line answered, the share of the question's words and the share of
the reply's words that are told weigh. docs/experiments.md has the trial."""

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
        passage, near = hits[at].passage, hits[at].dense or 0.0
        shared = ASKED * _share(asked, set(terms(passage.sought)), rarity)
        return NEAR * near + ALIKE * alike[at] + shared + TOLD * _share(set(terms(passage.text)), told, rarity)

    return [hits[at] for at in sorted(range(len(hits)), key=worth, reverse=True)]


def _share(words: Collection[str], among: Collection[str], rarity: Rarity) -> float:
    """How much of words stands among others, each by its rarity: 0 to 1."""
    weights = {word: rarity(word) for word in words}
    whole = sum(weights.values())
    return sum(weight for word, weight in weights.items() if word in among) / whole if whole else 0.0
