"""The [model] table of a role.toml with other keys: the text around them, with its comments, stays as it is.

What the new text says is read back and compared, so that an unusual file is refused and never spoilt. It knows no
files.
"""

import json
import re
from collections.abc import Mapping

from chatroom.toml_table import table_in
from finetune.errors import WorkshopError

HEADER = re.compile(r"\[ *model *\] *(?:#.*)?")


def with_model(text: str, keys: Mapping[str, str | None]) -> str:
    """The text with keys of [model] set, or taken out where they are None.

    Raises:
        WorkshopError: It can't be changed safely.
    """
    rows = text.splitlines()
    start = next((at for at, row in enumerate(rows) if HEADER.fullmatch(row.strip())), None)
    if start is None:
        rows += ["", "[model]"]
        start = len(rows) - 1
    end = next((at for at in range(start + 1, len(rows)) if rows[at].lstrip().startswith("[")), len(rows))
    changed = [*rows[: start + 1], *_changed(rows[start + 1 : end], keys), *rows[end:]]
    new = "\n".join(changed) + "\n"
    if not _as_wished(text, new, keys):
        wished = ", ".join(f"{key} = {value!r}" for key, value in keys.items() if value)
        raise WorkshopError(
            "role.toml", "its [model] table can't be changed safely", f"write it plainly, with {wished}"
        )
    return new


def _changed(rows: list[str], keys: Mapping[str, str | None]) -> list[str]:
    wanted = {key: value for key, value in keys.items() if value is not None}
    left = [row for row in rows if _key(row) not in keys]
    while left and not left[-1].strip():
        left.pop()
    at = [place for place, row in enumerate(rows) if _key(row) in keys]
    first = min(at[0] if at else len(left), len(left))
    new = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in wanted.items()]
    blank = [""] if len(rows) > 0 and not rows[-1].strip() else []
    return [*left[:first], *new, *left[first:], *blank]


def _key(row: str) -> str:
    """The key that a row sets; "" for a comment or anything else."""
    return row.partition("=")[0].strip() if "=" in row else ""


def _as_wished(before: str, after: str, keys: Mapping[str, str | None]) -> bool:
    was, now = table_in(before), table_in(after)
    model = was.get("model", {})
    if not isinstance(model, dict):
        return False
    kept = {key: value for key, value in model.items() if key not in keys}
    return now == {**was, "model": kept | {key: value for key, value in keys.items() if value is not None}}
