"""What does a change of speaker cost as a room grows, with and without the prefix cache?

Two roles take turns; before every turn one line is new. With the cache, all but the last block of what both have heard
should be found, whoever speaks.
"""

from statistics import median

from benchmarks.gpu import texts
from benchmarks.gpu.bench import Bench
from benchmarks.gpu.rows import Part, Row
from benchmarks.gpu.servers import Served

QUESTION = "What does a change of speaker cost as the room grows, prefix cache on and off?"
NAMES = ("Mara Vell", "Tobin Hask")
REPLY = 4


class Grown(Row, frozen=True, kw_only=True):
    """Turns at one length of the room, medians.

    Args:
        prompt: Ids of the prompt.
        cached: Of them, those that the server still had.
        first_ms: To the first id.
    """

    cache: str
    lines: int
    turns: int
    prompt: int
    cached: int
    first_ms: float


async def run(part: Part, bench: Bench, served: Served) -> None:
    """Lets one room grow on one server."""
    name, room = "on" if served.want.caching else "off", texts.transcript(max(bench.rooms) + 2 * bench.rounds + 1)
    await served.asker.whole(served.base.prompt_ids(texts.prompt("warm", room[:4])), REPLY)
    for lines in bench.rooms:
        told = []
        for turn in range(2 * bench.rounds + 1):
            asked = texts.prompt(f"growing, {name}", room[: lines + turn], NAMES[turn % 2])
            told.append(await served.asker.whole(served.base.prompt_ids(asked), REPLY))
        told = told[1:]  # the first of a length reads all lines that are new since the last one
        part.rows.append(
            Grown(
                cache=name,
                lines=lines,
                turns=len(told),
                prompt=round(median(spoken.prompt for spoken in told)),
                cached=round(median(spoken.cached for spoken in told)),
                first_ms=round(median(spoken.first for spoken in told) * 1000, 1),
            )
        )
