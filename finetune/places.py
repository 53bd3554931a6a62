"""Where the workshop keeps what it makes of a role: var/workshop/ROLE, outside the role folder and outside git.

A role folder gets only what the table needs; everything here can be made again from the material. Knows no formats.
"""

from pathlib import Path

import msgspec


class Workbench(msgspec.Struct, frozen=True):
    """The bench of one role; nothing of it needs to exist."""

    folder: Path

    @classmethod
    def of(cls, home: Path, role: str) -> "Workbench":
        """The bench of a role, in the home of the settings."""
        return cls(home / "workshop" / role)

    @property
    def scenes(self) -> Path:
        """What was read, as scenes."""
        return self.folder / "scenes.jsonl"

    @property
    def speakers(self) -> Path:
        """Which names are one speaker: proposed here, decided by a person."""
        return self.folder / "speakers.toml"

    @property
    def made(self) -> Path:
        """What models wrote besides."""
        return self.folder / "made"

    @property
    def dataset(self) -> Path:
        """Moments to learn from and to measure by."""
        return self.folder / "dataset"

    @property
    def merged(self) -> Path:
        """Base and adapter in one, for engines that take no adapters."""
        return self.folder / "merged"

    def run(self, kind: str) -> Path:
        """Checkpoints, curves and samples of one kind of training."""
        return self.folder / "runs" / kind
