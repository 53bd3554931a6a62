"""What a typed line means: something to say, or a command.

The same for every client on a terminal. It knows no connection and no screen; whether a role exists is for the server
to say.
"""

from collections.abc import Iterable
from typing import NamedTuple

from chatroom.frames import Seated

COMMANDS = {
    "invite": ("ROLE", "seat a role from the server's folder"),
    "dismiss": ("ROLE", "send a role away"),
    "stop": ("", "end the running reply, keep its words"),
    "retry": ("", "ask for another reply than the last"),
    "why": ("", "show why the last reply was said"),
    "who": ("", "say who is here"),
    "help": ("", "show this help"),
}
"""Command → what it takes and what it does."""


class Typed(NamedTuple):
    """A typed line; the verb is `say` or a command, `unknown` for one that does not exist."""

    verb: str
    argument: str = ""


def parse(line: str) -> Typed:
    """Reads a typed line; `//` at its beginning says a line that begins with one slash."""
    stripped = line.lstrip()
    if stripped.startswith("//"):
        return Typed("say", stripped[1:])
    if not stripped.startswith("/"):
        return Typed("say", line)
    verb, _, argument = stripped[1:].strip().partition(" ")
    verb = verb.casefold()
    if verb not in COMMANDS:
        return Typed("unknown", verb)
    return Typed(verb, argument.strip())


def problem(typed: Typed) -> str:
    """What is wrong with a command, or nothing."""
    if typed.verb == "unknown":
        return f"there is no /{typed.argument}; /help lists what there is"
    wants = COMMANDS.get(typed.verb, ("", ""))[0]
    if wants and not typed.argument:
        return f"/{typed.verb} needs the name of a role"
    return ""


def excess(typed: Typed, longest: int) -> str:
    """By how much a line is longer than the server takes, or nothing."""
    length = len(typed.argument)
    return f"too long: {length:,} of {longest:,} characters" if length > longest else ""


def usages() -> list[tuple[str, str]]:
    """How each command is typed, and what it does."""
    used = [(f"/{verb} {argument}".strip(), does) for verb, (argument, does) in COMMANDS.items()]
    return [*used, ("//text", "say a line that begins with /")]


def role_id(named: str, roster: Iterable[Seated]) -> str:
    """The id of the seated role that is called so; the text itself where none is."""
    wanted = named.removeprefix("@").casefold()
    for seated in roster:
        names = (seated.who.id, seated.who.name, *seated.aliases)
        if seated.who.kind == "role" and wanted in (name.casefold() for name in names):
            return seated.who.id
    return named.removeprefix("@")
