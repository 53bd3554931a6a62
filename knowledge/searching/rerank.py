"""The reranker: a model that reads question and passage together and says how well the one answers the other.

Slower and better than comparing vectors, and so only for the few best candidates. It needs a cross-encoder of its own,
which is not bundled; without one nothing is reranked. Knows no shelf.
"""

import os
from collections.abc import Sequence
from typing import Any

from knowledge.errors import EmbedderError


class Reranker:
    """A cross-encoder.

    Args:
        spec: A folder, or the name of a model on a hub, in the format of sentence-transformers.

    Raises:
        EmbedderError: It can't be loaded.
    """

    def __init__(self, spec: str) -> None:
        self.name = spec
        self._model = _loaded(spec)

    def scores(self, question: str, passages: Sequence[str]) -> list[float]:
        """How well each passage answers the question, higher is better."""
        pairs = [(question, passage) for passage in passages]
        return [float(score) for score in self._model.predict(pairs, show_progress_bar=False)]


def _loaded(spec: str) -> Any:
    try:
        from sentence_transformers import CrossEncoder

        folder = os.path.isdir(spec)
        return CrossEncoder(
            spec, num_labels=1, device="cpu", local_files_only=folder, model_kwargs={"use_safetensors": True}
        )
    except (OSError, ValueError, RuntimeError, KeyError, ImportError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        remedy = 'name a folder with a cross-encoder in reranker, or set reranker = "" to do without'
        raise EmbedderError(f"the reranker {spec} can't be loaded: {reason}; {remedy}") from error
