"""What a finder says: where in a text something personal stands, of which kind, and which of its kind it is.

The kinds and their words in placeholders are here, for a placeholder must be known again when a text is scrubbed twice.
It knows no patterns.
"""

import re
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

Kind = Literal[
    "phone", "id", "passport", "card", "mail", "link", "address", "account", "key", "ip", "plate", "name"
]  # fmt: skip
Language = Literal["zh", "en"]

WORDS: dict[Kind, tuple[str, str]] = {
    "phone": ("电话", "phone"),
    "id": ("证件", "id"),
    "passport": ("护照", "passport"),
    "card": ("卡号", "card"),
    "mail": ("邮箱", "mail"),
    "link": ("链接", "link"),
    "address": ("地址", "address"),
    "account": ("账号", "account"),
    "key": ("密钥", "key"),
    "ip": ("网络地址", "ip"),
    "plate": ("车牌", "plate"),
    "name": ("人名", "name"),
}
"""What stands for each kind: in Chinese text, in other text."""

_KINDS = {word: kind for kind, words in WORDS.items() for word in words}
PLACEHOLDER = re.compile(rf"\[(?:(?P<zh>{'|'.join(w[0] for w in WORDS.values())})(?P<n>[0-9]{{1,9}})|"
                         rf"(?P<en>{'|'.join(w[1] for w in WORDS.values())}) (?P<m>[0-9]{{1,9}}))\]")  # fmt: skip


class Found(NamedTuple):
    """Something personal in a text.

    Args:
        key: Which of its kind: the same number written in two ways has one key.
    """

    start: int
    end: int
    kind: Kind
    key: str


Finder = Callable[[str], Iterator[Found]]
"""Looks through a text that was folded (see folding.py); takes time linear in its length."""


def placeholder(kind: Kind, number: int, language: Language) -> str:
    """Writes what stands in a text for something of a kind: `[电话1]`, `[phone 1]`."""
    chinese, other = WORDS[kind]
    return f"[{chinese}{number}]" if language == "zh" else f"[{other} {number}]"


def placeholders(text: str) -> Iterator[tuple[int, int, Kind, int]]:
    """Finds the placeholders of a text: start, end, kind, number."""
    for found in PLACEHOLDER.finditer(text):
        kind = _KINDS[found["zh"] or found["en"]]
        yield found.start(), found.end(), kind, int(found["n"] or found["m"])


def value(found: re.Match[str], kind: Kind, key: str = "", group: str | int = "value") -> Found:
    """What a pattern found in one of its groups; without a key, the text is its own."""
    return Found(found.start(group), found.end(group), kind, key or found[group])
