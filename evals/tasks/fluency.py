"""Whether a reply is made of real words and does not go round in circles.

A word is real that stands in what was written for the table, its roles and their base, or that was just heard. Where
nobody knows what a base has read, only circles are looked for.
"""

from collections.abc import Set

from evals.asking import Reply
from evals.tasks.base import HAN, Known, words_of

HELP = "is made of known words, and says no run of four words twice"
EXPECTED = 0.95
RUN, HAN_RUN = 4, 8
"""Words in a run; Chinese characters are fewer than words."""
_ENDINGS = ("'s", "'d", "'ll", "'re", "'ve", "'m", "n't", "s", "'")
_CONTRACTED = frozenset(["can't", "won't", "shan't", "ain't", "y'all", "ma'am", "o'clock", "tis", "twas"])


def judge(reply: Reply, known: Known) -> str:
    words = list(words_of(reply.text))
    if known.words:
        told = (*(f"{line.name} {line.text}" for line in reply.probe.heard), *(each.text for each in reply.passages))
        real = {word for text in (*told, reply.name) for word in words_of(text)}
        if strange := [word for word in words if not (_is_in(word, known.words) or _is_in(word, real))]:
            return f"there is no word {strange[0]!r}"
    length = HAN_RUN if HAN.search(reply.text) else RUN
    runs = [tuple(words[at : at + length]) for at in range(len(words) - length + 1)]
    return "it repeats itself" if len(set(runs)) < len(runs) else ""


def _is_in(word: str, real: Set[str]) -> bool:
    """Whether a word is real: as it stands, or less what people put behind one."""
    if not word or word in real or word in _CONTRACTED:
        return True
    stems = (word.removesuffix(ending) for ending in _ENDINGS if word.endswith(ending))
    return any(stem in real for stem in stems)
