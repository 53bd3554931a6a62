"""Mail addresses, and links that let in whoever has them: with a password, a token or an invitation in them.

Other links stay: that somebody read a page identifies nobody. It knows no placeholders.
"""

import re
from collections.abc import Iterator

from finetune.scrub.found import Found

_MAIL = re.compile(
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]++(?:@|[ ]?[(\[]at[)\]][ ]?| at (?=[A-Za-z0-9-]++ ?[(\[]?dot))"
    r"[A-Za-z0-9-]++(?:(?:\.|[ ]?[(\[]dot[)\]][ ]?| dot )[A-Za-z0-9-]++)*+",
    re.ASCII | re.IGNORECASE,
)
_ENDING = re.compile(r"(?:\.|dot[)\]]? ?)[A-Za-z]{2,24}$", re.ASCII | re.IGNORECASE)
_LINK = re.compile(r"(?<![A-Za-z])[A-Za-z][A-Za-z0-9+.-]{1,15}://[^\s<>\"'`\u3000-\u303f\u4e00-\u9fff]++|"
                   r"(?<![A-Za-z0-9./@-])(?:discord\.gg|t\.me|chat\.whatsapp\.com|wa\.me)/[A-Za-z0-9_+/-]{3,}",
                   re.ASCII | re.IGNORECASE)  # fmt: skip
_USER = re.compile(r"://[^/?#@]*+@")
_SECRET = re.compile(
    r"[?&#;](?:[a-z0-9]{1,20}[_-]){0,3}(?:token|key|apikey|sig|signature|auth|authorization|password|passwd|pwd|pass|secret"
    r"|session|sessionid|sid|jwt|code|otp|ticket|invite|openid|phone|mobile|email|uid|user)=[^&#]{2,}",
    re.IGNORECASE,
)
_INVITATION = re.compile(
    r"(?:discord(?:app)?\.(?:gg|com/(?:invite|api/webhooks))|t\.me|wa\.me|chat\.whatsapp\.com|hooks\.slack\.com|u\.wechat\.com)/.",
    re.IGNORECASE,
)


def find(text: str) -> Iterator[Found]:
    """Finds mail addresses and links that let somebody in."""
    for found in _MAIL.finditer(text):
        if _ENDING.search(found[0]):
            yield Found(found.start(), found.end(), "mail", _written_out(found[0]))
    for found in _LINK.finditer(text) if "/" in text else ():
        link = found[0].rstrip(".,;:!?)]}*")
        if _USER.search(link) or _SECRET.search(link) or _INVITATION.search(link):
            yield Found(found.start(), found.start() + len(link), "link", link)


def _written_out(mail: str) -> str:
    """One key for one address: `me (at) home.org` is `me@home.org`."""
    plain = re.sub(r"[ ]?[(\[]at[)\]][ ]?| at ", "@", mail.casefold())
    return re.sub(r"[ ]?[(\[]dot[)\]][ ]?| dot ", ".", plain)
