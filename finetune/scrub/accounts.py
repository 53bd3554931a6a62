"""Accounts in services for messages, payment and games: what stands after a label such as 微信号, QQ, Telegram.

A label that is a word of its own (微信, QQ, Discord) needs a value that is no word: with a digit, a `_` or an `@`.
It knows no placeholders.
"""

import re
from collections.abc import Iterator

from finetune.scrub.found import Found

_VALUE = r"(?P<value>@?[A-Za-z0-9][A-Za-z0-9_.-]{3,39}(?:#[0-9]{4})?)(?![A-Za-z0-9_@])"
_IS = r"(?:[ ]?(?:[:=是为]|is|->))?[ ]?"
_SURE = re.compile(
    r"(?:微信号|微信ID|微信账号|QQ号码?|QQ群号?|扣扣号?|支付宝账?号|[账帐]号|抖音号|(?<![A-Za-z])(?:(?:wechat|weixin|line|skype|"
    r"telegram|discord|instagram|twitter|steam|paypal|alipay|whatsapp)[ ]?(?:id|account|handle|username|name)"
    r"|user ?name|user ?id))"
    rf"(?:[ ]?(?:[:=是为]|is|->))[ ]?{_VALUE}",
    re.ASCII | re.IGNORECASE,
)
_WORD = re.compile(
    r"(?:微信号?|薇信|威信|[vV]信|支付宝|企鹅号?|微博|推特|抖音号?|小红书号?|[账帐]号|加[我你他她]?[VQ](?![A-Z])|(?<![A-Za-z0-9_])(?:wechat|weixin|wx|vx|"
    r"qq|telegram|tg|discord|instagram|insta|twitter|skype|steam|snapchat|paypal|alipay|account|acct|line id|uid))"
    rf"(?:[ ]?(?:号码|号|账号|ID|account|handle|number))?{_IS}{_VALUE}",
    re.ASCII | re.IGNORECASE,
)
_OWN = re.compile(r"(?<![A-Za-z0-9_])(?:wxid_[A-Za-z0-9]{6,}|[0-9]{6,}@chatroom|gh_[0-9a-f]{12})(?![A-Za-z0-9])")


def find(text: str) -> Iterator[Found]:
    """Finds accounts."""
    for found in _OWN.finditer(text):
        yield Found(found.start(), found.end(), "account", found[0])
    for found in _SURE.finditer(text):
        yield _account(found)
    for found in _WORD.finditer(text):
        if _is_no_word(found["value"]):
            yield _account(found)


def _account(found: re.Match[str]) -> Found:
    name = found["value"].rstrip(".-")
    start = found.start("value")
    return Found(start, start + len(name), "account", name.lstrip("@").casefold())


def _is_no_word(name: str) -> bool:
    """Whether a value can't be a word, an amount or a version: `mara_vell`, `@mara`, `m12345`, `12345678`."""
    bare = name.rstrip(".-")
    if bare.isdigit():
        return 5 <= len(bare) <= 20
    return (
        bare.startswith("@")
        or "_" in bare
        or "#" in bare
        or bool(re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*[0-9][A-Za-z0-9-]*", bare))
    )
