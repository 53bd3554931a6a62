"""The text of role.toml for a role that came from a card: what the card decides, over the bundled base.

It knows no card; the text is all there is.
"""

import json
from collections.abc import Sequence

__all__ = ["role_toml"]

_TEXT = """\
# From a character card. `python launch.py role check {id}` says what is wrong here, if anything is.

name = {name}
aliases = {aliases}
language = {language}
about = {about}
greeting = {greeting}

[model]
base = "models/hearth"        # models/NAME, a folder in here, or a hub id
# adapter = "adapter"         # folder of a LoRA adapter for the base

[knowledge]
sources = {sources}           # folders or files in here that only this role knows

[turns]
talkativeness = {talkativeness}           # 0 to 1: how often it speaks unasked
"""
_USUAL_TALKATIVENESS = 0.5


def role_toml(
    id: str,
    *,
    name: str,
    aliases: Sequence[str],
    language: str,
    about: str,
    greeting: str,
    sources: Sequence[str],
    talkativeness: float | None,
) -> str:
    """The text of a role.toml."""
    talks = _USUAL_TALKATIVENESS if talkativeness is None else talkativeness
    return _TEXT.format(
        id=id,
        name=_quoted(name),
        aliases=_quoted(list(aliases)),
        language=_quoted(language),
        about=_quoted(about),
        greeting=_quoted(greeting),
        sources=_quoted(list(sources)),
        talkativeness=f"{talks:.6g}" if 0.0001 <= talks < 1 else f"{talks:.1f}",
    )


def _quoted(value: str | list[str]) -> str:
    """JSON is TOML here, but for one control character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
