"""What a dataset is built with: how much is heard, what is held out, what is mixed in. Limits are checked on creation.

It knows no command line; the command's flags have the same names.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from finetune.errors import WorkshopError

Mode = Literal["scene", "window", "single", "merged"]
"""How much of a scene is heard: all of it; its last lines; the last one; all, with what lies between two turns in one
line."""
Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How a dataset is built.

    Args:
        window: Lines that are heard in the mode of that name.
        characters: Most that is heard of a scene, whatever the mode; a base with a large context may take more.
        reply: Most characters of a reply; a longer one ends with the last sentence that fits.
        held_out: Share of the role's turns to measure by.
        recall: Share of the moments in which the role is reminded of what it knows.
        general_ratio: Examples of other material, for each of the role's own.
        others: Turns of other speakers of the same scenes, for each of the role's own.
        seed: Decides what is held out, reminded and mixed in.
        scrubbed: Whether what identifies people was taken out of the material.
    """

    mode: Mode = "scene"
    window: Count = 8
    characters: Count = 8000
    reply: Count = 1000
    held_out: Annotated[float, Meta(ge=0, le=0.5)] = 0.1
    recall: Share = 0.3
    general_ratio: Annotated[float, Meta(ge=0, le=100)] = 0.1
    others: Annotated[float, Meta(ge=0, le=100)] = 0.0
    seed: int = 0
    scrubbed: bool = False

    def __post_init__(self) -> None:
        # Keyword arguments are not checked by the struct itself; only what is converted is.
        try:
            msgspec.convert(msgspec.structs.asdict(self), _Checked)
        except msgspec.ValidationError as error:
            problem = str(error).replace("`", "").replace("$.", "--").replace("_", "-")
            raise WorkshopError("settings", problem, "give another value") from None


class _Checked(msgspec.Struct):
    """The same limits, for values that come as keyword arguments."""

    mode: Mode
    window: Count
    characters: Count
    reply: Count
    held_out: Annotated[float, Meta(ge=0, le=0.5)]
    recall: Share
    general_ratio: Annotated[float, Meta(ge=0, le=100)]
    others: Annotated[float, Meta(ge=0, le=100)]
