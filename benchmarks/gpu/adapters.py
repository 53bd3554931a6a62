"""Roles with ordinary LoRAs: merged into weights of their own for TurboMind, or side by side on the PyTorch engine?

The LoRAs are random: what is compared is memory, time, and whether the same is said as by transformers and PEFT.
"""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.gpu import agreement
from benchmarks.gpu.asking import Asker, Spoken
from benchmarks.gpu.bench import Bench
from benchmarks.gpu.rows import Part, Row
from benchmarks.gpu.servers import Servers, Want
from benchmarks.gpu.speed import length, prompts
from chatroom.engines._lmdeploy.gpu_memory import free_gpu_bytes
from chatroom.engines._lmdeploy.local_base import LocalBase
from chatroom.engines.base import EngineOptions
from chatroom.engines.lmdeploy_lora import Engine
from chatroom.merged_weights import merged
from chatroom.messages import Adapter

QUESTION = "Ordinary LoRAs: merged for TurboMind, or side by side on LMDeploy's PyTorch engine?"
ROLES = 4
MANY = 8
"""Streams at a time, spread over the roles."""


class Way(Row, frozen=True, kw_only=True):
    """One way to serve LoRAs.

    Args:
        roles: That one engine speaks for.
        one, many: Tokens per second to one stream, and to several together.
        same: Share of places with the id that transformers and PEFT say in 32 bit.
        start_s: That the engine took to get ready.
        held_mb: Memory of the GPU that it took, with its cache.
    """

    way: str
    roles: int
    one: float
    many: float
    same: float
    same_where_sure: float
    start_s: float
    held_mb: int


class Loras:
    """The roles' LoRAs, the first of which is compared with PEFT."""

    def __init__(self, bench: Bench, base: LocalBase) -> None:
        from tests.tiny import make_adapter

        folder = bench.folder / "loras"
        self.all = [
            make_adapter(folder / f"role{seed}", bench.base, activated=False, seed=seed, rank=16, width=0.02)
            for seed in range(1, ROLES + 1)
        ]
        self.cases, self.longest = agreement.cases(base, bench.replies), agreement.longest(bench)
        self.judged = agreement.Judged(base, self.cases, bench, "float32", adapter=Path(self.all[0].path))

    async def agreed(self, asker: Asker, base: LocalBase) -> agreement.Agreed:
        """How the first LoRA speaks there, compared with PEFT."""
        said = await agreement.asked(asker, base, self.cases)
        return self.judged.compared("", said, await agreement.whole(asker, base, self.cases, self.longest))


async def run(part: Part, bench: Bench, servers: Servers, base: LocalBase) -> None:
    """Measures both ways."""
    loras = await asyncio.to_thread(Loras, bench, base)
    await _on_turbomind(part, bench, servers, loras)
    await servers.close()
    await _side_by_side(part, bench, loras)


async def _on_turbomind(part: Part, bench: Bench, servers: Servers, loras: Loras) -> None:
    began = time.perf_counter()
    folder = await merged(bench.base, Path(loras.all[0].path), bench.folder / "home")
    part.notes.append(f"merging one LoRA took {time.perf_counter() - began:.1f} s")
    served = await servers.of(Want(weights=folder, dtype=bench.dtype))
    row = await _row("merged, TurboMind", bench, loras, [served.asker], served.base, served.start, served.held)
    part.rows.append(row)
    part.notes.append(f"{ROLES} merged roles take {ROLES} such engines: {ROLES * row.held_mb} MB")


async def _side_by_side(part: Part, bench: Bench, loras: Loras) -> None:
    engine, free, began = Engine(_options(bench, loras.all)), await free_gpu_bytes() or 0, time.perf_counter()
    try:
        async with asyncio.timeout(bench.start):
            await engine.start()
        start, held = time.perf_counter() - began, free - (await free_gpu_bytes() or free)
        server, base = engine._serving.running()
        askers = [Asker(server.client._http, await engine._model(lora)) for lora in loras.all]
        part.rows.append(await _row("side by side, PyTorch", bench, loras, askers, base, start, held))
    finally:
        await engine.close()


def _options(bench: Bench, loras: Sequence[Adapter]) -> EngineOptions:
    return EngineOptions(
        base=str(bench.base),
        context=bench.context,
        command=bench.command,
        cache_bytes=bench.cache,
        dtype=bench.dtype,
        adapters=tuple(loras),
        flags=("--max-batch-size", str(max(bench.streams))),
        logs=str(bench.folder / "logs"),
    )


async def _row(
    way: str, bench: Bench, loras: Loras, askers: Sequence[Asker], base: LocalBase, start: float, held: int
) -> Way:
    await _rate(bench, askers, base, len(askers), "warm")
    agreed = await loras.agreed(askers[0], base)
    return Way(
        way=way,
        roles=len(askers),
        one=await _rate(bench, askers, base, 1, "one"),
        many=await _rate(bench, askers, base, MANY, "many"),
        same=agreed.same,
        same_where_sure=agreed.same_where_sure,
        start_s=round(start, 1),
        held_mb=held >> 20,
    )


async def _rate(bench: Bench, askers: Sequence[Asker], base: LocalBase, streams: int, mark: str) -> float:
    """Tokens per second of the best round, the streams spread over the roles."""
    rates = []
    for number in range(bench.rounds):
        asked, began = prompts(base, bench.lines, streams, f"{mark} {number}"), time.perf_counter()
        told: list[Spoken] = await asyncio.gather(
            *(askers[place % len(askers)].whole(ids, bench.tokens) for place, ids in enumerate(asked))
        )
        rates.append(sum(map(length, told)) / (time.perf_counter() - began))
    return round(max(rates), 1)
