"""Whether a reply has the length of something said at a table; two Chinese characters are about a word."""

from evals.asking import Reply
from evals.tasks.base import HAN, Known, tokens

HELP = "has 3 to 60 words"
EXPECTED = 0.95
SHORTEST, LONGEST = 3, 60


def judge(reply: Reply, known: Known) -> str:
    characters = len(HAN.findall(reply.text))
    count = len(tokens(reply.text)) - characters + (characters + 1) // 2
    return "" if SHORTEST <= count <= LONGEST else f"it has {count} words"
