"""What one process holds of knowledge: the one embedder, the one reranker, and the indexes and memories in use.

Each is opened on first need and kept. Not safe for threads: it is used from one. Knows no roles and no rooms, only
folders.
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from knowledge.embed import Embedder, identity, open_embedder
from knowledge.errors import EmbedderError, UnusableIndexError
from knowledge.indexing.index import Index
from knowledge.indexing.manifest import FILE
from knowledge.language.terms import VERSION
from knowledge.remembering.memory import Memory
from knowledge.searching.rerank import Reranker

log = logging.getLogger(__name__)

OPEN = 64
"""Indexes and memories, each, that are kept; the one not asked for the longest gives way."""
PATIENCE = 60
"""Seconds in which a model that could not be loaded is not tried again: every try takes some."""

T = TypeVar("T")
Stamp = tuple[int, int, int] | None
"""Tells one manifest from the next; None where there is none."""


class Holdings:
    """Opens what is asked for, once.

    Args:
        spec: Of the embedder; `none` for words only.
        reranker: A folder or an id of a hub; "" for none.
        clock: Seconds that only grow.
    """

    def __init__(self, spec: str, reranker: str = "", *, clock: Callable[[], float] = time.monotonic) -> None:
        self._spec = spec
        self._embedder = _Once(lambda: open_embedder(spec), clock)
        self._reranker = _Once(lambda: Reranker(reranker) if reranker else None, clock)
        self._indexes: OrderedDict[Path, tuple[Stamp, Index | None]] = OrderedDict()
        self._memories: OrderedDict[Path, tuple[str, Memory]] = OrderedDict()

    @property
    def embedder(self) -> Embedder | None:
        """None where words are all that is asked.

        Raises:
            EmbedderError: It can't be loaded; for a while after that, the same error without another try.
        """
        return self._embedder.get()

    @property
    def reranker(self) -> Reranker | None:
        """None where nothing is reranked.

        Raises:
            EmbedderError: As for `embedder`.
        """
        return self._reranker.get()

    def index(self, folder: Path) -> Index | None:
        """The index in a folder, as it is now; None where there is none that can be used.

        One that is damaged, or made by another embedder, is told to the log once and never used.
        """
        stamp = _stamp(folder)  # before it is opened: an index that is replaced meanwhile is opened again next time
        known = self._indexes.pop(folder, None)
        if known is None or known[0] != stamp:
            _close(known)
            known = stamp, self._opened(folder) if stamp else None
        self._indexes[folder] = known
        if len(self._indexes) > OPEN:
            _close(self._indexes.popitem(last=False)[1])
        return known[1]

    def memory(self, folder: Path, epoch: str) -> Memory:
        """The memory in a folder, for one epoch of its log.

        Raises:
            EmbedderError: As for `embedder`: without it the memory would have to be begun anew.
        """
        known = self._memories.pop(folder, None)
        if known is None or known[0] != epoch:
            known = epoch, Memory(folder, epoch=epoch, embedder=self.embedder)
        self._memories[folder] = known
        if len(self._memories) > OPEN:
            self._memories.popitem(last=False)
        return known[1]

    def close(self) -> None:
        """Closes all that is open; the holdings is not used after that."""
        for known in self._indexes.values():
            _close(known)
        self._indexes.clear()
        self._memories.clear()

    def _opened(self, folder: Path) -> Index | None:
        try:
            index = Index.open(folder)
        except UnusableIndexError as error:
            log.warning("%s", error)
            return None
        made = index.manifest
        if (made.embedder, made.parameters.terms) == (identity(self._spec), VERSION):
            return index
        index.close()
        log.warning("%s", UnusableIndexError(str(folder), "it was made by another embedder, or by another version"))
        return None


class _Once(Generic[T]):
    """Something that is loaded on first need, or fails for a while."""

    def __init__(self, load: Callable[[], T], clock: Callable[[], float]) -> None:
        self._load, self._clock = load, clock
        self._loaded: list[T] = []
        self._failed: tuple[float, str] | None = None

    def get(self) -> T:
        if not self._loaded:
            if self._failed and self._clock() < self._failed[0] + PATIENCE:
                raise EmbedderError(self._failed[1])
            try:
                self._loaded.append(self._load())
            except EmbedderError as error:
                self._failed = self._clock(), str(error)
                raise
        return self._loaded[0]


def _stamp(folder: Path) -> Stamp:
    try:
        found = (folder / FILE).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _close(known: tuple[Stamp, Index | None] | None) -> None:
    if known is not None and known[1] is not None:  # an empty index is false, and open
        known[1].close()
