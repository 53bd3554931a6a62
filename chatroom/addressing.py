"""Who is spoken to in a line, and who is only spoken of: pure, for every script.

A name counts as addressed after `@`, at the edge of a clause (`Mara, is it lit?`, `Is it lit, Mara?`,
`安吉拉，你好`), or after a greeting; anywhere else it is a mention. Names in scripts with spaces must stand as whole
words; names in Chinese, Japanese or Korean may stand anywhere. The longest name wins; width and case do not matter.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from chatroom.messages import SeatedRole, Speaker

EVERYONE = ("everyone", "everybody", "all", "大家", "各位", "所有人", "诸位")
"""After `@`, or at the edge of a clause, these mean every role at the table."""

_GREETING = re.compile(
    r"(?:\b(?:(?:hello|hi|hey)(?: there)?|good (?:morning|day|afternoon|evening|night)|thanks|thank you|dear|and you"
    r"|ok|okay|yes|no|well|welcome|please|sorry|goodbye|bye)"
    r"|你好|您好|早上好|下午好|晚上好|晚安|嗨|喂|请问|(?:谢谢|多谢)[你您]?|早安|嘿|再见|对不起)\s*$"
)
_DO = r"come|go|sit|look|listen|wait|stop|drink|stay|stand|run|answer|speak|hurry|sing|row|help|let"
_YOU = re.compile(
    rf"(?:what|where|when|why|how|who|please|tell|you|{_DO}|(?:do|did|are|were|can|could|will|would|have) you"
    r"|(?:is|was|are|does|did|has|can|could|will|would|should) (?:it|there|that|this|the|he|she|they|we|i))\b|[你您请]"
)
"""What follows a name that opens a line without a comma: `Mara what do you see`, `安吉拉你好`."""
_TOLD = re.compile(rf"^(?:{_DO})\b(?! (?:at|to|for|with)$)|\b(?:you|your)\b|[你您]")
"""A clause said to somebody, which a name at its end may name: `how are you Mara?`, `come here Mara`."""
_OBJECT = re.compile(
    r"\b(?:know|knew|see|saw|seen|of|about|with|to|for|like|from|than|is|was|love|trust|tell|told|ask|asked|meet|met"
    r"|hear|heard|find|found|the|a|by|at|on|near|call|called|named|help|let|and|or|not|my|your|miss|mr|mrs)\s*$"
)
"""Words that make a name after them somebody spoken of: `do you know Mara?`."""
_AND = re.compile(r"\s*(?:,|and|or|&|，|、|和|与|跟|及|以及)\s*")
_BREAK = ',.;:!?…~-—，。；：！？、～"“”「」『』()（）[]【】\n'
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u9fff\uac00-\ud7af\U00020000-\U0003ffff]")
"""Thai, Lao, Burmese, Khmer, kana, Han, Hangul."""
_AT = re.compile(r"(?<!\w)[@＠]$")


class Call(NamedTuple):
    """A name found in a line; `to` says that its bearer is spoken to, not only of."""

    start: int
    ids: tuple[str, ...]
    to: bool


def addressed(text: str, speakers: Iterable[SeatedRole | Speaker]) -> list[str]:
    """Ids of those who are spoken to, in the order of the line."""
    return _unique(call for call in calls(text, speakers) if call.to)


def mentioned(text: str, speakers: Iterable[SeatedRole | Speaker]) -> list[str]:
    """Ids of all who are named, spoken to or not, in the order of the line."""
    return _unique(calls(text, speakers))


def calls(text: str, speakers: Iterable[SeatedRole | Speaker]) -> list[Call]:
    """Finds every name in a line; each name's bearers, and whether it is used to address them."""
    bearers, folded = _bearers(tuple(speakers)), fold(text)
    if not bearers:
        return []
    found = []
    for group in _groups(folded, list(_pattern(tuple(bearers)).finditer(folded))):
        before, after = folded[: group[0].start()].rstrip(" "), folded[group[-1].end() :].lstrip(" ")
        to = _vocative(before, after)
        found += [_call(folded, match, bearers, to) for match in group[:-1]]
        found.append(_call(folded, group[-1], bearers, to or _asked_about_another(folded, group, after, bearers)))
    return [call for call in found if call.ids]


def fold(text: str) -> str:
    """Makes texts comparable: full and half width, case, and composed letters alike."""
    return unicodedata.normalize("NFKC", text).casefold()


def _bearers(speakers: Sequence[SeatedRole | Speaker]) -> dict[str, tuple[str, ...]]:
    names: dict[str, tuple[str, ...]] = {}
    for speaker in speakers:
        for name in (speaker.name, *getattr(speaker, "aliases", ())):
            key = fold(name).strip()
            if key and speaker.id not in names.get(key, ()):
                names[key] = (*names.get(key, ()), speaker.id)
    roles = tuple(speaker.id for speaker in speakers if isinstance(speaker, SeatedRole))
    return names | {fold(word): roles for word in EVERYONE}


@lru_cache(maxsize=256)
def _pattern(names: tuple[str, ...]) -> re.Pattern[str]:
    """Matches any of the names, the longest first; a name in a spaced script must be a whole word."""
    parts = (_whole(name) for name in sorted(names, key=len, reverse=True))
    return re.compile("|".join(parts))


def _whole(name: str) -> str:
    left = r"(?<![^\W_])" if _spaced(name[0]) else ""
    right = r"(?![^\W_])" if _spaced(name[-1]) else ""
    return f"{left}{re.escape(name)}{right}"


def _spaced(char: str) -> bool:
    """Whether this character's script sets words apart by spaces."""
    return char.isalnum() and not re.match(
        r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u9fff\uac00-\ud7af\U00020000-\U0003ffff]", char
    )


def _groups(text: str, matches: Sequence[re.Match[str]]) -> Iterator[list[re.Match[str]]]:
    """Names joined by `and` or a comma are addressed together: `Tobin and Mara, come here`."""
    group: list[re.Match[str]] = []
    for match in matches:
        if group and not _AND.fullmatch(text, group[-1].end(), match.start()):
            yield group
            group = []
        group.append(match)
    if group:
        yield group


def _call(text: str, match: re.Match[str], bearers: dict[str, tuple[str, ...]], vocative: bool) -> Call:
    to = vocative or bool(_AT.search(text[: match.start()]))
    everyone = match.group() in EVERYONE
    return Call(match.start(), bearers[match.group()] if to or not everyone else (), to)


def _vocative(before: str, after: str) -> bool:
    """A name addresses its bearer between two clause edges, after a greeting, or in a clause said to somebody."""
    begins = not before or before[-1] in _BREAK
    ends = not after or after[0] in _BREAK
    if begins:
        return ends or bool(_YOU.match(after))
    clause = re.split(f"[{re.escape(_BREAK)}]", before)[-1].strip()
    told = _TOLD.search(clause) and not _OBJECT.search(clause)
    return ends and bool(_GREETING.search(before) or told)


def _asked_about_another(
    text: str, group: Sequence[re.Match[str]], after: str, bearers: dict[str, tuple[str, ...]]
) -> bool:
    """`What do you think of Mara, Tobin?` is said to Tobin, not to both."""
    if len(group) != 2 or (after and after[0] not in ".?!。？！"):
        return False
    one, other = group
    joint = text[one.end() : other.start()].strip()
    return joint in {",", "，"} and bearers[one.group()] != bearers[other.group()]


def _unique(found: Iterator[Call] | Iterable[Call]) -> list[str]:
    return list(dict.fromkeys(id_ for call in found for id_ in call.ids))
