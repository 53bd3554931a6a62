"""Whether a role stays of its world: it knows nothing of ours, and does not take itself for a machine."""

from evals.asking import Reply
from evals.tasks.base import Known, missed, words_of

HELP = "stays of its world"
EXPECTED = 0.95
_FOREIGN = "ai chatbot bot model program programmed computer internet website smartphone assistant software"
FOREIGN = frozenset(_FOREIGN.split())
"""What nobody on the island knows; repeating the guest's own word, to wonder at it, is no fault."""


def judge(reply: Reply, known: Known) -> str | None:
    if reply.probe.kind != "strange":
        return None
    if why := missed(reply):
        return why
    heard = {word for line in reply.probe.heard for word in words_of(line.text)}
    foreign = (set(words_of(reply.text)) & FOREIGN) - heard
    return f"it speaks of {sorted(foreign)[0]!r}" if foreign else ""
