"""Numbers of a person's papers: Chinese identity cards (18 and 15 digits), American social security numbers, passports.

An identity card counts by its checksum and the birthday in it; without either, and for passports, only where a label
says what the number is. It knows no placeholders.
"""

import re
from collections.abc import Iterator
from datetime import date

from stdnum.cn import ric
from stdnum.us import ssn

from finetune.scrub.found import Found, value

_FREE, _OVER = r"(?<![0-9A-Za-z_])(?<![0-9][.,/-])", r"(?![0-9A-Za-z_]|[.,/-][0-9])"
_CARD_18 = re.compile(rf"{_FREE}[1-9][0-9]{{5}}[ -]?[12][0-9]{{3}}[ -]?[0-9]{{4}}[ -]?[0-9]{{3}}[0-9Xx]{_OVER}")
_CARD_15 = re.compile(rf"{_FREE}[1-8][0-9]{{5}}[ -]?[0-9]{{6}}[ -]?[0-9]{{3}}{_OVER}")
_SSN = re.compile(rf"{_FREE}[0-9]{{3}}-[0-9]{{2}}-[0-9]{{4}}{_OVER}")
_IS = r"(?:[ ]?(?:[:=#是为]|is|no\.?|number|号码|号))*+[ ]?"
_LABELLED = re.compile(
    rf"(?:(?P<id>身份证|(?<![A-Za-z])id card)|(?P<ssn>(?<![A-Za-z])(?:ssn|social security))|(?P<passport>护照"
    rf"|(?<![A-Za-z])passport)){_IS}(?P<value>[A-Z0-9][0-9](?:[ -]?[0-9]){{4,16}}[0-9X]?)(?![0-9A-Za-z])",
    re.ASCII | re.IGNORECASE,
)


def find(text: str) -> Iterator[Found]:
    """Finds numbers of papers."""
    for found in _CARD_18.finditer(text):
        if _is_card(number := _bare(found[0])):
            yield Found(found.start(), found.end(), "id", number)
    for found in _CARD_15.finditer(text):
        number = _bare(found[0])
        if _is_birthday("19" + number[6:12]) and int(number[:2]) <= 82:
            yield Found(found.start(), found.end(), "id", number)
    for found in _SSN.finditer(text):
        if ssn.is_valid(found[0]):
            yield Found(found.start(), found.end(), "id", _bare(found[0]))
    for found in _LABELLED.finditer(text):
        yield value(found, "passport" if found["passport"] else "id", _bare(found["value"]))


def _bare(written: str) -> str:
    return re.sub("[ -]", "", written).upper()


def _is_card(number: str) -> bool:
    return ric.calc_check_digit(number) == number[-1] and _is_birthday(number[6:14])


def _is_birthday(digits: str) -> bool:
    try:
        return 1880 < date(int(digits[:4]), int(digits[4:6]), int(digits[6:8])).year < 2040
    except ValueError:
        return False
