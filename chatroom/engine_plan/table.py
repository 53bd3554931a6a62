"""A plan as rows for people. Numbers of a shared engine stand once, in the row of its last speaker. Decides nothing."""

from collections.abc import Iterator

from chatroom.engine_plan.planned import Plan, PlannedEngine, Row
from chatroom.engine_plan.reasons import gib
from chatroom.engine_plan.wishes import EMBEDDED

WORDS = ("ROLE", "ENGINE", "SHARES WITH", "HOLDS", "PRECISION")
NUMBERS = ("WEIGHTS", "OVERHEAD", "KV", "DECODING", "CACHE SHARE")
HEAD = (*WORDS, *NUMBERS, "STATE")
REASON = "REASON"
SAME, NONE = '"', "-"


def table(plan: Plan) -> list[list[str]]:
    """A heading and a row for each role."""
    return [[*HEAD, REASON], *_lines(plan)]


def summary(plan: Plan) -> list[str]:
    """The sum, and what is left."""
    running = [engine for engine in plan.engines if engine.state == "runs"]
    parts = " + ".join(gib(engine.total) for engine in running) or gib(0)
    count = "1 engine runs" if len(running) == 1 else f"{len(running)} engines run"
    return [
        f"{count}: {parts} = {gib(plan.used)} of {gib(plan.budget)}; {gib(plan.left)} are left",
        "overhead is an estimate until it is measured; engines start one after another, in the order of the table",
    ]


def _lines(plan: Plan) -> Iterator[list[str]]:
    shown: set[int] = set()
    for row in plan.rows:
        if row.at is None:
            yield [row.role, *[NONE] * (len(HEAD) - 2), row.state, row.reason]
            continue
        engine = plan.engines[row.at]
        numbers = [SAME] * len(NUMBERS) if row.at in shown else _numbers(engine)
        yield [row.role, *_words(row, engine), *numbers, row.state, row.reason]
        shown.add(row.at)


def _words(row: Row, engine: PlannedEngine) -> list[str]:
    others = ", ".join(role for role in engine.roles if role != row.role) or NONE
    return [engine.engine, others, engine.name, engine.precision]


def _numbers(engine: PlannedEngine) -> list[str]:
    share = NONE if engine.engine == EMBEDDED or engine.state != "runs" else f"{engine.share:.6f}"
    decoding = gib(engine.decoding) if engine.decoding_most else NONE
    return [gib(engine.weight_bytes), gib(engine.overhead), gib(engine.cache), decoding, share]
