"""Vectors of the lines that exchanges answer; the same exchanges come up again and again, so the latest are kept.

Knows no index and no question.
"""

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from knowledge.embed import Embedder
from knowledge.shelf import Vector, Vectors

KEPT = 20_000
"""Lines whose vectors are kept: 30 MB with the bundled embedder."""


class LineVectors:
    """Vectors by text."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._kept: OrderedDict[str, Vector] = OrderedDict()

    def of(self, lines: Sequence[str]) -> Vectors:
        """The vectors of lines: (len(lines), D)."""
        if missing := [line for line in dict.fromkeys(lines) if line not in self._kept]:
            self._kept.update(zip(missing, self._embedder.encode(missing), strict=True))
        found = np.stack([self._kept[line] for line in lines]) if lines else self._embedder.encode(lines)
        for line in lines:
            self._kept.move_to_end(line)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return found
