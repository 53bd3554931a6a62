"""Telephone numbers: mobile and fixed lines of China, international ones, those of other countries in their own
spacing, and whatever a label calls a phone.

A number counts only where the numbering plan of some country has it (phonenumbers) or a label says so; amounts, dates,
versions and rows of dice do not. It knows no placeholders.
"""

import re
from collections.abc import Iterator

import phonenumbers

from finetune.scrub.found import Found, value

_GAP = r"(?:[ ]?[-.·][ ]?|[ ]{1,2})?"
_SPLIT = r"(?:[-. ]|[ ]?-[ ]?)"
_FREE, _OVER = r"(?<![0-9A-Za-z_])(?<![0-9][.,/:-])(?<![第$¥€£])", r"(?![0-9]|[.,:/-][0-9]|[A-Za-z_]|%)"
_AMOUNT = re.compile(
    r"[ ]?(?:元|块|圆|金|银|铜|两|文|枚|万|亿|分(?!机)|点|人|个|次|米|公里|年|岁"
    r"|(?:gold|coins?|silver|dollars?|usd|rmb|cny|points?|pts|xp|hp|gp|credits?|years?|people|men|miles)\b)",
    re.IGNORECASE | re.ASCII,
)
_CELLPHONE = re.compile(
    rf"{_FREE}(?:(?:\+|00)?86{_GAP})?(?P<n>1[3-9](?:[0-9]{{9}}|[0-9]{_GAP}[0-9]{{4}}{_GAP}[0-9]{{4}}"
    rf"|[0-9]{_GAP}[0-9]{{3}}{_GAP}[0-9]{{5}}|[0-9]{{2}}{_GAP}[0-9]{{3}}{_GAP}[0-9]{{4}}"
    rf"|[0-9]{{2}}{_GAP}[0-9]{{4}}{_GAP}[0-9]{{3}}|[0-9]{{3}}{_GAP}[0-9]{{6}}))(?![0-9]|[.,][0-9]|-[0-9]|%)",
    re.ASCII,
)
_FIXED = re.compile(
    rf"{_FREE}(?:(?:\+|00)?86{_GAP})?(?:\(0[0-9]{{2,3}}\)[ ]?|0[0-9]{{2,3}}{_GAP})[0-9]{{3,4}}[- ]?[0-9]{{4}}"
    rf"(?:[ ]?(?:转|ext\.?|x|分机)[ ]?[0-9]{{1,6}})?{_OVER}",
    re.ASCII | re.IGNORECASE,
)
_SERVICE = re.compile(
    rf"{_FREE}[48]00(?:{_SPLIT}[0-9]{{3}}{_SPLIT}[0-9]{{4}}|{_SPLIT}[0-9]{{4}}{_SPLIT}[0-9]{{3}}){_OVER}"
)
_ABROAD = re.compile(
    rf"(?<![0-9A-Za-z_])(?:\+|(?<![0-9.,/:-])00)[1-9](?:[ .()/-]{{0,3}}[0-9]){{7,14}}{_OVER}", re.ASCII
)
_AMERICAN = re.compile(
    rf"{_FREE}(?:1[-. ])?(?:\([2-9][0-9]{{2}}\)[ ]?|[2-9][0-9]{{2}}{_SPLIT})[2-9][0-9]{{2}}{_SPLIT}[0-9]{{4}}{_OVER}"
)
_TRUNK = re.compile(rf"{_FREE}\(?0[1-9][0-9]{{0,3}}\)?{_SPLIT}[0-9]{{3,4}}(?:{_SPLIT}[0-9]{{3,4}}){{1,2}}{_OVER}")
_TRUNK_LONG = re.compile(rf"{_FREE}0[1-9][0-9]{{2,3}}{_SPLIT}[0-9]{{6,7}}{_OVER}")
_REGIONS = ("GB", "JP", "TW", "DE", "FR", "KR", "AU", "IT", "MY", "TH", "VN")
_LABELLED = re.compile(
    r"(?:电话|手机|座机|热线|传真|联系方式|(?<![A-Za-z])(?:tele?(?:phone)?|phone|mobile|cell(?:phone)?|fax|whatsapp"
    r"|call (?:me|us|him|her)|text (?:me|us)|ring me))(?:[ ]?(?:号码|号|number|no\.?|#))?"
    r"(?:[ ]?(?:[:=是为]|is|at|on)){0,2}[ ]?(?P<value>\+?\(?[0-9](?:[ .()·-]{0,2}[0-9]){6,14})(?![0-9]|[.,][0-9])",
    re.ASCII | re.IGNORECASE,
)
_SPOKEN = re.compile(
    r"(?<![零〇○一二三四五六七八九幺])[一幺][三四五六七八九][零〇○一二三四五六七八九幺]{9}(?![零〇○一二三四五六七八九十百千万亿幺])"
)
_DIGITS = {
    ord(char): digit
    for digits, digit in zip(("零〇○", "一幺", *"二三四五六七八九"), "0123456789", strict=True)
    for char in digits
}
_EXTENSION = re.compile(r"[ ]?(?:转|ext\.?|x|分机).*", re.IGNORECASE)
_MANY_DIGITS = re.compile(r"[0-9](?:[^0-9\n]{0,4}[0-9]){6}")


def find(text: str) -> Iterator[Found]:
    """Finds telephone numbers."""
    yield from _spoken(text)
    if not _MANY_DIGITS.search(text):
        return
    for found in _LABELLED.finditer(text):
        yield value(found, "phone", _key(found["value"]))
    for pattern, regions in _PLANS:
        for found in pattern.finditer(text):
            if not _AMOUNT.match(text, found.end()) and _exists(_EXTENSION.sub("", found[0]), regions):
                yield Found(found.start(), found.end(), "phone", _key(found[0]))


_PLANS: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = (
    (_CELLPHONE, ("CN",)),
    (_FIXED, ("CN",)),
    (_SERVICE, ("CN",)),
    (_ABROAD, ("",)),
    (_AMERICAN, ("US",)),
    (_TRUNK, _REGIONS),
    (_TRUNK_LONG, ("GB", "DE")),
)
"""A way of writing numbers, and the countries that write them so."""


def _exists(written: str, regions: tuple[str, ...]) -> bool:
    """Whether a numbering plan has the number; one that is written with its country need only be possible."""
    if written.startswith("00"):
        written = f"+{written[2:]}"
    for region in regions:
        try:
            number = phonenumbers.parse(written, region or None)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number) or (not region and phonenumbers.is_possible_number(number)):
            return True
    return False


def _key(written: str) -> str:
    """The digits of a number, without the country where that is China's mobile prefix and without the trunk zero."""
    digits = re.sub("[^0-9]", "", written).lstrip("0")
    return digits[2:] if digits.startswith("861") and len(digits) == 13 else digits


def _spoken(text: str) -> Iterator[Found]:
    """Mobile numbers that are written out: 一三八〇〇一三八〇〇〇."""
    for found in _SPOKEN.finditer(text):
        yield Found(found.start(), found.end(), "phone", found[0].translate(_DIGITS))
