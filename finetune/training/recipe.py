"""A recipe: with which numbers an adapter is trained. TOML files name them, flags win over files.

A key that a recipe does not have is an error that names the nearest one. How often the data is gone through follows
from how much there is, unless the recipe says it. It knows no model and no kind of adapter.
"""

import math
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from chatroom.toml_table import parse_toml, read_table
from finetune.errors import WorkshopError

DEFAULT = Path(__file__).parent.parent / "recipes" / "role.toml"
LARGEST = 256_000
"""Bytes of a recipe file."""
PASSES = ((100, 14.0), (1_000, 7.0), (10_000, 3.0))
"""How often so many moments are gone through at most; between these it follows their number's logarithm."""

Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=1, le=100_000)]


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of a recipe."""

    epochs: Annotated[float, Meta(ge=0, le=1_000)] = 0.0
    """How often the data is gone through; 0: as often as suits its size."""
    learning_rate: Annotated[float, Meta(gt=0, le=1)] = 1e-3
    """The highest one, after the warmup."""
    final_rate: Share = 0.1
    """Share of the learning rate that is left at the end."""
    warmup: Share = 0.03
    """Share of all steps in which the learning rate rises."""
    weight_decay: Share = 0.01
    """Pull of every weight towards zero."""
    rank: Annotated[int, Meta(ge=1, le=1_024)] = 16
    """Width of an adapter."""
    alpha: Annotated[int, Meta(ge=1, le=8_192)] = 32
    """Strength of an adapter: it is multiplied by alpha / rank."""
    dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.1
    """Share of an adapter's input that is left out at random."""
    batch: Annotated[int, Meta(ge=1, le=4_096)] = 8
    """Examples in memory at once, on each device."""
    accumulate: Annotated[int, Meta(ge=1, le=4_096)] = 1
    """Batches to one step."""
    context: Annotated[int, Meta(ge=64, le=1_048_576)] = 768
    """Token ids of an example; older lines are left out first."""
    learn_heard: bool = False
    """Whether an ordinary LoRA or full training also learns what others say before a reply."""
    patience: Count = 3
    """Measurings without progress on the held-out lines after which it stops."""
    checkpoint_minutes: Annotated[float, Meta(gt=0, le=10_000)] = 10.0
    """Longest time between two checkpoints."""
    keep: Annotated[int, Meta(ge=2, le=100)] = 2
    """Checkpoints that are kept, the best one among them."""
    gradient_checkpointing: bool = False
    """Whether memory is saved at the cost of a third more time."""
    deepspeed: Annotated[str, Meta(max_length=4_096)] = ""
    """A DeepSpeed configuration, with `accelerate launch`; "" for none."""
    seed: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 1
    """Of everything random."""


def read_recipe(path: Path = DEFAULT, flags: Mapping[str, object] | None = None) -> Recipe:
    """Reads a recipe file over the defaults, and flags over the file.

    Raises:
        WorkshopError: It can't be read, or a key or value in it is wrong.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise ValueError(f"it has more than {LARGEST:,} bytes")
        table = parse_toml(data)
    except (OSError, ValueError) as error:
        problem = f"it can't be read: {error.strerror}" if isinstance(error, OSError) else str(error)
        raise WorkshopError(str(path), problem, "name a recipe file, as finetune/recipes/role.toml") from None
    recipe, faults = read_table(Recipe, {**table, **(flags or {})})
    for fault in faults:
        raise WorkshopError(f"{path}, {fault.key}", fault.problem, fault.remedy)
    return recipe


def epochs_for(moments: int) -> float:
    """How often so many moments are gone through: the fewer there are, the more often."""
    if moments <= PASSES[0][0]:
        return PASSES[0][1]
    for (fewer, more_often), (more, less_often) in pairwise(PASSES):
        if moments <= more:
            way = math.log(moments / fewer) / math.log(more / fewer)
            return round(more_often + way * (less_often - more_often))
    return PASSES[-1][1]
