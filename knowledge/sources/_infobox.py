"""An infobox as text: one fact a line, as `Age: 53`, in a section of its own.

Knows neither HTML nor wikitext; html.py and _wikitext.py find the boxes.
"""

import re
from collections.abc import Iterable

from knowledge.documents import Noun, Section

Fact = tuple[str, str]
"""Key and value."""

_LOOKS = re.compile(
    r"(?i)^(?:image|img|picture|photo|logo|map|signature|file|cover)[ _-]?\d*$|^pushpin"
    r"|(?:size|width|height|alt|caption|colou?r|style|class|bg|background|upright)\d*$"
    r"|^(?:embed|child|module|nocat|float|align|[图圖](?:片|像)|图片(?:大小|宽度|说明)|(?:标题|背景)?[颜顏]?色|样式|立绘|头像)\d*$"
)
"""Keys that say how a box looks."""
_TITLES = frozenset(("name", "title", "title1", "姓名", "名称", "名稱", "名字", "标题"))
_MARKS = re.compile(r"^[-*#:;•\s]+")


class Infobox(Noun, frozen=True, kw_only=True):
    """Name and facts; the name is "" for a box without one."""

    name: str = ""
    facts: tuple[Fact, ...]


def infobox(pairs: Iterable[Fact], name: str = "") -> Infobox:
    """Keeps what tells something; without a name the box is called by the row that holds one."""
    facts = tuple((label(key), one_line(value)) for key, value in pairs if not _LOOKS.search(key.strip()))
    facts = tuple((key, value) for key, value in facts if key and value)
    named = (value for key, value in facts if key.casefold() in _TITLES)
    return Infobox(name=name or next(named, ""), facts=facts)


def label(key: str) -> str:
    """A key as one would read it: `birth_place` as `birth place`."""
    return " ".join(key.replace("_", " ").split()).rstrip(":： ")


def one_line(value: str) -> str:
    """Lines and list items of a value, separated by commas."""
    lines = (" ".join(_MARKS.sub("", line).split()).rstrip(",，") for line in value.splitlines())
    return ", ".join(filter(None, lines))


def section(box: Infobox, title: str) -> Section:
    """Facts under the box's name, unless that is the page's title anyway."""
    text = "\n".join(f"{key}: {value}" for key, value in box.facts)
    return Section(path=() if box.name.casefold() in ("", title.casefold()) else (box.name,), text=text)
