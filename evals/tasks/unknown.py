"""Whether a role admits what it can't know, instead of making something up.

Admitting is to say that nobody knows, knew, said or wrote it, to send the guest to somebody else, or to mark a guess as
one. A mere `not` or `no` is none: an invented answer has these too.
"""

import re

from evals.asking import Reply
from evals.tasks.base import Known, missed, straight

HELP = "makes nothing up where no page holds the answer"
EXPECTED = 0.8
_NOT = r"(?:\w{1,10}n't|not|never|cannot|nobody|no one|none|nothing|hardly|neither|nor|no \w{1,12}|without)"
_KNOWING = (
    r"(?:know|knows|knew|known|knowing|say|says|said|tell|tells|told|telling|hear|heard|recall|remember|remembers|"
    r"see|saw|seen|sure|certain|write|writes|wrote|written|record|records|recorded|guess|ask|asked|learn|learned|"
    r"learnt|notice|noticed|count|counted|counting|note|noted|notes|find|found|answer|draw|drawn|mention|mentioned|"
    r"speak|speaks|spoke|spoken|swear|met|read|name|named|mark|marked|map|chart|give|gives|gave|given|keep|kept|"
    r"keeping|stand|stands)"
)
_ADMITS = re.compile(
    rf"\b{_NOT}\b(?:[ ,]+[\w']{{1,14}}){{0,4}}[ ,]+{_KNOWING}\b"
    r"|\b(?:have|has|had|holds?|gives?|gave|names?|finds?|found|see|keeps?|there is|there was|with|kept) no \w"
    r"|\bi (?:have|had|was|am|did|do|would|could|can) (?:not|never)\b|\bi (?:never|\w{2,6}n't)\b"
    r"|\bno (?:idea|notion|clue|record|word|page|name|answer|memory|knowledge|telling|sign|trace|more than|use)\b"
    r"|\bwho (?:knows|can (?:say|tell)|could (?:say|tell))\b|\bknows? (?:nothing|no more|little|naught)\b"
    r"|\b(?:said|told me|says?|heard|tells?|wrote|read) (?:you )?(?:nothing|no|never|naught)\b"
    r"|\b(?:if|wish) i (?:\w{1,9} )?knew\b|\bi wonder\b|\bbeats me\b|\bbeyond (?:me|my)\b|\bnews to me\b|\bescapes me\b"
    r"|\bperhaps\b|\bmaybe\b|\bi(?:'d| would| can only| could only)? guess\b|\bmy guess\b|\bi suppose\b|\bsecret\b"
    r"|\bunknown\b|\bforgot|\bforget\b|\b(?:stays?|are|is|remains?) (?:hidden|dark|in the dark)\b|\bnot me\b"
    r"|\blost (?:to me|on me|count)\b|\b(?:keeps?|kept) (?:that|it|this) to\b|\bnot (?:in|on) (?:my|the|any)\b"
    r"|\bleaves? (?:it|that) open\b"
    r"|\bbefore my time\b|\bfirst i (?:have )?hear|\bonly (?:the|god|he|she|they) (?:\w{1,9} )?knows?\b"
    r"|(?:^|[.!?;,] |\b(?:must|should|could|to|better|best|and|you) )(?:go )?ask\b"
    "|不知道|不晓得|不清楚|不记得|不好说|没听说|没听过|没人知道|谁知道|说不准|说不好|忘了|也许|大概|猜",
    re.IGNORECASE,
)


def judge(reply: Reply, known: Known) -> str | None:
    if reply.probe.kind != "unknown":
        return None
    if reply.probe.wanted or reply.probe.unwanted:
        why = missed(reply)
        if why or reply.probe.wanted:
            return why
    return "" if _ADMITS.search(straight(reply.text)) else "it does not admit that it can't know"
