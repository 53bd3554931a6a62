"""Whether a reply that names a guest names the one who asks, or somebody who was named before.

It knows the names that guests went by in training; one of them in the wrong place is what a small model gets wrong.
Names that are words as well, as `sky` and `wolf`, are not looked for.
"""

from evals.asking import Reply
from evals.tasks.base import Known
from evals.tasks.base import names as is_named
from finetune.base.talk import GUESTS

HELP = "names nobody who is not there"
EXPECTED = 0.95
_WORDS = frozenset(["Ash", "Will", "Grace", "Kit", "Robin"])
NAMES = tuple(name for name in GUESTS if not name.islower() and name not in _WORDS)


def judge(reply: Reply, known: Known) -> str | None:
    named = [name for name in NAMES if name in reply.text and name not in known.names and is_named(name, reply.text)]
    if not named:
        return None
    heard = [f"{line.name} {line.text}" for line in reply.probe.heard]
    there = "\n".join([*heard, *(f"{each.title} {each.text}" for each in reply.passages)])
    wrong = sorted(name for name in named if not is_named(name, there))
    return f"nobody called {wrong[0]} is there" if wrong else ""
