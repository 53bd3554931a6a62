"""What a `{{template}}` shows: the text of those that many wikis share, the facts of infoboxes, nothing of all others.

Works on arguments that are already plain text; a template's own source is never at hand.
"""

import re
from collections.abc import Sequence

from knowledge.documents import Noun

_FIRST = re.compile(
    r"nowrap|nobr|nobreak|small(?:er|caps)?|bigg?e?r?|larger|sic|abbr|tooltip|hover|heimu|黑幕|ruby|nihongo|code|kbd|strong"
    r"|em|bold|b|i|s|u|del|underline|cent(?:er|re)|left|right|删除线|文字模糊|模糊|注音|lj|ja|jpn?|en|zh|cj|fb|le|ill|link-(?:en|ja)"
    r"|flag(?:country)?|noitalic|key(?:press)?|mono|v(?:isible )?anchor|剧透|spoiler|blur|item|char(?:acter)?(?: link)?"
    r"|lang-.*|zh-han[st]"
)
_SECOND = re.compile(r"lang|(?:font ?|text)?colou?r|font|颜色|transl|transliteration|hl|彩色")
_LAST = re.compile(r"tsl|(?:internal )?link")
"""Templates that show their first, second or last argument."""
_QUOTES = re.compile(r"[cr]?quot(?:e|ation)|quote ?box|blockquote|dialogue|台词|引文|引言")
_LISTS = re.compile(r"ubl(?:ist)?|(?:unbulleted |bulleted |plain|plain |flat|h|cs)?list")
_DATES = re.compile(r"(?:birth|death|start|end)[ -](?:date|year)|birth-date|death-date|dob$|日期$")
_SIGNS = {"!": "|", "=": "=", "·": " · ", "•": " • ", "nbsp": " ", "ndash": "–", "mdash": "—", "snd": " – "}
_FUNCTIONS = frozenset(("formatnum", "lc", "uc", "lcfirst", "ucfirst"))
_TITLES = frozenset(("pagename", "fullpagename", "subpagename", "basepagename"))
_RANGES = frozenset(("to", "-", "–", "and", "or", "by", "x", "×", "+"))
_INFOBOX = re.compile(
    r"infobox|taxobox|信息(?:栏|框|欄|盒)?$|資訊(?:框|欄)?$|信息框|信息栏|^(?:角色|人物)(?:资料|資料|信息|简介)?$"
)
_NO_INFOBOX = re.compile(
    r"cit(?:e|ation)\b|navbox|issues|about|hatnote|protect|stub|delet|notice|merge|use [dm]|导航|提示"
)


class Template(Noun, frozen=True, kw_only=True):
    """Name and arguments; those without a name are called "1", "2" and so on."""

    name: str
    arguments: dict[str, str]

    def get(self, *keys: str) -> str:
        """The first of these arguments that is not empty."""
        return next((value for key in keys if (value := self.arguments.get(key, ""))), "")

    @property
    def listed(self) -> list[str]:
        """Arguments without names, in order."""
        return [value for key, value in self.arguments.items() if key.isdigit() and value]

    @property
    def named(self) -> list[tuple[str, str]]:
        """Arguments with names, in order."""
        return [(key, value) for key, value in self.arguments.items() if value and not key.isdigit()]


def template(parts: Sequence[str]) -> Template:
    """Reads `name`, `value` and `key=value` as they stood between the bars."""
    arguments: dict[str, str] = {}
    count = 0
    for part in parts[1:]:
        key, equals, value = part.partition("=")
        if not equals:
            count, key, value = count + 1, str(count + 1), part
        arguments[key.strip()] = value.strip()
    name = " ".join(parts[0].replace("_", " ").split())
    return Template(name=re.sub(r"(?i)^(?:template|模板|样板):\s*", "", name), arguments=arguments)


def is_infobox(known: Template, *, first: bool) -> bool:
    """Whether it holds facts: by its name, or as the first thing on a page (`first`) with three named arguments."""
    name = known.name.casefold()
    if _INFOBOX.search(name):
        return True
    other = _QUOTES.fullmatch(name) or _FIRST.fullmatch(name) or _NO_INFOBOX.search(name)
    return first and not other and len(known.named) >= 3


def shown(known: Template, title: str) -> str:
    """The text in a template's place, on a page of this title; "" for one that shows none or is not known."""
    name = known.name.casefold()
    if name in _SIGNS:
        return _SIGNS[name]
    if name in _TITLES:
        return title
    return _listed_text(known, name) or _text(known, name)


def _text(known: Template, name: str) -> str:
    if _QUOTES.fullmatch(name):
        text = known.get("text", "quote", "content", "1")
        who = known.get("author", "speaker", "person", "source", "by", "2")
        return f"{text} — {who}" if text and who else text
    if _FIRST.fullmatch(name):
        return known.get("1", "text", "content")
    if _SECOND.fullmatch(name):
        return known.get("2", "text")
    if _LAST.fullmatch(name):
        return "".join(known.listed[-1:])
    function, colon, text = known.name.partition(":")
    return text.strip() if colon and function.casefold() in _FUNCTIONS else ""


def _listed_text(known: Template, name: str) -> str:
    values = known.listed
    if _LISTS.fullmatch(name):
        return ", ".join(values)
    if name == "sortname":
        return " ".join(values[:2])
    if _DATES.search(name):
        return "-".join(values[:3]) or known.get("date")
    if name in ("convert", "cvt"):
        return " ".join(values[: 4 if values[1:2] and values[1] in _RANGES else 2])
    if name in ("frac", "fraction", "sfrac"):
        return "/".join(values[:2])
    return ""
