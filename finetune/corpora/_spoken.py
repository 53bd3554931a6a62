"""One line as every corpus has it: a stripped name of one row, a text that is not blank, no NULs.

It also knows what the two sides of an instruction set are called where nobody has a name. It does not know files.
"""

import re
from collections.abc import Iterable

from finetune.dialogue import Line

_HAN, _LATIN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]"), re.compile(r"[A-Za-z\u00c0-\u024f]")
_SAMPLE = 4000
"""Characters of a text from which its script is told."""


def spoken(name: str, text: str, audience: Iterable[str] | None = None, made_by: str = "") -> Line | None:
    """A line; None where nothing was said. An audience is sorted, each name once."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "").strip()
    if not text:
        return None
    heard = None if audience is None else tuple(sorted({plain_name(one) for one in audience} - {""}))
    return Line(name=plain_name(name), text=text, audience=heard, made_by=made_by)


def plain_name(name: str) -> str:
    """A name in one row, with single spaces."""
    return " ".join(name.replace("\0", "").split())


def is_chinese(text: str) -> bool:
    """Whether a text is mostly written in Chinese characters: one of them counts as two letters."""
    sample = text[:_SAMPLE]
    han = len(_HAN.findall(sample))
    return han > 0 and han * 2 >= len(_LATIN.findall(sample))


def asker(text: str) -> str:
    """What somebody without a name is called who asks this."""
    return "用户" if is_chinese(text) else "User"


def answerer(text: str) -> str:
    """What somebody without a name is called who answers this."""
    return "助手" if is_chinese(text) else "Assistant"
