"""What a reply's prompt cost its engine, in one line: the shared memory at work. Pure; knows no screen."""

from chatroom.messages import Usage


def usage_line(usage: Usage | None) -> str:
    """How much of the prompt was still held from before; what was not said is called unknown, never nothing."""
    if usage is None:
        return "how many tokens were in memory is not known"
    return f"{usage.cached:,} of {usage.prompt:,} tokens were in memory"
