"""The front matter of a page: what stands between two lines of `---` at its very top, about the page itself.

Of YAML it knows `key: value` with or without quotes, `[a, b]`, a list of `- item` lines, and comments; the keys are
`title`, `aliases` (or `alias`), `audience` and `url`, whatever else is there is passed over. Front matter that can't be
read is told and left in the text; but if it speaks of an audience, the whole page is refused: better lost than shown.
"""

import json
import re
from collections.abc import Sequence

from knowledge.errors import UnreadableError
from knowledge.sources.base import SourceFile

_LONGEST = 200
_ALIKE = {"alias": "aliases"}
_KNOWN = ("title", "aliases", "audience", "url")
_FIELD = re.compile(r"""["']?([^\s"':#-][^"':]*?)["']?\s*:(?:\s+(.*))?$""")
_SECRET = re.compile(r"""(?:^|[\s{,"'])audience["']?\s*[:：=]""", re.IGNORECASE)
_MARKS = ("---", "+++")
_ITEM = re.compile(r"\s*-\s+(.*)$")
_QUOTED = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^']|'')*')\s*(?:\s#.*)?$""")
_LIST_PART = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^,"']+""")


def front_matter(file: SourceFile, lines: Sequence[str]) -> tuple[dict[str, object], int]:
    """Fields of a page, and how many lines they take: none where it has no front matter.

    Raises:
        UnreadableError: It can't be read, and might say who may see the page.
    """
    first = next((number for number, line in enumerate(lines[:_LONGEST]) if line.strip()), 0)
    if not lines or (mark := lines[first].strip()) not in _MARKS:
        return {}, 0
    last = next((n for n, line in enumerate(lines[: first + _LONGEST]) if n > first and _is_end(line, mark)), 0)
    block = lines[first + 1 : last or first + _LONGEST]
    secret = any(_SECRET.search(line) for line in block)
    try:
        fields = _fields(block, first + 2, bool(last)) if mark == "---" else _none_of_toml()
        if secret and "audience" not in fields:
            raise ValueError("audience stands where it is not looked for: write it as `audience: mara` in a line")
        return fields, last + 1
    except ValueError as error:
        if secret:
            problem = f"its front matter can't be read ({error}) and names an audience; so nobody is shown this page"
            raise UnreadableError(file.name, problem, f"line {first + 1}") from None
        if last or (block and _FIELD.match(block[0])):
            file.skip(f"line {first + 1}", f"the front matter is taken for text: {error}")
        return {}, 0


def _is_end(line: str, mark: str) -> bool:
    return line.strip() in (mark, "...")


def _none_of_toml() -> dict[str, object]:
    raise ValueError("fields between lines of +++ are not read: write them between lines of ---")


def _fields(block: Sequence[str], first: int, ended: bool) -> dict[str, object]:
    """Reads the lines between the marks; `first` is the number of the first."""
    if not ended:
        raise ValueError("no line of --- ends it")
    found: dict[str, list[str]] = {}
    key = ""
    for number, line in enumerate(block, start=first):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if field := _FIELD.match(line):
            key = _ALIKE.get(field[1].lower(), field[1].lower())
            if key in found and key in _KNOWN:
                raise ValueError(f"line {number} gives {key} again")
            found[key] = [field[2] or ""]
        elif key and line[0] in " \t-":
            found[key].append(line)
        else:
            raise ValueError(f"line {number} is not `key: value`")
    return {key: _value(key, found[key]) for key in _KNOWN if key in found}


def _value(key: str, written: Sequence[str]) -> object:
    """A text or a list of texts, as it was written behind a key and in the lines below it."""
    value, rest = _uncommented(written[0]), written[1:]
    if rest:
        items = [_ITEM.match(line) for line in rest]
        if value or not all(items):
            raise ValueError(f"{key} goes over several lines: write it in one, or as a list of `- item` lines")
        return [_text(key, _uncommented(item[1])) for item in items if item]
    if value.startswith("["):
        if not value.endswith("]"):
            raise ValueError(f"{key} has no closing ]")
        return [_text(key, part.strip()) for part in _LIST_PART.findall(value[1:-1]) if part.strip()]
    return _text(key, value)


def _uncommented(value: str) -> str:
    value = value.strip()
    if quoted := _QUOTED.match(value):
        return quoted[1]
    return value if value[:1] in ("'", '"') else re.split(r"(?:^|\s)#", value, maxsplit=1)[0].strip()


def _text(key: str, value: str) -> str:
    """Takes the quotes off."""
    try:
        if value.startswith('"'):
            return str(json.loads(value))
    except ValueError:
        raise ValueError(f"{key} has quotes that do not close") from None
    if value.startswith("'"):
        if len(value) < 2 or not value.endswith("'"):
            raise ValueError(f"{key} has quotes that do not close")
        return value[1:-1].replace("''", "'")
    if value[:1] in tuple("&*!|>%@`{}[]"):
        raise ValueError(f"{key} begins with {value[0]}: put it in quotes")
    return value
