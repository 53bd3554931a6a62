"""Addresses of machines and plates of cars: IPv4 and IPv6, Chinese licence plates, others where a label says so.

Version numbers and times are none. It knows no placeholders.
"""

import re
from collections.abc import Iterator
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from finetune.scrub.found import Found, value

_IPV4 = re.compile(r"(?<![0-9A-Za-z_.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9A-Za-z_]|\.[0-9])")
_IPV6 = re.compile(r"(?<![0-9A-Za-z_:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){3,7}(?![0-9A-Za-z_:]|\.[0-9])")
_IP_LABEL = re.compile(
    r"(?<![A-Za-z])(?:ip|server|host|服务器)(?:[ ]?(?:address|地址))?(?:[ ]?(?:[:=是为]|is))?[ ]?$", re.IGNORECASE
)
_VERSION = re.compile(
    r"(?:(?<![A-Za-z])(?:v|ver|version|release|build|rev|firmware|kernel)\.?"
    r"|版本号?|固件|内核|更新到|升级到|[第])[ :]?$",
    re.IGNORECASE,
)
_PLATE = re.compile(
    r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼使][A-HJ-NP-Z][ ·.-]?"
    r"(?=[A-Z]{0,4}[0-9])[A-HJ-NP-Z0-9]{4,5}[A-HJ-NP-Z0-9挂学警港澳](?![A-Za-z0-9])"
)
_PLATE_LABELLED = re.compile(
    r"(?:车牌号?码?|(?<![A-Za-z])(?:licen[cs]e|number|registration) plate(?: number)?)(?:[ ]?(?:[:=是为]|is))?[ ]?"
    r"(?P<value>(?=[A-Z0-9 -]{0,8}[0-9])[A-Z0-9]{1,4}(?:[ -]?[A-Z0-9]{2,5}){1,2})(?![A-Za-z0-9])"
)  # fmt: skip


def find(text: str) -> Iterator[Found]:
    """Finds addresses of machines and licence plates."""
    for found in _IPV4.finditer(text) if "." in text else ():
        if _is_ipv4(text, found):
            yield Found(found.start(), found.end(), "ip", found[0])
    for found in _IPV6.finditer(text) if ":" in text else ():
        if _is_ipv6(found[0]):
            yield Found(found.start(), found.end(), "ip", found[0].casefold())
    for found in _PLATE.finditer(text):
        yield Found(found.start(), found.end(), "plate", _bare(found[0]))
    for found in _PLATE_LABELLED.finditer(text):
        yield value(found, "plate", _bare(found["value"]))


def _bare(plate: str) -> str:
    return re.sub("[ ·.-]", "", plate)


def _is_ipv4(text: str, found: re.Match[str]) -> bool:
    """Whether four numbers are an address: all of them small are a version, unless a label says otherwise."""
    try:
        address = IPv4Address(found[0])
    except AddressValueError:
        return False
    before = text[max(0, found.start() - 24) : found.start()]
    if address.is_loopback or address.is_unspecified or _VERSION.search(before):
        return False
    large = sum(int(part) > 9 for part in found[0].split("."))
    return large > 1 or found[0].startswith("10.") or bool(_IP_LABEL.search(before))


def _is_ipv6(written: str) -> bool:
    """Whether it is an address with enough in it to lead to one machine: neither `::1` nor a time of day."""
    try:
        address = IPv6Address(written)
    except AddressValueError:
        return False
    groups = [group for group in written.split(":") if group]
    return (
        not address.is_loopback
        and len(groups) > 2
        and max(map(len, groups)) > 2
        and any(char.isdigit() for char in written)
    )
