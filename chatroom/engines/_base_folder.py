"""The folder of a base, for engines that read it here: found or fetched from the hub, and by whom it was made.

Imports the hub only where it is asked. Knows no weights and no engine.
"""

import logging
from pathlib import Path

import msgspec

from chatroom.errors import EngineError
from chatroom.messages import LAYOUT_VERSION
from chatroom.weights import Provenance

log = logging.getLogger(__name__)

TEXTS, WEIGHTS = ("*.json", "*.model", "*.txt", "*.jinja"), "*.safetensors"


def base_folder(base: str, *, weights: bool) -> Path:
    """Gives the base's folder; a hub id is downloaded to the hub's cache first, with its weights or without."""
    if Path(base).is_dir():
        return Path(base)
    if base.startswith((".", "/", "~")) or base.count("/") != 1 or base.startswith("models/"):
        raise EngineError(f"there is no folder {base}; make it, or name a hub id as 'owner/name'", code="bad_base")
    from huggingface_hub import snapshot_download

    log.info("looking up %s on the hub", base)
    return Path(
        snapshot_download(base, allow_patterns=[*TEXTS, *([WEIGHTS] if weights else [])], ignore_patterns=["*/*"])
    )


def is_ours(folder: Path, base: str) -> bool:
    """Whether provenance.json says that the base was made here; one for another layout is refused."""
    stamp = folder / "provenance.json"
    made = msgspec.json.decode(stamp.read_bytes(), type=Provenance) if stamp.is_file() else Provenance()
    if made.ours and made.layout != LAYOUT_VERSION:
        raise EngineError(
            f"the base {base} was made for prompt layout {made.layout}, this version serves {LAYOUT_VERSION}; "
            "train it again, or use the version it was made with",
            code="bad_base",
        )
    return made.ours
