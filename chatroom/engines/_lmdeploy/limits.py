"""How long what may take on a server of LMDeploy. Knows nothing else."""

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How long what may take, in seconds.

    Args:
        start: Until the weights are loaded.
        report: Between two words about how the loading goes.
        poll: Longest pause between two looks whether it is ready.
        grace: Between asking a server to end and ending it.
        silence: Within an answer.
        doubt: After so much silence at the end of a turn, the server is asked for its health.
        finish: For the turns that run, before a server that needs another adapter is started anew.
        settle: For the last words of a turn that was cut off.
        pauses: Before it is started anew after a crash, one for each crash in a row.
    """

    start: float = 900
    report: float = 10
    poll: float = 1
    grace: float = 10
    silence: float = 60
    doubt: float = 10
    finish: float = 120
    settle: float = 2
    pauses: tuple[float, ...] = (0, 1, 4, 15, 60)
