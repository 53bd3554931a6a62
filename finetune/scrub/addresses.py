"""Postal addresses: Chinese ones, from 省 to 室, English ones with street and house number, and what a label calls one.

A street and a house number alone may be a place of a story: a Chinese one counts with a town before it or a flat after
it. It knows no placeholders.
"""

import re
from collections.abc import Iterator

from finetune.scrub.found import Found, value

_HAN, _NUMBER = (
    "[\u4e00-\u9fff]",
    r"[A-Za-z]?(?:[0-9]{1,5}(?:-[0-9]{1,4}){0,3}|[一二三四五六七八九十百零〇]{1,6})[A-Za-z]?",
)
_UNIT = rf"(?:{_NUMBER}|[A-Z])[ ]?(?:号楼|号院|号|栋|幢|座|单元|室|层|楼|户|房|门|弄|期|组|附)"
_HOUSE = re.compile(
    rf"(?:路|街|大道|道|巷|胡同|里|村|社区|镇|坊|屯)[ ]?(?:[东南西北中]段?)?[ ]?(?:{_NUMBER}[ ]?(?:弄|组|巷|里)[ ]?)?"
    rf"(?P<number>{_NUMBER})[ ]?(?:号|弄)"
    rf"|(?:小区|花园|公寓|苑|家园|新村|新城|大厦|府|庄园|广场|宿舍)"
    rf"[ ]?(?:{_NUMBER}[ ]?[期区][ ]?)?{_NUMBER}[ ]?(?:号楼|栋|幢|座|单元|室)"
)
_REST = re.compile(
    rf"(?:[ ,]{{0,2}}(?:{_UNIT}|(?:(?!号|院内|附近|的|在|是|和|门口|见){_HAN}){{2,8}}"
    r"(?:小区|花园|公寓|大厦|家园|新村|宿舍|广场)|院|附)){0,8}"
    r"(?:[ -]?[0-9]{2,5}(?![0-9年月日元]))?"
)
_FLAT = re.compile("单元|室|栋|幢|座|号楼|层|户|房")
_PROVINCES = (
    "北京|天津|上海|重庆|河北|山西|辽宁|吉林|黑龙江|江苏|浙江|安徽|福建|江西|山东|河南|湖北|湖南|广东|海南|四川|贵州|云南|陕西|甘肃|青海|台湾"
    "|内蒙古|广西|西藏|宁夏|新疆|香港|澳门"
)
_PROVINCE = re.compile(rf"(?:{_PROVINCES})(?:省|市|(?:壮族|回族|维吾尔)?自治区|特别行政区)?(?={_HAN}|[ ])")
_TOWN = re.compile("[省市州盟区县旗镇乡]|街道")
_LEAD = re.compile(
    "住在|家在|搬到|搬去|寄到|寄去|送到|发到|发往|位于|坐落于|地址|来自|就在|还在|在|到|去|至|从|是|于|往|住|给|寄|送|址|回|和|了|的|为"
)
_BEFORE = re.compile(r"[\u4e00-\u9fff0-9A-Za-z ·]{0,40}$")
_LABELLED = re.compile(
    r"(?:(?:收货|家庭|通讯|通信|联系|邮寄|快递|详细|居住|单位|公司)?(?:地址|住址)"
    r"|(?<![A-Za-z])(?:(?:home|mailing|postal|street|shipping) )?address)"
    r"[ ]?(?:[:=]|是)[ ]?(?P<value>[^\n;。!?\[\]]{4,100})",
    re.IGNORECASE,
)
_STREET = r"(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Highway|Hwy|Parkway|Pkwy|Crescent|Terrace)"
_VAGUE = r"(?:Lane|Ln|Drive|Dr|Court|Ct|Place|Pl|Way|Square|Sq|Close|Circle|Cir|Row|Hill)"
_ENGLISH = re.compile(
    r"(?<![0-9A-Za-z$£€.,/:-])[0-9]{1,5}[A-Za-z]?,? (?:[NSEW]{1,2}\.? |(?:North|South|East|West) )?"
    rf"(?:[0-9]{{1,3}}(?:st|nd|rd|th) |[A-Z][a-z'’.]{{1,20}} ){{1,4}}?(?:{_STREET}|(?P<vague>{_VAGUE}))\b\.?"
    r"(?: [NS]?[EW]\b| [NS]\b)?"
    r"(?P<flat>,? (?:Apt|Apartment|Suite|Ste|Unit|Flat|Floor|No|#)\.? ?[A-Za-z0-9-]{1,6})?"
    r"(?P<town>(?:, ?| )[A-Z][A-Za-z'’]{1,20}(?: [A-Z][A-Za-z'’]{1,20}){0,2}"
    r"(?:,? (?:[A-Z]{2} )?[0-9]{5}(?:-[0-9]{4})?(?![0-9])|,? [A-Z]{1,2}[0-9][0-9A-Z]? ?[0-9][A-Z]{2}\b|, [A-Z]{2}\b))?",
)
_BOX = re.compile(r"(?<![A-Za-z])P\.? ?O\.? Box [0-9]{1,6}", re.IGNORECASE)


def find(text: str) -> Iterator[Found]:
    """Finds postal addresses."""
    for found in _LABELLED.finditer(text):
        written = found["value"].rstrip(" ,.")
        if any(char.isdigit() for char in written) and re.search(rf"[A-Za-z]{{2}}|{_HAN}", written):
            yield Found(found.start("value"), found.start("value") + len(written), "address", _bare(written))
    yield from _chinese(text)
    for found in _ENGLISH.finditer(text):
        if not found["vague"] or found["flat"] or found["town"]:
            yield Found(found.start(), found.end(), "address", _bare(found[0]))
    for found in _BOX.finditer(text):
        yield value(found, "address", _bare(found[0]), group=0)


def _bare(address: str) -> str:
    return re.sub("[ ,.]", "", address).casefold()


def _chinese(text: str) -> Iterator[Found]:
    """Goes from a house number to the left, to where the address begins, and to the right, to the flat."""
    for house in _HOUSE.finditer(text):
        rest = _REST.match(text, house.end())
        end = rest.end() if rest else house.end()
        before = _BEFORE.search(text[max(0, house.start() - 40) : house.start()])
        left = before[0] if before else ""
        begins, has_town = _beginning(left)
        if has_town or _FLAT.search(text, house.start() + 1, end):
            start = house.start() - len(left) + begins
            yield Found(start, end, "address", _bare(text[start:end]))


def _beginning(left: str) -> tuple[int, bool]:
    """Where an address begins in what stands before its street's last character, and whether a town is named there."""
    if province := _PROVINCE.search(left):
        return province.start(), True
    town = _TOWN.search(left, 2)
    most = town.start() if town else len(left)
    leads = [lead.end() for lead in _LEAD.finditer(left, 0, most) if most - lead.end() >= 1]
    nearest = leads[-1] if leads else 0
    return max(nearest, most - (4 if town else 5)), town is not None
