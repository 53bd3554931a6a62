"""Gives a role another name in the text of its role.toml; comments and all else stay as they are. Knows no folder."""

import json
import re

from chatroom.toml_table import table_in

__all__ = ["renamed"]

_NAME = re.compile(r"^name[ \t]*=[^\n]*", re.MULTILINE)


def renamed(text: str, name: str) -> str:
    """The text with another name; "" where it can't be changed safely."""
    line = f"name = {json.dumps(name, ensure_ascii=False)}"
    changed = _NAME.sub(lambda _: line, text, count=1)
    return changed if table_in(changed) == {**table_in(text), "name": name} else ""
