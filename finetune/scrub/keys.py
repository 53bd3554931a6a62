"""Keys and passwords: those whose form says what they are (PEM blocks, JWT, the prefixes of known services), and values
that a label calls a password, a token or a code.

After a label only what looks made for a machine counts: `the password is swordfish` may be a line of a play.
It knows no placeholders.
"""

import re
from collections.abc import Iterator

from finetune.scrub.found import Found, value

_FREE = r"(?<![A-Za-z0-9_-])"
_PEM = re.compile(
    r"-----BEGIN [A-Z0-9 ]{2,40}-----(?s:(?:(?!-----)[^\x00]){1,20000}+)(?:-----END [A-Z0-9 ]{2,40}-----)?"
)
_FORMS = re.compile(
    rf"{_FREE}(?:sk-[A-Za-z0-9_-]{{16,}}|[rsp]k_(?:live|test)_[A-Za-z0-9]{{10,}}|gh[opsur]_[A-Za-z0-9]{{20,}}"
    r"|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}|xox[abeprs]-[A-Za-z0-9-]{10,}|A[KS]IA[0-9A-Z]{16}"
    r"|LTAI[A-Za-z0-9]{12,}|AKID[A-Za-z0-9]{13,}|AIza[0-9A-Za-z_-]{30,}|hf_[A-Za-z0-9]{20,}|npm_[A-Za-z0-9]{30,}"
    r"|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*)?|[0-9]{8,10}:AA[A-Za-z0-9_-]{30,}"
    r"|ssh-(?:rsa|ed25519|dss) [A-Za-z0-9+/=]{40,})(?![A-Za-z0-9])"
)
_IS = r"(?:[\"']?[ ]?(?:[:=]{1,2}>?|是|为|is|was|改成|改为)[ ]?)"
_LABELLED = re.compile(
    r"(?:密码|口令|(?P<long>密钥|令牌|私钥)|(?<![A-Za-z])(?:(?:[a-z0-9]{1,20}[_-]){0,3}(?:password|passwd|passcode|passphrase|pwd"
    r"|(?P<short>secret|token|api[_ -]?key|key|credential)))(?![a-z])"
    rf"){_IS}[\"'`]?(?P<value>[!-&(-Z\\^_a-z{{|}}~]{{6,}})",
    re.ASCII | re.IGNORECASE,
)
_BEARER = re.compile(r"(?<![A-Za-z])(?:Bearer|Basic) (?P<value>[A-Za-z0-9._~+/-]{16,}=*)", re.IGNORECASE)
_DIRECT = re.compile(r"密码[ ]?(?P<value>[0-9]{6,20})(?![0-9A-Za-z])")
_CODE = re.compile(
    r"(?:验证码|校验码|动态码|(?<![A-Za-z])(?:verification|security|one-time|login|otp) code)"
    r"(?:[ ]?(?:[:=是为]|is))?[ ]?"
    r"(?P<value>[0-9]{4,8})(?![0-9])",
    re.ASCII | re.IGNORECASE,
)

_PASSWORD, _KEY = 6, 12
"""Characters that a value has at least: after a word for passwords, after one for keys, which has other meanings."""


def find(text: str) -> Iterator[Found]:
    """Finds keys, passwords and codes."""
    for found in _PEM.finditer(text):
        yield Found(found.start(), found.end(), "key", found[0])
    for found in _FORMS.finditer(text):
        yield Found(found.start(), found.end(), "key", found[0])
    for found in _LABELLED.finditer(text):
        secret = found["value"].rstrip(".,;:!?)\"'`")
        if _looks_made(secret, _KEY if found["long"] or found["short"] else _PASSWORD):
            yield Found(found.start("value"), found.start("value") + len(secret), "key", secret)
    for pattern in (_BEARER, _DIRECT, _CODE):
        for found in pattern.finditer(text):
            yield value(found, "key")


def _looks_made(secret: str, least: int) -> bool:
    """Whether a value was made for a machine: long enough, with a digit, and no time of day."""
    clock = re.fullmatch(r"[0-9:.,/-]+", secret) and not secret.isdigit()
    return len(secret) >= least and any(char.isdigit() for char in secret) and not clock
