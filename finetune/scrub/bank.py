"""Numbers of bank cards and accounts: card numbers by length, first digits and Luhn's checksum, IBANs by theirs.

A number that fails its checksum counts only where a label says what it is. It knows no placeholders.
"""

import re
from collections.abc import Iterator

from stdnum import iban, luhn

from finetune.scrub.found import Found, value

_FREE = r"(?<![0-9A-Za-z_])(?<![0-9][.,/-])"
_CARD = re.compile(rf"{_FREE}[2-6][0-9]{{3}}(?:[ -]?[0-9]){{9,15}}(?![0-9A-Za-z_]|[.,/][0-9]|[ -][0-9]{{4}})")
_ISSUERS = re.compile(
    r"4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})|(?:5[1-5]|2[2-7])[0-9]{14}|3[47][0-9]{13}|3[0689][0-9]{12}|35[0-9]{14}"
    r"|6[0-9]{15,18}"
)
_GROUPS = re.compile(
    r"[0-9]{13,19}|[0-9]{4}(?:[ -][0-9]{4}){2,3}(?:[ -][0-9]{1,4})?"
    r"|[0-9]{4}[ -][0-9]{6}[ -][0-9]{4,5}|[0-9]{6}[ -][0-9]{7,13}"
)
_LABELLED = re.compile(
    r"(?:卡号|银行卡|信用卡|储蓄卡|银行账[号户]|(?<![A-Za-z])(?:(?:credit|debit|bank) (?:card|account)"
    r"|card (?:number|no)))"
    r"(?:[ ]?(?:[:=#是为]|is|no\.?|number|号码|号))*+[ ]?(?P<value>[0-9](?:[ -]?[0-9]){7,18})(?![0-9A-Za-z])",
    re.ASCII | re.IGNORECASE,
)
_IBAN = re.compile(r"(?<![0-9A-Za-z_])[A-Z]{2}[0-9]{2}(?:[ ]?[0-9A-Z]){11,30}")


def find(text: str) -> Iterator[Found]:
    """Finds card numbers and IBANs."""
    for found in _CARD.finditer(text):
        number = re.sub("[ -]", "", found[0])
        if _GROUPS.fullmatch(found[0]) and _ISSUERS.fullmatch(number) and luhn.is_valid(number):
            yield Found(found.start(), found.end(), "card", number)
    for found in _LABELLED.finditer(text):
        yield value(found, "card", re.sub("[ -]", "", found["value"]))
    for found in _IBAN.finditer(text):
        if length := _iban_length(found[0]):
            number = found[0][:length].replace(" ", "")
            yield Found(found.start(), found.start() + length, "card", number)


def _iban_length(written: str) -> int:
    """How much of a stretch is an IBAN, 0 if nothing: words in capitals may follow it."""
    for length in range(len(written), 14, -1):
        number = written[:length].replace(" ", "")
        if not written[length:][:1].isalnum() and iban.is_valid(number):
            return length
    return 0
