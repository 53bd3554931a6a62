"""A dataset as it lies on disk: moments to learn from, moments to measure by, and what was done to get there.

`train.jsonl` and `held_out.jsonl` have one moment a line, in words, so that people can read them and any base can be
trained on them. `dataset.json` is written last: without it there is no dataset.
"""

from pathlib import Path
from typing import NamedTuple

import msgspec

from chatroom.messages import LAYOUT_VERSION
from finetune.dataset.moment import Moment
from finetune.errors import WorkshopError
from finetune.provenance import file_sha256

TRAIN, HELD_OUT, ABOUT = "train.jsonl", "held_out.jsonl", "dataset.json"


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What dataset.json says.

    Args:
        role: Id of the role.
        name: What it is called.
        language: What its lines are written in, as `en` or `zh`.
        digest: Of both files' bytes.
        settings: What it was built with, as the command line would say it.
        counts: Numbers of scenes, turns, duplicates and so on, by their names.
        sources: The files that it is from.
        scrubbed: Whether what identifies people was taken out.
        layout: Version of the prompt's layout.
    """

    role: str
    name: str
    language: str = "en"
    digest: str
    settings: dict[str, str | int | float | bool] = {}
    counts: dict[str, int] = {}
    sources: list[str] = []
    scrubbed: bool = False
    layout: int = LAYOUT_VERSION


class Dataset(NamedTuple):
    """A dataset in memory."""

    about: About
    train: list[Moment]
    held_out: list[Moment]


def write_dataset(folder: Path, about: About, train: list[Moment], held_out: list[Moment]) -> About:
    """Writes a dataset; what is there is replaced. Gives `about` with its digest."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ABOUT).unlink(missing_ok=True)
    encoder = msgspec.json.Encoder()
    for name, moments in ((TRAIN, train), (HELD_OUT, held_out)):
        (folder / name).write_bytes(encoder.encode_lines(moments))
    about = msgspec.structs.replace(about, digest=file_sha256([folder / TRAIN, folder / HELD_OUT]))
    (folder / ABOUT).write_bytes(msgspec.json.format(encoder.encode(about), indent=2) + b"\n")
    return about


def read_dataset(folder: Path) -> Dataset:
    """Reads a dataset.

    Raises:
        WorkshopError: There is none, or its files are not as they were written.
    """
    remedy = "build it: python launch.py dataset build ROLE"
    if not (folder / ABOUT).is_file():
        raise WorkshopError(str(folder), "there is no dataset", remedy)
    try:
        about = msgspec.json.decode((folder / ABOUT).read_bytes(), type=About)
        if about.layout != LAYOUT_VERSION:
            problem = f"it was made for layout {about.layout} of the prompt; this is layout {LAYOUT_VERSION}"
            raise WorkshopError(str(folder), problem, remedy)
        if about.digest != file_sha256([folder / TRAIN, folder / HELD_OUT]):
            raise WorkshopError(str(folder), "its files have changed since they were written", remedy)
        decoder = msgspec.json.Decoder(Moment)
        train, held_out = (decoder.decode_lines((folder / name).read_bytes()) for name in (TRAIN, HELD_OUT))
    except (OSError, msgspec.DecodeError) as error:
        raise WorkshopError(str(folder), f"it can't be read: {error}", remedy) from None
    return Dataset(about, train, held_out)
