"""Words beside a speech where words are parted by blanks: “…,” said Tom. Mary answered, “…” — сказал Иван.

A subject is a pronoun, capitalised words, or a person named by the and a noun; possessives and articles that say only
that it is somebody name nobody. Every pattern is bounded and is looked for in few characters.
"""

import re

from finetune.corpora._said import NEAR, Pronoun, Said

_VERBS = (
    "said|says|asked|asks|replied|replies|answered|answers|cried|cries|whispered|whispers|shouted|shouts|muttered|mutters"
    "|murmured|murmurs|exclaimed|added|adds|continued|continues|called|snapped|growled|sighed|laughed|demanded|returned"
    "|observed|remarked|began|agreed|admitted|insisted|begged|screamed|yelled|hissed|groaned|sobbed|explained|told"
    "|repeated|protested|suggested|warned|gasped|breathed|interrupted|inquired|enquired|declared|responded|announced"
    "|grumbled|pleaded|ordered|commanded|chuckled|grinned|smiled|nodded|bellowed|roared|urged|went on|put in"
    "|retorted|pursued|resumed|rejoined|stammered|faltered|proceeded|concluded|ejaculated|assented|objected|corrected"
    "|drawled|mumbled|quoth|commented|acknowledged|stated|broke in|cut in|struck in|wailed|shrieked|moaned|hazarded"
    "|croaked|panted|persisted|ventured|stuttered|sneered|snarled|scoffed|echoed|assured|spoke|speaks|piped|thundered"
    "|сказал|сказала|спросил|спросила|ответил|ответила|крикнул|крикнула|прошептал|прошептала|воскликнул|воскликнула"
    "|thought|wondered|подумал|подумала"
)
_PRONOUN = "he|she|they|it|I|we|you|who|он|она|они|я"
_MEANT: dict[str, Pronoun] = {"he": "he", "он": "he", "she": "she", "она": "she", "i": "I", "я": "I"}
_MEANS = re.compile(r"(?:[Hh]e|[Ss]he|I|[Оо]н|[Оо]на|[Яя])\b")
_WORD = r"[A-ZÀ-ÖØ-ÞА-ЯЁ][\w'’]{0,30}(?:-[\w'’]{1,20}){0,2}"
_NAME = (
    r"(?:(?:Mr|Mrs|Ms|Dr|St|Prof|Capt|Col|Gen|Lt|Sgt)\.? )?"
    rf"(?:{_WORD}(?: (?:de|van|von|of|the|del|la))? ){{0,2}}{_WORD}"
)
_ADJECTIVES = (
    "old|young|little|tall|fat|first|second|third|other|elder|younger|new|small|big|blind|poor|good|great|dear|long|red"
    "|black|white|grey|gray|thin|short|lean|stout|strange|last|whole|same|still|worthy|unhappy|happy"
)
_NOUN = rf"(?!(?:{_ADJECTIVES})\b)[A-Za-z][\w'’]{{1,20}}(?:-[\w'’]{{1,20}})?"
_THE = rf"(?:(?:[Tt]he|[Mm]y) (?:(?:{_ADJECTIVES}),? )?{_NOUN})"
_SUBJECT = rf"(?P<subject>(?i:{_PRONOUN})\b|{_THE}|{_NAME})"
_FOND = "(?:(?:poor|old|young|little|dear|good) ){0,2}"
_HOW = r"(?:(?:\w{2,20}ly|then|had|also|only|just|again|at last|finally) )"
_SUBJECT_VERB = re.compile(rf"\b{_SUBJECT},? {_HOW}{{0,2}}(?P<verb>{_VERBS})\b")
_VERB_SUBJECT = re.compile(
    rf"{_HOW}?\b(?P<verb>{_VERBS})(?: (?:again|back|out|softly|\w{{2,20}}ly))?,? {_FOND}{_SUBJECT}"
)
_ANY_VERB = re.compile(rf"\b(?:{_VERBS})\b")
_STARTS = re.compile(_SUBJECT)
_THOUGHTS = frozenset(["thought", "wondered", "подумал", "подумала"])
_PRONOUNS = frozenset(_PRONOUN.lower().split("|"))
_NO_NAME_WORDS = (
    "A An And As At But By For From He Her Here His How I If In It Its My No Not Now Nobody Of Oh On Once One "
    "Only Or Our She So Someone Somebody Still Suddenly That The Their Then There They This Those Though Thus "
    "To Two Until We What When Where Which While Who Why With Yes Yet You Your After Before Everyone Everybody "
    "Another Both All Again Finally Monday Tuesday Wednesday Thursday Friday Saturday Sunday Chapter Upon "
    "Poor Dear Good Well Oh God Heaven "
)
_NO_NAMES = frozenset(_NO_NAME_WORDS.split())
_ANYBODY_WORDS = (
    "man woman boy girl lady gentleman stranger voice other others latter former rest same first second third two "
    "three answer reply words speaker person fellow one last people crowd men women boys girls ladies gentlemen"
)
_ANYBODY = frozenset(_ANYBODY_WORDS.split())
"""After `the`: somebody, and another one on the next page."""
_NOT_ENDS = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|St|Prof|Capt|Col|Gen|Lt|Sgt|[A-Z])\.$")
_SENTENCE = re.compile(r"(?<=[.!?;])\s+")
_EDGES = " ,.:;—–-"


def before(words: str) -> Said | None:
    """Who speaks next, by the words right before a speech; None where they do not say."""
    tail = words[-NEAR:].rstrip()
    sentence = sentences(tail)[-1]
    if tail[-1:] not in ",:" and not _ANY_VERB.search(sentence[-12:]):
        return None
    found = [*_SUBJECT_VERB.finditer(sentence)] or [*_VERB_SUBJECT.finditer(sentence)]
    if found:
        return _said(found[-1], words)
    start = _STARTS.match(sentence)
    if start and (tail[-1:] == ":" or _ANY_VERB.search(sentence)):
        return _said(start, words)
    return None


def after(words: str) -> Said | None:
    """Who has spoken, by the words right after a speech."""
    head = words[:NEAR].lstrip(_EDGES)
    found = _SUBJECT_VERB.match(head) or _VERB_SUBJECT.match(head)
    if found:
        return _said(found, words)
    if head.startswith(("he ", "she ")):
        return Said(pronoun=meant(head))  # “…!” she was going to exclaim
    return Said(stranger=True) if _ANY_VERB.search(sentences(head)[0][:60]) else None


def sentences(text: str) -> list[str]:
    """The sentences of a few words of text; an abbreviated title ends none."""
    result = [""]
    for part in _SENTENCE.split(text):
        if _NOT_ENDS.search(result[-1][-6:]):
            result[-1] += f" {part}"
        else:
            result.append(part)
    return result[1:]


def name_in(subject: str) -> str:
    """The name in a subject, without the words of a sentence's beginning; "" where it names nobody."""
    words = subject.split()
    while words and (words[0] in _NO_NAMES and not (words[0] in ("The", "My") and len(words) > 1)):
        words.pop(0)
    while words and words[-1] in _NO_NAMES:
        words.pop()
    name = " ".join(words)
    if name.startswith(("The ", "My ")):
        name = name[0].lower() + name[1:]
    return name.removesuffix("'s").removesuffix("’s")


def meant(words: str) -> Pronoun:
    """Who is meant by the pronoun with which words begin; "" where they begin with none."""
    found = _MEANS.match(words)
    return _MEANT[found[0].lower()] if found else ""


def _said(found: re.Match[str], words: str) -> Said:
    subject = found["subject"]
    thought = "verb" in found.groupdict() and found["verb"] in _THOUGHTS
    bare = len(words.split()) <= 5 and not re.search(
        r"[,.;:]\s*\w", words.strip(_EDGES).replace("Mr.", "").replace("Mrs.", "")
    )
    if subject.lower() in _PRONOUNS:
        return Said(pronoun=_MEANT.get(subject.lower(), "other"), thought=thought, bare=bare)
    name = name_in(subject)
    if name.startswith(("the ", "my ")) and name.split()[-1] in _ANYBODY:
        return Said(stranger=True, thought=thought)
    return Said(subject=name, sure=bool(name), thought=thought, bare=bare)
