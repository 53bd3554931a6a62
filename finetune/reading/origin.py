"""How scenes were read: a note beside scenes.jsonl, for whoever makes something of them later.

It holds for the very bytes that it was written for: scenes that somebody changed or replaced have none.
"""

from pathlib import Path

import msgspec

from finetune.provenance import file_sha256


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of scenes.

    Args:
        scrubbed: Whether what identifies people was taken out.
        digest: Of the scenes' file.
    """

    scrubbed: bool = False
    digest: str = ""


def write_origin(scenes: Path, *, scrubbed: bool) -> None:
    """Writes what is known of a file of scenes beside it."""
    origin = Origin(scrubbed=scrubbed, digest=file_sha256([scenes]))
    _beside(scenes).write_bytes(msgspec.json.encode(origin) + b"\n")


def read_origin(scenes: Path) -> Origin:
    """What is known of a file of scenes; nothing where it is not the one that was read."""
    try:
        origin = msgspec.json.decode(_beside(scenes).read_bytes(), type=Origin)
        return origin if origin.digest == file_sha256([scenes]) else Origin()
    except (OSError, msgspec.DecodeError):
        return Origin()


def _beside(scenes: Path) -> Path:
    return scenes.with_name(f"{scenes.stem}.origin.json")
