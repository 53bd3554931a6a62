"""The words around the content of a prompt, one small TOML file per language.

A language without a file uses its parent's (`zh-TW` → `zh`), then English. A change here changes every prompt of that
language: adapters were trained with these words, so it is a change of the layout's version.
"""

from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType

import msgspec

FALLBACK = "en"


class Words(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Format strings; what may be filled in is named after each."""

    cue: str
    """Whose turn it is: {name}."""
    persona: str
    """Who the role is: {text}."""
    note: str
    """A whisper: {text}, and the public line {after} which it was whispered."""
    passages: str
    """What the role knows: {name}, {text}."""
    memory: str
    """What was said long ago: {name}, {text}."""
    examples: str
    """How the role talks: what {name} answered to {before} once, {text}."""
    joined: str
    """{name} took a seat; part of the transcript."""
    left: str
    """{name} went away; part of the transcript."""


def languages() -> list[str]:
    """Languages that have a file."""
    files = (entry.name for entry in resources.files(__name__).iterdir())
    return sorted(name.removesuffix(".toml") for name in files if name.endswith(".toml"))


def file_for(language: str) -> str:
    """The language whose file is used for this one."""
    known = {name.lower(): name for name in languages()}
    parts = language.lower().replace("_", "-").split("-")
    tries = ("-".join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((known[name] for name in tries if name in known), FALLBACK)


@cache
def words(language: str) -> Mapping[str, str]:
    """The words of a language, by the names of the fields above."""
    data = resources.files(__name__).joinpath(f"{file_for(language)}.toml").read_bytes()
    return MappingProxyType(msgspec.structs.asdict(msgspec.toml.decode(data, type=Words)))
