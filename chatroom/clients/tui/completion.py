"""What the words before the cursor could become: names after `@`, commands after `/`. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from chatroom.clients._typed_line import COMMANDS
from chatroom.frames import Seated

MOST = 5


class Completion(NamedTuple):
    """Replaces the last `length` characters before the cursor."""

    length: int
    text: str
    about: str = ""


def completions(before: str, roster: Sequence[Seated], you: str = "") -> list[Completion]:
    """The completions of what stands before the cursor on its line, best first."""
    if before.startswith("/") and not before.startswith("//"):
        return _commands(before, roster)
    head, at, typed = before.replace("＠", "@").rpartition("@")
    if not at or (head and head[-1].isascii() and head[-1].isalnum()):
        return []  # no name begins within a word, as in an address
    return [
        Completion(len(typed) + 1, f"@{seated.who.name} ", seated.about)
        for seated in _called(typed, roster)
        if seated.who.id != you and typed.casefold() != f"{seated.who.name} ".casefold()
    ][:MOST]


def _commands(before: str, roster: Sequence[Seated]) -> list[Completion]:
    verb, space, typed = before[1:].partition(" ")
    if space:
        roles = [seated for seated in _called(typed, roster) if verb == "dismiss" and seated.who.kind == "role"]
        return [Completion(len(typed), seated.who.name) for seated in roles if seated.who.name != typed][:MOST]
    found = ((name, *COMMANDS[name]) for name in COMMANDS if name.startswith(verb) and name != verb)
    return [Completion(len(before), f"/{name} " if wants else f"/{name}", about) for name, wants, about in found][:MOST]


def _called(typed: str, roster: Sequence[Seated]) -> list[Seated]:
    """Those of whom a name, a word of a name, or an alias begins like this; roles first."""
    wanted = typed.casefold()

    def fits(seated: Seated) -> bool:
        names = (seated.who.name, *seated.who.name.split(), *seated.aliases)
        return any(name.casefold().startswith(wanted) for name in names) or wanted == f"{seated.who.name} ".casefold()

    return sorted(filter(fits, roster), key=lambda seated: seated.who.kind != "role")
