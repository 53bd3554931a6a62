"""Whether a classifier that knows the roles' own lines takes the reply for its speaker's.

It goes by runs of letters and by words, as far as they tell one role's lines from another's; names of the speakers are
left out. How often it is right about lines that it has not seen, a tenth of each role's, is in the report: a reply
can't be asked to sound more like its speaker than those do.
"""

import random
import re
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

from evals.asking import Reply
from evals.tasks.base import HAN, Known

HELP = "sounds like its speaker, to a classifier trained on the roles' lines"
EXPECTED = 0.8
FEWEST = 2
"""Words of a reply that can sound like somebody; of Chinese, characters."""
FEWEST_LINES = 20
"""Lines that a role has to be heard by."""
MOST_LINES = 5000
"""Lines of a role that are learnt, drawn from all, so that a large corpus ends too."""
HELD_BACK = 10

Lines = Mapping[str, Sequence[str]]


def judge(reply: Reply, known: Known) -> str | None:
    lines = known.lines
    long = len(reply.text.split()) >= FEWEST or len(HAN.findall(reply.text)) >= FEWEST
    if not long or not {reply.name} < (voices := _voices(lines)):
        return None
    heard = _classifier(_Lines(lines)).predict([plain(reply.text, voices)])[0]
    return "" if heard == reply.name else f"it sounds like {heard}"


def reliability(known: Known) -> float | None:
    """The share of the held-back lines whose speaker is heard rightly; None where fewer than two can be heard."""
    lines = known.lines
    return _reliability(_Lines(lines)) if len(_voices(lines)) > 1 else None


def plain(text: str, names: Collection[str]) -> str:
    """A text without the names of the speakers, which would give them away."""
    words = sorted({word for name in names for word in name.split()}, key=len, reverse=True)
    return re.sub("|".join(rf"\b{re.escape(word)}\b" for word in words), "", text) if words else text


class _Lines:
    """Lines by their object, so that a classifier is trained once."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines

    def __hash__(self) -> int:
        return id(self.lines)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Lines) and other.lines is self.lines


@lru_cache(maxsize=2)
def _classifier(known: _Lines) -> Any:  # scikit-learn has no types
    return _trained([(text, name) for name, texts in _texts(known.lines).items() for text in texts])


@lru_cache(maxsize=2)
def _reliability(known: _Lines) -> float:
    learnt: list[tuple[str, str]] = []
    unseen: list[tuple[str, str]] = []
    for name, texts in _texts(known.lines).items():
        count = max(1, len(texts) // HELD_BACK)
        unseen += [(text, name) for text in texts[:count]]
        learnt += [(text, name) for text in texts[count:]]
    heard = _trained(learnt).predict([text for text, _ in unseen])
    return sum(bool(name == said) for (_, name), said in zip(unseen, heard, strict=True)) / len(unseen)


def _voices(lines: Lines) -> set[str]:
    """Roles with enough lines to be told by."""
    return {name for name, texts in lines.items() if len(texts) >= FEWEST_LINES}


def _texts(lines: Lines) -> dict[str, list[str]]:
    """What each voice says in no order, every line once, without names."""
    voices = _voices(lines)
    found = {name: list(dict.fromkeys(plain(text, voices) for text in lines[name])) for name in sorted(voices)}
    return {name: random.Random(0).sample(texts, min(MOST_LINES, len(texts))) for name, texts in found.items()}


def _trained(texts: Sequence[tuple[str, str]]) -> Any:
    """A linear classifier over runs of letters and words; seconds where a logistic regression takes a minute."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.svm import LinearSVC

    least = 2 if len(texts) > 500 else 1  # among few lines, most words stand once
    word = rf"(?u){HAN.pattern}|\b\w\w+\b"
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=least)
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=least, token_pattern=word)
    model = make_pipeline(make_union(letters, words), LinearSVC(C=0.3, class_weight="balanced", random_state=0))
    return model.fit([text for text, _ in texts], [name for _, name in texts])
