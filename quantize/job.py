"""A job: one set of weights, quantized one way. What a method is handed, and what is searched over.

It holds paths and numbers only; it knows no method and no model.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

Tell = Callable[[str], None]
"""Takes a line about the progress of the work."""


def unheard(line: str) -> None:
    """For those who do not want to know of it."""


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """One way to quantize.

    Args:
        method: A plug-in of quantize/methods.
        group: Weights that share one scale.
        keep: Modules that stay in 16 bit, with all below them, as `model.layers.0.mlp`; the head always does.
    """

    method: str
    group: int = 128
    keep: tuple[str, ...] = ()

    def __str__(self) -> str:
        kept = f", {', '.join(self.keep)} in 16 bit" if self.keep else ""
        return f"{self.method}, groups of {self.group}{kept}"

    def keeps(self, name: str) -> bool:
        """Whether a module stays in 16 bit."""
        return any(name == kept or name.startswith(f"{kept}.") for kept in self.keep)


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What a method does.

    Args:
        source: Folder of the 16-bit weights.
        out: Folder that gets the int4 weights; it does not exist yet.
        tokens: What is calibrated on, as quantize/calibration writes it.
        log: File that gets what other programs say.
        home: CHATROOM_HOME, where environments are made.
        pythons: Method → interpreter that has what it needs; without one an environment is made, if it can be.
    """

    source: Path
    out: Path
    recipe: Recipe
    tokens: Path
    log: Path
    home: Path
    pythons: Mapping[str, Path] = {}

    @property
    def python(self) -> Path | None:
        """The interpreter that was named for the method."""
        return self.pythons.get(self.recipe.method)
