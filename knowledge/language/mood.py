"""Whether a line asks for something, and whether it leans on the lines before it: pure, for English and Chinese.

Knows the small words of both languages and no index. It errs towards `says`: who wants to know something mostly shows
it by a question mark, by a word such as `where` or 哪里, or by `tell me`.
"""

import re
from typing import Literal

from knowledge.language.terms import STOP_WORDS

Mood = Literal["asks", "wonders", "says"]
"""`asks` wants a fact (`Where is it?`, `Tell me about it.`), `wonders` a yes or a no, `says` nothing."""

_WHAT = r"who|whom|whose|what|which|where|when|why|how"
_ASKS = re.compile(
    rf"^(?:(?:and|but|so|or|then|well|now|please|excuse me|also|hey)\b[, ]*)*"
    rf"(?:(?:in|on|at|by|for|from|of|to|with|about|under|since|until) )?(?:{_WHAT})(?:'s|'re|'d|'ll)?\b(?! an? )"
    rf"|\b(?:{_WHAT})\b[^.!?]{{0,300}}\?"
    r"|\b(?:(?:tell|show|teach|remind) (?:me|us)|explain|describe|talk about|information (?:on|about)"
    r"|(?:know|learn|hear|read|curious|wonder|wondering) (?:anything |something |more )?(?:about|how|why|if|what))\b"
    r"|什么|什麼|甚么|谁|誰|哪|怎|为何|何时|何处|何人|多少|如何|几|幾|啥|多[大高长深远久重宽快厚]"
    r"|(?:告诉|告訴)(?![你您妳大各])|说说|讲讲|讲一?下|介绍|描述|解释|想知道|想了解"
)
_DO = r"is|are|was|were|am|do|does|did|has|have|had|can|could|will|would|shall|should|may|might"
_WONDERS = re.compile(
    rf"\?|^(?:and |but |so |or )?(?:{_DO}) (?:i|you|he|she|it|we|they|there|this|that|these|those|the|any)\b"
    r"|[吗嗎]|是不是|有没有|能不能|会不会|可不可以|要不要"
)
_PERSONAL = re.compile(r"\b(?:i|me|my|mine|we|us|our|you|your|yours|let's)\b|[我你您妳咱俺]")
_PERSON = re.compile(r"\b(?:he|she|him|her|his|hers|they|them|their|theirs)\b|(?<![其吉])他|[她它牠祂]|此人|前者|后者")
_THING = re.compile(
    r"\b(?:it|its|this|that|these|those|there)\b(?! (?:is|are|was|were|place|island|world|game)\b)"
    r"|\b(?:which|that|this|other|first|second|next|last) ones?\b"
    r"|这(?!么)|那(?!么)|這|此(?!外)|其(?![他它实余次])"
)
_IDLE_THING = re.compile(
    r"\b(?:is|are|was|were|be) there(?= \w)|\b(?:is|was) it(?= (?:true|possible|late|early|cold|hot)\b)"
    r"|(?:time|day) is it\b|\bthat(?= (?:there|the|an?|i|you|he|she|it|we|they)\b)"
)
_BARE = re.compile(
    rf"(?:\b(?:and|but|so|or|then|well|oh|{_WHAT}|{_DO}|that|else|next|now|come|long|many|much|old|far|happened|happens"
    r"|happen|after|before|about|exactly|for|in|the|to|more|me|tell|go|on)\b\W*)+"
    r"|(?:然后|后来|结果|还有|那么?|之后|接着|所以|到底|究竟|为什么|为何|怎么|怎样|怎么样|什么|什么时候|谁|哪里|哪儿|在|多久|多少"
    r"|几个?|是|了|回事|发生|再?说|继续|更多|的|呢|啊|吗|，|\?)+"
)
"""A question that holds no word of its own: `Why?`, `What happened then?`, `后来呢？`"""
_SHORT = re.compile(rf"(?:{_WHAT}) (?!is\b|are\b|was\b|were\b)[\w-]+(?: [\w-]+)? ?\?")
"""`How many died?`, `Who won?`: too short to name what it is about."""
MOST_OWN = 3
"""Own words of a question with `it` or `that` that still leans: `Why is it called that?` has one."""
_NAME = re.compile(r"(?<=[\w,;:] )[A-Z][\w'’-]+")


def mood(text: str) -> Mood:
    """What a line wants."""
    plain = _plain(text)
    if _ASKS.search(plain):
        return "asks"
    return "wonders" if _WONDERS.search(plain) else "says"


def personal(text: str) -> bool:
    """Whether a line speaks of who says it or of who hears it."""
    return bool(_PERSONAL.search(_plain(text)))


def names(text: str) -> list[str]:
    """Words within a sentence that have a capital letter and so name something: `the Eye`; the first word may not."""
    if text.isupper():
        return []
    return [match.group() for match in _NAME.finditer(text) if not re.match(r"I(?:['’]|$)", match.group())]


def leans(text: str) -> bool:
    """Whether a question can't be understood without the lines before it.

    `He` leans unless a name stands before it (`Who is Posy, and is she here?`); `it` and `that`, which often mean
    nothing that was said, only where the question has few words of its own and no name.
    """
    plain, wants = _plain(text), mood(text)
    if wants == "says" or not re.search(r"\w", plain):
        return False
    if found := _PERSON.search(plain):
        return not names(text[: found.start()])
    if _THING.search(_IDLE_THING.sub("", plain)):
        return not names(text) and _own_words(plain) <= MOST_OWN
    return not re.search(r"\w", _BARE.sub("", plain)) or bool(_SHORT.fullmatch(plain) and not names(text))


def _own_words(plain: str) -> int:
    """How many words, or pairs of Chinese characters, say what a question is about."""
    left = _BARE.sub(" ", plain)
    words = [word for word in re.findall(r"[a-z0-9'-]+", left) if word not in STOP_WORDS]
    return len(words) + len(re.findall(r"[\u3400-\u9fff]{2}", left))


def _plain(text: str) -> str:
    return text.casefold().replace("’", "'").replace("？", "?").strip(" \t\n\"'*“”「")
