"""What a plan says: engines in the order of their start, and a row for every role with its reason.

Pure data. Knows nothing of how it was decided.
"""

from typing import Literal

import msgspec

State = Literal["runs", "stopped", "refused", "elsewhere"]
"""Started at once; started on demand, when another is stopped; can't speak; somebody else's server speaks for it."""


class PlannedEngine(msgspec.Struct, frozen=True, kw_only=True):
    """One engine.

    Args:
        engine: The plug-in of chatroom/engines.
        weights: The folder of its weights; of the base, where a LoRA is merged into it or an adapter put over it.
        name: What it holds, in words.
        precision: "int4", "16 bit", "32 bit", either of these with "replies in int4", or the method of weights that are
            stored quantized.
        packs: Whether the embedded engine packs to int4 what it decodes replies with.
        merged: The role whose LoRA is merged into the weights; "" if none is.
        roles: Ids of those who share it, who spoke last first.
        weight_bytes: Weights and adapters in memory.
        overhead: Everything else but `cache`, the bytes for keys and values, and `decoding`, those of the copies of
            weights that the embedded engine decodes replies with.
        cache_most, decoding_most: What all transcripts of its rooms would take, and all copies.
        share: TurboMind's `--cache-max-entry-count`, if it starts when the ones before it have; 0 where none is taken.
    """

    engine: str
    weights: str
    name: str
    merged: str = ""
    precision: str
    packs: bool = False
    roles: tuple[str, ...]
    context: int
    weight_bytes: int
    overhead: int
    cache: int
    cache_most: int
    decoding: int = 0
    decoding_most: int = 0
    share: float = 0.0
    state: State

    @property
    def total(self) -> int:
        """Bytes of all of it."""
        return self.weight_bytes + self.overhead + self.cache + self.decoding


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of one role; `at` is its engine's place among the engines of the plan, None where it has none."""

    role: str
    state: State
    reason: str
    at: int | None = None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The engines that run in the order of their start, then those that wait; the rows, who spoke last first."""

    gpu: bool
    budget: int
    engines: tuple[PlannedEngine, ...]
    rows: tuple[Row, ...]

    @property
    def used(self) -> int:
        """Bytes of all engines that run."""
        return sum(engine.total for engine in self.engines if engine.state == "runs")

    @property
    def left(self) -> int:
        """Bytes of the budget that nobody takes."""
        return self.budget - self.used
