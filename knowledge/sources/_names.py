"""Other names of what a wiki page is about: from its infobox, from the bold type of its first sentence.

Works on plain text; knows neither HTML nor wikitext.
"""

import re
from collections.abc import Iterable, Iterator

from knowledge.sources._infobox import Fact

_MOST, _LONGEST = 24, 60
"""Names of a page, and characters of a name: what is longer is a sentence."""
_KEYS = re.compile(
    r"alias(?:es)?|also known as|a\.?k\.?a|(?:other|nick|full|real|birth|native|maiden|english) ?names?"
    r"|别名|別名|[本原真全化称爱]名|外文名称?|其[他它]名称|又名|昵称|暱稱|绰号|綽號|别号|別號|[中英日]文名|曾用名|称号|爱称"
)
_APART = re.compile(r"\s*[,，、;；/／\n]\s*|\s+(?:or|and)\s+")
_ASIDE = re.compile(r"[(（\[【][^()（）\[\]【】]*[)）\]】]")
_VERB = re.compile(r"\b(?:is|was|are|were)\b|[是係。]|(?<=\w{4})\. ")
_OPENING = 600
"""Characters of a first sentence at most."""


def listed(facts: Iterable[Fact]) -> Iterator[str]:
    """Names in those rows of an infobox that hold names."""
    for key, value in facts:
        if _KEYS.fullmatch(key.casefold().replace("_", " ").rstrip(":：. 0123456789")):
            yield from _APART.split(_ASIDE.sub("", value))


def opening(paragraph: str) -> str:
    """The part of a first paragraph that names its subject: all before `is`, `was` or 是."""
    head = paragraph[:_OPENING]
    verb = _VERB.search(head)
    return head[: verb.start()] if verb else head


def distinct(names: Iterable[str], title: str) -> tuple[str, ...]:
    """Each name once, without the title, whatever its case; the first ones where there are too many."""
    found: dict[str, str] = {}
    for name in names:
        name = " ".join(name.split()).strip("\"'“”‘’「」『』 ,，:：")
        if 1 < len(name) <= _LONGEST and name.casefold() != title.casefold():
            found.setdefault(name.casefold(), name)
        if len(found) == _MOST:
            break
    return tuple(found.values())
