"""Whether a reply takes up what it must, in talk: the guest's name, the number that was rolled.

Only probes that say so are asked; what is expected of the other kinds is judged beside this.
"""

from evals.asking import Reply
from evals.tasks.base import Known, missed

HELP = "takes up what was just said, where the moment wants it"
EXPECTED = 0.7


def judge(reply: Reply, known: Known) -> str | None:
    marked = reply.probe.wanted or reply.probe.unwanted
    return missed(reply) if reply.probe.kind == "talk" and marked else None
