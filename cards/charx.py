"""CHARX, a zip archive with `card.json` and the assets of a character below `assets/`: read and written.

Assets are bytes under a name; what they show is nobody's business here. Knows nothing of what a card says.
"""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from cards.zips import Limits, opened
from knowledge.encodings import LARGEST_TEXT
from knowledge.errors import UnreadableError

__all__ = ["ASSETS", "CARD", "read_charx", "write_charx"]

CARD, ASSETS = "card.json", "assets/"
LIMITS = Limits(entries=5_000, total=1 << 29)
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""The date in every archive, so that the same card gives the same bytes."""


def read_charx(path: Path) -> tuple[bytes, dict[str, bytes], list[str]]:
    """The card's JSON, the assets by their paths, and the names of what is neither.

    Raises:
        UnreadableError: It is no CHARX, or holds what must not be.
    """
    with opened(path, LIMITS) as archive:
        if CARD not in archive.sizes:
            raise UnreadableError(path.name, f"this archive has no {CARD}, so it is no character card")
        names = [name for name in archive.sizes if _is_asset(name)]
        assets = {name: archive.read(name, LIMITS.total) for name in names}
        return archive.read(CARD, LARGEST_TEXT), assets, [*(archive.sizes.keys() - assets.keys() - {CARD})]


def _is_asset(name: str) -> bool:
    return name.startswith(ASSETS) and not any(part.startswith(".") for part in name.split("/"))


def write_charx(stream: IO[bytes], card: bytes, assets: Mapping[str, bytes]) -> None:
    """Writes an archive."""
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in ((CARD, card), *sorted(assets.items())):
            packing = zipfile.ZIP_DEFLATED if name == CARD else zipfile.ZIP_STORED
            archive.writestr(zipfile.ZipInfo(name, _LONG_AGO), data, packing)
