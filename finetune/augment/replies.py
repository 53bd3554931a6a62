"""A model's reply → its fields: `Q: …` and `A: …` on lines of their own, or the same as JSON; and what of it is usable.

Models number, embolden and fence what they were asked for plainly: that is forgiven. What breaks a role, such as the
model's talk about itself, is not. It knows no engine.
"""

import re
from collections.abc import Iterator, Mapping

import msgspec

from finetune.augment.job import Field, Job

LONGEST = 2_000
"""Characters of one field; more is no line that somebody says."""
MOST_READ = 40_000

_FIELD = re.compile(
    r"[ \t*#>-]{0,8}(?:[0-9]{1,3}[.、)] ?)?\**(?P<name>premise|question|answer|reply|[PQA]|场景|前提"
    r"|问题?|答|回答|回复)"
    r"[ ]?[0-9]{0,3}\**[ ]?[:：]\**[ \t]*",
    re.IGNORECASE,
)
_FIELDS: dict[str, Field] = {
    **dict.fromkeys(("p", "premise", "场景", "前提"), "P"),
    **dict.fromkeys(("q", "question", "prompt", "问", "问题"), "Q"),
    **dict.fromkeys(("a", "answer", "reply", "答", "回答", "回复"), "A"),
}
_BREAKS_ROLE = re.compile(
    r"\bas an? (?:ai|artificial|language model)|\bi(?:'m| am) (?:an? )?(?:ai\b|language model)"
    r"|i can(?:'t|not) (?:assist|help with)"
    r"|作为(?:一个|一名)?(?:AI|人工智能|语言模型|大模型)|我是(?:一个)?(?:AI|人工智能|语言模型)|无法(?:提供|满足)(?:您|你)的",
    re.IGNORECASE,
)
_EMPTY = re.compile(r"[\W_]*|[<\[{(].{0,40}[>\]})]", re.DOTALL)
_BROKEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffd\ufffe\uffff]")
"""What nobody types: a model that writes it, or half a character of UTF-8, is not writing words."""
_HAN = re.compile("[\u3400-\u9fff]")


def read(reply: str, job: Job) -> list[dict[Field, str]]:
    """Reads what a reply gives, complete or not; `usable` tells which of it can be kept."""
    body = reply[:MOST_READ].strip()
    given = _from_json(body)
    return given if given is not None else list(_from_lines(body.split("\n"), job.fields[0]))


def usable(given: Mapping[Field, str], job: Job) -> dict[Field, str] | None:
    """The fields of a reply as they are kept; None where one is missing, empty, long, garbled or out of the role."""
    kept = {name: _bare(given.get(name, ""), job.role if name == "A" else job.asker) for name in job.fields}
    return kept if all(_is_said(text, job.language) for text in kept.values()) else None


def _from_lines(lines: list[str], first: Field) -> Iterator[dict[Field, str]]:
    """Reads fields on lines of their own; a line without one goes on with the field before it."""
    given: dict[Field, list[str]] = {}
    name: Field | None = None
    for line in lines:
        if (found := _FIELD.match(line)) is not None:
            name, line = _FIELDS[found["name"].casefold()], line[found.end() :]
            if given and (name == first or name in given):
                yield _joined(given)
                given = {}
        if name:
            given.setdefault(name, []).append(line.strip())
    if given:
        yield _joined(given)


def _joined(given: dict[Field, list[str]]) -> dict[Field, str]:
    return {name: "\n".join(lines).strip() for name, lines in given.items()}


def _from_json(body: str) -> list[dict[Field, str]] | None:
    """Reads JSON, bare or fenced: an object, a list of them, or a list under one key. None where it is none."""
    begin = min((at for at in (body.find("{"), body.find("[")) if at >= 0), default=-1)
    end = max(body.rfind("}"), body.rfind("]"))
    if begin < 0 or end < begin or not re.fullmatch(r"(?:```\w*)?\s*", body[:begin]):
        return None
    try:
        read = msgspec.json.decode(body[begin : end + 1])
    except (msgspec.DecodeError, RecursionError):
        return None
    if isinstance(read, dict):
        nested = next((value for value in read.values() if isinstance(value, list)), None)
        read = [read] if nested is None else nested
    return [_named(row) for row in read if isinstance(row, dict)] if isinstance(read, list) else None


def _named(row: dict[object, object]) -> dict[Field, str]:
    named = ((_FIELDS.get(str(key).casefold()), value) for key, value in row.items())
    return {name: value for name, value in named if name and isinstance(value, str)}


def _bare(text: str, speaker: str) -> str:
    """A text without its speaker's name, and without quotation marks around all of it."""
    text = text.strip().strip("*").strip().removesuffix("```").strip()
    head, colon, rest = text.partition("：" if "：" in text[: len(speaker) + 1] else ":")
    text = rest.strip() if colon and speaker and head.strip("* ").casefold() == speaker.casefold() else text
    paired = len(text) > 1 and text[0] + text[-1] in ('""', "“”", "「」")
    return text[1:-1].strip() if paired and text[0] not in text[1:-1] and text[-1] not in text[1:-1] else text


def _is_said(text: str, language: str) -> bool:
    if not text or len(text) > LONGEST or _EMPTY.fullmatch(text) or _BREAKS_ROLE.search(text):
        return False
    if _BROKEN.search(text):
        return False
    return language != "zh" or _HAN.search(text) is not None
