"""Question: what does LMDeploy give a room on a GPU, and does it say what transformers says?

    python benchmarks/gpu_lmdeploy.py --out var/gpu/h200 --lmdeploy "python3 -m lmdeploy"
    python benchmarks/gpu_lmdeploy.py --out /tmp/tried --stand-in      # without a GPU: to see that it runs

Parts, each by itself: agreement (greedy ids), speed (1, 8 and 32 at a time), prefix (a growing room, cache on and off),
int4 (agreement and speed of int4 weights), adapters (merged against side by side), budget (four roles in memory for
two, through the engine pool). A part that fails or takes too long is told as that, and the others are done. Needs torch
and transformers with CUDA here, and the command of LMDeploy; ends by itself, within nine minutes. Writes OUT.json and
OUT.md after every part, and ends with one JSON line.
"""

import argparse
import asyncio
import os
import shlex
import sys
import tempfile
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.gpu import agreement, budget, int4, prefix, report, speed  # noqa: E402
from benchmarks.gpu.bench import Bench  # noqa: E402
from benchmarks.gpu.rows import Part  # noqa: E402
from benchmarks.gpu.servers import Servers, Want  # noqa: E402
from benchmarks.gpu.stand_in import small, with_stand_in  # noqa: E402
from chatroom.int4_proof import place  # noqa: E402

SECONDS = 525.0
"""For all parts; what is left is for ending what runs."""
LIMITS = {"agreement": 110.0, "speed": 110.0, "prefix": 110.0, "int4": 130.0, "adapters": 180.0, "budget": 240.0}
"""For each part, its servers' start included."""
PATIENCE = 3600.0
"""For each part and for all, where nothing is measured: a busy machine must not fail it."""


class Run:
    """The parts of one run, in the order in which they share servers."""

    def __init__(self, bench: Bench) -> None:
        self._bench, self.servers = bench, Servers(bench)
        self._whole = Want(weights=bench.base, dtype=bench.dtype)
        self.parts: dict[str, tuple[str, Callable[[Part], Awaitable[None]]]] = {
            "agreement": (agreement.QUESTION, self._agreement),
            "speed": (speed.QUESTION, self._speed),
            "prefix": (prefix.QUESTION, self._prefix),
            "int4": ("How much of both do int4 weights change?", self._int4),
            "adapters": (
                "Ordinary LoRAs: merged for TurboMind, or side by side on the PyTorch engine?",
                self._adapters,
            ),
            "budget": (budget.QUESTION, self._budget),
        }

    async def _agreement(self, part: Part) -> None:
        await agreement.run(part, self._bench, await self.servers.of(self._whole), f"TurboMind {self._bench.dtype}")

    async def _speed(self, part: Part) -> None:
        served = await self.servers.of(self._whole)
        await speed.run(part, self._bench, served, f"TurboMind {self._bench.dtype}")
        await speed.baseline(part, self._bench, served.base)

    async def _prefix(self, part: Part) -> None:
        for caching in (True, False):
            want = msgspec.structs.replace(self._whole, caching=caching)
            await prefix.run(part, self._bench, await self.servers.of(want))
        part.notes.append(f"ending the first server took {self.servers.ended[self._whole]:.1f} s")

    async def _int4(self, part: Part) -> None:
        part.notes.append(await asyncio.to_thread(int4.found, self._bench))
        served = await self.servers.of(Want(weights=self._bench.int4, dtype="auto"))
        await agreement.run(part, self._bench, served, "TurboMind int4")
        await speed.run(part, self._bench, served, "TurboMind int4")

    async def _adapters(self, part: Part) -> None:
        from benchmarks.gpu import adapters

        base = await self.servers.base(self._bench.base)
        await adapters.run(part, self._bench, self.servers, base)

    async def _budget(self, part: Part) -> None:
        await self.servers.close()
        await budget.run(part, self._bench)


async def measure(
    run: Run, limits: Mapping[str, float], told: report.Report, out: Path, seconds: float = SECONDS
) -> None:
    """Does the parts one after another; whatever happens to one, its rows are kept and the next one is done.

    Args:
        limits: Seconds for each part.
        seconds: For all of them.
    """
    end = time.monotonic() + seconds
    try:
        for name, limit in limits.items():
            question, do = run.parts[name]
            part, began = Part(name=name, question=question), time.monotonic()
            told.parts.append(part)
            try:
                async with asyncio.timeout(max(0.0, min(limit, end - began))):
                    await do(part)
            except TimeoutError:
                part.error = f"it took more than {time.monotonic() - began:.0f} s"
            except Exception as error:  # a benchmark's last word: the other parts go on
                part.error = f"{type(error).__name__}: {error}"
                (out.parent / f"{out.name}.{name}.log").write_text(traceback.format_exc(), "utf-8")
            part.seconds = time.monotonic() - began
            report.write(told, out)
            print(report.section(part) + "\n", flush=True)
    finally:
        await run.servers.close()


def arguments(args: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="where to write, without the ending")
    parser.add_argument("--base", type=Path, default=ROOT / "models/hearth", help="folder of a base in 16 bit")
    parser.add_argument(
        "--int4", type=Path, help="folder of the same in int4; else the one under CHATROOM_HOME, else rounded here"
    )
    parser.add_argument(
        "--lmdeploy", default=os.environ.get("CHATROOM_LMDEPLOY", "lmdeploy"), help="LMDeploy's command"
    )
    parser.add_argument("--only", nargs="+", choices=list(LIMITS), default=list(LIMITS), help="these parts")
    parser.add_argument("--skip", nargs="+", choices=list(LIMITS), default=[], help="not these parts")
    parser.add_argument("--commit", default="", help="what is measured, where git can't tell")
    parser.add_argument("--stand-in", action="store_true", help="against a stand-in for LMDeploy, and small")
    chosen = parser.parse_args(args)
    for folder in filter(None, (chosen.base, chosen.int4)):
        if not (folder / "config.json").is_file():
            parser.error(f"{folder} holds no model: there is no config.json")
    return chosen


def bench_of(chosen: argparse.Namespace, folder: Path) -> Bench:
    """What the command line asks for."""
    home = Path(os.environ.get("CHATROOM_HOME", ROOT / "var"))
    proven = place(home, f"models/{chosen.base.name}")
    bench = Bench(
        base=chosen.base.resolve(),
        int4=chosen.int4 or (proven if (proven / "config.json").is_file() else folder / "int4"),
        command=tuple(shlex.split(chosen.lmdeploy)),
        folder=folder,
        device="cpu" if chosen.stand_in else "cuda",
    )
    return small(bench) if chosen.stand_in else bench


def main(args: list[str]) -> int:
    chosen = arguments(args)
    real = not chosen.stand_in
    limits = {name: limit if real else PATIENCE for name, limit in LIMITS.items()}
    limits = {name: limit for name, limit in limits.items() if name in chosen.only and name not in chosen.skip}
    told = report.begun(chosen.base, stand_in=chosen.stand_in, commit=chosen.commit)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, suppress(KeyboardInterrupt):
        bench = bench_of(chosen, Path(folder))
        if chosen.stand_in:
            bench = with_stand_in(bench)
        print(f"{__doc__}\n{told.machine}\n", flush=True)
        asyncio.run(measure(Run(bench), limits, told, chosen.out, SECONDS if real else PATIENCE))
    print(msgspec.json.encode(told).decode())
    return 1 if any(part.error for part in told.parts) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
