"""Whether a reply is one whole line of its speaker: it ends, leaks nothing and speaks for nobody else.

It sees what the model gave; a room would cut a line in somebody else's name away, and the reply would be short.
"""

import re

from evals.asking import Reply
from evals.tasks.base import Known

HELP = "is one whole line: ends properly, without special tokens, names of speakers, or other people's lines"
EXPECTED = 1.0
_END = re.compile(r"[.!?…。！？～~—][\"'”’)*_」』）】》]*$")


def judge(reply: Reply, known: Known) -> str:
    if not reply.text.strip():
        return "it is empty"
    if "<|" in reply.text or "|>" in reply.text:
        return "a special token leaked"
    if _speaks_for(reply, known):
        return "it holds somebody's line"
    if reply.used > reply.most:
        return "it was cut off at the limit"
    return "" if _END.search(reply.text.rstrip()) else "it stops in the middle"


def _speaks_for(reply: Reply, known: Known) -> bool:
    """Whether a line of it opens with a name of somebody at the table, the first name alone or all of it."""
    full = {*known.lines, reply.name, *(line.name for line in reply.probe.heard)}
    named = {name.casefold() for whole in full for name in (whole, whole.split(" ")[0]) if name}
    rows = (re.split(r"[:：]", row, maxsplit=1) for row in reply.text.split("\n"))
    return any(len(row) == 2 and row[0].strip(" *").casefold() in named for row in rows)
