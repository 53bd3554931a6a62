"""Moments → records of a role's lines.jsonl: its voice at the table, and something to train on again.

It is handed what is learnt, never what is held out, so that measuring stays honest. Whispers are left out: an example
is shown at every table. What models wrote stays on the workbench.
"""

from collections.abc import Iterable

from finetune.dataset.moment import Moment
from finetune.dialogue import Line, Record

LAST = 4
"""Lines before the reply that a record keeps."""


def records(moments: Iterable[Moment]) -> list[Record]:
    """The role's own turns, each with the last lines that all heard before it."""
    own = (moment for moment in moments if moment.origin == "own")
    return [record for moment in own if (record := _record(moment))]


def _record(moment: Moment) -> Record | None:
    """None where nobody said anything before, or the reply may have been a whisper itself."""
    if not moment.heard or moment.heard[-1].audience is not None:
        return None
    said = [Line(name=line.name, text=line.text) for line in moment.heard if line.audience is None and line.name]
    return Record(context=said[-LAST:], reply=moment.reply) if said else None
