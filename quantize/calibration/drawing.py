"""What a method is calibrated on: so many token ids of own talk and of general text, in rows, in one file.

Every mixture of one budget has exactly as many ids, so that two can be compared. The same material and seed give the
same rows. It knows no method.
"""

import random
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta

from finetune.dataset.moment import Moment
from finetune.dataset.render import Renderer
from finetune.errors import WorkshopError
from quantize.calibration.rows import moment_rows, text_rows, transcript_rows

Kind = Literal["own", "generic", "mixed"]
TRANSCRIPTS = 0.25
"""Share of own talk that is taken as everybody hears it: most of a prompt is such a transcript."""


class Mix(msgspec.Struct, frozen=True, kw_only=True):
    """How calibration is mixed.

    Args:
        kind: Own talk, general text, or both.
        general: Share of general text where both are mixed.
        ids: Token ids in all.
        row: Most ids of a row; of longer prompts the end is taken, with tail and reply.
    """

    kind: Kind = "mixed"
    general: Annotated[float, Meta(ge=0, le=1)] = 0.2
    ids: int = 65_536
    row: int = 1024
    seed: int = 0

    @property
    def generic_ids(self) -> int:
        """Ids of general text."""
        return {"own": 0, "generic": self.ids, "mixed": round(self.ids * self.general)}[self.kind]


def calibration(renderer: Renderer, moments: list[Moment], texts: list[str], mix: Mix) -> list[list[int]]:
    """The rows to calibrate on.

    Raises:
        WorkshopError: There is no general text although some is asked for.
    """
    rng = random.Random(mix.seed)
    generic, own = mix.generic_ids, mix.ids - mix.generic_ids
    heard = round(own * TRANSCRIPTS)
    if generic and not texts:
        raise WorkshopError("--calibration", "there is no general text", "name some with --general FILE")
    shuffled, mixed = rng.sample(moments, len(moments)), rng.sample(texts, len(texts))
    rows = [
        *_filled(moment_rows(renderer, shuffled), own - heard, mix.row),
        *_filled(transcript_rows(renderer, shuffled[::-1]), heard, mix.row),
        *_filled(text_rows(renderer, mixed, mix.row), generic, mix.row),
    ]
    return rng.sample(rows, len(rows))


def save_rows(path: Path, rows: list[list[int]]) -> None:
    """Writes rows as `ids` (N,) int32 and `ends` (rows,) int64, where each row ends.

    Raises:
        WorkshopError: There are none.
    """
    if not rows:
        raise WorkshopError("--calibration", "there is nothing to calibrate on", "give the roles some lines")
    path.parent.mkdir(parents=True, exist_ok=True)
    ids = np.concatenate([np.array(row, dtype=np.int32) for row in rows])
    np.savez(path, ids=ids, ends=np.cumsum([len(row) for row in rows], dtype=np.int64))


def _filled(rows: Iterable[list[int]], wanted: int, longest: int) -> list[list[int]]:
    """Rows with so many ids in all; fewer if there are fewer."""
    found: list[list[int]] = []
    for row in rows:
        if wanted <= 0:
            break
        taken = row[-min(longest, wanted) :]
        found.append(taken)
        wanted -= len(taken)
    return found
