"""The same run without a GPU: a stand-in for LMDeploy, a driver that says what is free, and everything small.

Its figures mean nothing; it shows that every part runs to its end.
"""

import os
from pathlib import Path

from msgspec.structs import replace

from benchmarks.gpu.bench import Bench

FREE_MIB = 65536


def small(bench: Bench) -> Bench:
    """So few replies that all of it takes a minute on one core."""
    return replace(
        bench, streams=(1, 4), tokens=8, lines=6, rooms=(4, 8), replies=2, rounds=1, dtype="float32", context=1024
    )


def with_stand_in(bench: Bench) -> Bench:
    """Asks the stand-in."""
    from tests.stand_in.lmdeploy_process import StandIn

    _drive(bench.folder / "bin")
    return replace(bench, command=StandIn(bench.folder).command())


def _drive(folder: Path) -> None:
    """A program that answers in the driver's place; first of all that the engines find."""
    folder.mkdir()
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\necho {FREE_MIB}\n", "ascii")
    program.chmod(0o755)
    os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"
