"""Examples of a dataset as people can read them: exactly what is trained on, with what is learnt marked.

Ids are decoded as they are, with every control token, so that nothing is hidden between what is shown and what is
learnt. It chooses examples by their place only; the renderer and the tokenizer are handed in.
"""

import re
from collections.abc import Callable, Sequence
from itertools import groupby

from finetune.dataset.files import Dataset
from finetune.dataset.moment import Moment
from finetune.dataset.render import Example, Renderer

FILE = "preview.md"
MANY = 20
OPEN, CLOSE = "⟦", "⟧"
"""Around what is learnt."""

Decode = Callable[[list[int]], str]
"""Ids → text, control tokens included."""


def preview(dataset: Dataset, renderer: Renderer, decode: Decode) -> str:
    """A page of examples, taken evenly from what is learnt."""
    about, shown = dataset.about, _spread(dataset.train, MANY)
    head = (
        f"# {about.name}: {len(shown)} of {len(dataset.train):,} examples\n\n"
        f"As the base reads them, with every control token; what is learnt stands in {OPEN} {CLOSE}.\n"
    )
    return "\n".join([head, *(_section(*each, renderer, decode) for each in shown)])


def marked(example: Example, decode: Decode) -> str:
    """An example as text, with what is learnt between the marks."""
    runs = groupby(zip(example.ids, example.learn, strict=True), key=lambda pair: pair[1])
    texts = ((learnt, decode([id_ for id_, _ in run])) for learnt, run in runs)
    return "".join(f"{OPEN}{text}{CLOSE}" if learnt else text for learnt, text in texts)


def _spread(moments: Sequence[Moment], count: int) -> list[tuple[int, Moment]]:
    count = min(count, len(moments))
    return [(at, moments[at]) for at in (number * len(moments) // count for number in range(count))]


def _section(at: int, moment: Moment, renderer: Renderer, decode: Decode) -> str:
    text = marked(renderer.example(moment), decode)
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"## {at + 1}, {moment.origin}: {moment.name}\n\n{fence}text\n{text}\n{fence}\n"
