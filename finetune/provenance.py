"""Stamps what we trained: by whom, in which prompt layout, over which base, from which recipe and data.

Serving reads the stamp and refuses a mismatch by name. It knows no model; it only hashes files and writes
provenance.json.
"""

import hashlib
import json
from pathlib import Path

from chatroom.messages import LAYOUT_VERSION


def file_sha256(paths: list[Path]) -> str:
    """Hashes the bytes of the files, in the order given."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def stamped(*, recipe: Path, dataset: str, scores: dict[str, float], base: str = "") -> dict[str, object]:
    """What provenance.json says; `dataset` and `base` are digests, the latter "" for weights of their own."""
    stamp: dict[str, object] = {"made_by": "chatroom", "layout": LAYOUT_VERSION}
    if base:
        stamp["base"] = base
    return stamp | {"recipe": recipe.as_posix(), "dataset": dataset, "scores": scores}


def write_provenance(
    folder: Path, *, recipe: Path, dataset: list[Path], scores: dict[str, float], base: str = ""
) -> None:
    """Writes provenance.json; `base` is the digest of the base's weights and belongs to adapters only."""
    stamp = stamped(recipe=recipe, dataset=file_sha256(dataset), scores=scores, base=base)
    (folder / "provenance.json").write_text(json.dumps(stamp, indent=2) + "\n", encoding="utf-8")
