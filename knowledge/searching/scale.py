"""What cosines of an embedder mean: with some, two texts that have nothing in common are at 0.0, with others at 0.7.

Measured once for each embedder, on sentences of our own. Knows no passages.
"""

from weakref import WeakKeyDictionary

import numpy as np

from knowledge.embed import Embedder

STANDARD = 0.02
"""Cosine of unrelated texts with the default embedder, in whose cosines the floor is written."""
_SAID = ("Could somebody pass me the butter?", "I had a good day.", "谁能把黄油递给我？", "我今天过得不错。")
_TOLD = (
    "The bridge has nine arches of grey stone and was built by monks.",
    "A young dragon sleeps for seven years before it lays an egg.",
    "Copper melts at a lower heat than iron.",
    "这座桥有九个灰色石拱，由僧侣建造。",
    "幼龙要沉睡七年才会产卵。",
    "铜的熔点比铁低。",
)
_unrelated: "WeakKeyDictionary[Embedder, float]" = WeakKeyDictionary()


def standard(cosine: float, embedder: Embedder) -> float:
    """A cosine of this embedder as the default one would have given it, about."""
    if embedder not in _unrelated:
        _unrelated[embedder] = _measured(embedder)
    base = _unrelated[embedder]
    return STANDARD + (cosine - base) * (1 - STANDARD) / (1 - base)


def _measured(embedder: Embedder) -> float:
    """The mean cosine of what is said at a table and what stands in a book."""
    said = [embedder.encode_query(text) for text in _SAID if embedder.reads(text)]
    told = embedder.encode([text for text in _TOLD if embedder.reads(text)])
    return min(0.95, float(np.mean(np.stack(said) @ told.T))) if said and len(told) else STANDARD
