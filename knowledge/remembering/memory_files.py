"""The files of a memory: `passages.jsonl` and `vectors.f32`, which only grow, and `manifest.json`.

The manifest is written last, in one step, and says how far the other two count: what stands behind that, after a kill,
is written over. It also holds their checksums. All this is derived from a log, so nothing is repaired and nothing is
synced: what does not fit together in every byte is begun anew. Knows nothing of what the passages say.
"""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

import msgspec
import numpy as np

from knowledge.remembering.remembered import Stretch
from knowledge.shelf import Vectors

log = logging.getLogger(__name__)
_encoder = msgspec.json.Encoder()

FORMAT = 1


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """What the files must have been made of and by; anything else is begun anew.

    Args:
        epoch: Of the log; seqs mean something within one epoch only.
        embedder: Its identity; "" without one.
        dimension: Of the vectors; 0 without an embedder.
        terms: Version of the terms.
    """

    epoch: str
    embedder: str
    dimension: int
    terms: int
    format: int = FORMAT


class Extent(msgspec.Struct, frozen=True, kw_only=True):
    """How far the files count, and their checksums up to there; sizes are in bytes."""

    passages: int = 0
    text: int = 0
    text_crc: int = 0
    vectors: int = 0
    vectors_crc: int = 0


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What `manifest.json` holds."""

    kind: Kind
    extent: Extent


class MemoryFiles:
    """The files in one folder; it expects to be the only one that writes there."""

    def __init__(self, folder: Path, kind: Kind) -> None:
        self._folder, self._kind, self._extent = folder, kind, Extent()
        self._writable = True

    def read(self) -> tuple[list[Stretch], Vectors]:
        """All that was kept; nothing where there is nothing, or something else."""
        try:
            extent = self._agreed()
            if extent != Extent():
                kept = self._stretches(extent), self._vectors(extent)
                self._extent = extent
                return kept
        except (OSError, ValueError, msgspec.MsgspecError) as error:
            log.warning("the long memory in %s is begun anew: %s", self._folder, error)
        return [], np.zeros((0, self._kind.dimension), np.float32)

    def append(self, made: Sequence[Stretch], vectors: Vectors) -> None:
        """Keeps further passages and their vectors; what can't be written is known until the process ends."""
        if not self._writable:
            return
        text, raw, old = b"".join(_encoder.encode(each) + b"\n" for each in made), vectors.tobytes(), self._extent
        extent = Extent(
            passages=old.passages + len(made),
            text=old.text + len(text),
            text_crc=crc32(text, old.text_crc),
            vectors=old.vectors + len(raw),
            vectors_crc=crc32(raw, old.vectors_crc),
        )
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write(self._folder / "vectors.f32", old.vectors, raw)
            _write(self._folder / "passages.jsonl", old.text, text)
            self._agree(extent)
        except OSError as error:
            self._writable = False
            log.warning("the long memory in %s can't be kept and is made again next time: %s", self._folder, error)

    def _agreed(self) -> Extent:
        try:
            raw = (self._folder / "manifest.json").read_bytes()
        except FileNotFoundError:
            return Extent()
        manifest = msgspec.json.decode(raw, type=Manifest)
        if manifest.kind != self._kind:
            log.info("the long memory in %s was made otherwise and is begun anew", self._folder)
            return Extent()
        return manifest.extent

    def _agree(self, extent: Extent) -> None:
        fresh = self._folder / "manifest.json.new"
        fresh.unlink(missing_ok=True)
        _write(fresh, 0, msgspec.json.encode(Manifest(kind=self._kind, extent=extent)))
        fresh.replace(self._folder / "manifest.json")
        self._extent = extent

    def _stretches(self, extent: Extent) -> list[Stretch]:
        raw = _read(self._folder / "passages.jsonl", extent.text, extent.text_crc)
        kept = msgspec.json.Decoder(Stretch).decode_lines(raw)
        if len(kept) != extent.passages:
            raise ValueError(f"{len(kept)} passages where {extent.passages} are expected")
        return kept

    def _vectors(self, extent: Extent) -> Vectors:
        raw = _read(self._folder / "vectors.f32", extent.vectors, extent.vectors_crc)
        return np.frombuffer(raw, np.float32).reshape(extent.passages, self._kind.dimension)


def _read(file: Path, size: int, crc: int) -> bytes:
    with file.open("rb") as opened:
        raw = opened.read(size)
    if len(raw) != size or crc32(raw) != crc:
        raise ValueError(f"{file.name} is damaged")
    return raw


def _write(file: Path, start: int, data: bytes) -> None:
    """Writes from a place on and cuts off what stood there; only the owner may read what was whispered."""
    with os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as opened:
        opened.truncate(start)
        opened.seek(start)
        opened.write(data)
