"""What a page or record may say about itself besides its text: other names, who may see it, where it can be read.

One rule stands above the others: what is meant for some is never given to all. An audience that can't be understood
is an error, and whoever meets it leaves the page out.
"""

import re
from collections.abc import Mapping

from knowledge.documents import Audience

_COMMA = re.compile(r"[,，、;；]")


def names(value: object) -> tuple[str, ...]:
    """Names in a list, or in one text with commas between them, Chinese ones too.

    Raises:
        ValueError: It is something else.
    """
    parts = _COMMA.split(value) if isinstance(value, str) else value
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise ValueError("it must be names: a list of texts, or one text with commas")
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


def audience(fields: Mapping[str, object]) -> Audience | None:
    """Who may see it; None for everyone.

    Raises:
        ValueError: It says who, but names nobody that can be understood; the message is for people.
    """
    written = next((value for key, value in fields.items() if key.lower() == "audience"), None)
    if written is None:
        return None
    try:
        if found := names(written):
            return found
    except ValueError as error:
        raise ValueError(f"audience: {error}; so nobody is shown it") from None
    raise ValueError("audience names nobody; so nobody is shown it: name who may see it, or take the word out")


def aliases(fields: Mapping[str, object]) -> tuple[str, ...]:
    """Other names; none where they can't be understood."""
    try:
        return names(fields.get("aliases") or [])
    except ValueError:
        return ()


def url(fields: Mapping[str, object]) -> str:
    """An address on the web; "" for anything else."""
    found = fields.get("url")
    return found.strip() if isinstance(found, str) and re.match(r"\s*https?://[^\s]+\s*$", found) else ""
