"""How fast does it speak, to one and to many at a time? Replies of one length, in as many rooms as there are streams.

Compared with transformers' `generate()` over the same weights on the same GPU, one reply at a time.
"""

import asyncio
import time
from statistics import median

from benchmarks.gpu import texts
from benchmarks.gpu.asking import Asker, Spoken
from benchmarks.gpu.bench import Bench
from benchmarks.gpu.reference import Reference
from benchmarks.gpu.rows import Part, Row
from benchmarks.gpu.servers import Served
from chatroom.engines._lmdeploy.local_base import LocalBase

QUESTION = "How many tokens a second, and how soon the first, to 1, 8 and 32 at a time?"


class Speed(Row, frozen=True, kw_only=True):
    """One number of streams; the best of several rounds.

    Args:
        tokens_per_second: Of all streams together, from the request to the last id.
        first_ms: To the first id, median over the streams; the prompts are new to the server.
        slowest_first_ms: Of the one that waited longest.
        start_s: That the server took to get ready.
        held_mb: Memory of the GPU that it took, with its cache.
    """

    weights: str
    streams: int
    tokens_per_second: float
    per_stream: float
    first_ms: float
    slowest_first_ms: float
    start_s: float
    held_mb: int


def prompts(base: LocalBase, lines: int, count: int, mark: str) -> list[list[int]]:
    """So many rooms; another mark makes rooms that no server has seen."""
    return [
        base.prompt_ids(texts.prompt(f"{mark} {number}", texts.transcript(lines, start=number)))
        for number in range(count)
    ]


async def fastest(asker: Asker, base: LocalBase, bench: Bench, streams: int, mark: str) -> tuple[float, list[Spoken]]:
    """Tokens per second of the best round, and its replies."""
    rounds = []
    for number in range(bench.rounds):
        asked = prompts(base, bench.lines, streams, f"{mark} {number}")
        began = time.perf_counter()
        told = await asker.together(asked, bench.tokens)
        rounds.append((sum(length(each) for each in told) / (time.perf_counter() - began), told))
    return max(rounds, key=lambda each: each[0])


def length(spoken: Spoken) -> int:
    """Ids of a reply; where the server does not say how many it computed, those that came."""
    return spoken.reply or len(spoken.ids)


async def run(part: Part, bench: Bench, served: Served, name: str) -> None:
    """Times one server at each number of streams."""
    await served.asker.together(prompts(served.base, bench.lines, 2, "warm"), 8)
    for streams in bench.streams:
        rate, told = await fastest(served.asker, served.base, bench, streams, f"{name} {streams}")
        firsts = [spoken.first * 1000 for spoken in told]
        part.rows.append(
            Speed(
                weights=name,
                streams=streams,
                tokens_per_second=round(rate, 1),
                per_stream=round(rate / streams, 1),
                first_ms=round(median(firsts), 1),
                slowest_first_ms=round(max(firsts), 1),
                start_s=round(served.start, 1),
                held_mb=served.held >> 20,
            )
        )


async def baseline(part: Part, bench: Bench, base: LocalBase) -> None:
    """Times transformers."""
    ids = prompts(base, bench.lines, 1, "baseline")[0]
    first, rate = await asyncio.to_thread(_transformers, bench, ids)
    part.rows.append(
        Speed(
            weights=f"transformers {bench.dtype}",
            streams=1,
            tokens_per_second=round(rate, 1),
            per_stream=round(rate, 1),
            first_ms=round(first * 1000, 1),
            slowest_first_ms=round(first * 1000, 1),
            start_s=0.0,
            held_mb=0,
        )
    )


def _transformers(bench: Bench, ids: list[int]) -> tuple[float, float]:
    model = Reference(bench.base, device=bench.device, dtype=bench.dtype)
    try:
        model.speed(ids, 8)  # the first call sets everything up
        return model.speed(ids, bench.tokens)
    finally:
        model.free()
