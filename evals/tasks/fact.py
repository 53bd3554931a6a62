"""Whether the right fact is in the reply, where the pages hold it, and a wrong guess is not."""

from evals.asking import Reply
from evals.tasks.base import Known, missed

HELP = "gives the fact that the pages hold"
EXPECTED = 0.8


def judge(reply: Reply, known: Known) -> str | None:
    return missed(reply) if reply.probe.kind == "fact" and reply.probe.wanted else None
