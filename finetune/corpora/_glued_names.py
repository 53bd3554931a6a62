"""Names that are written as one word: `甄嬛眉庄：` where both of them speak elsewhere in the file.

Only Chinese names of two characters or more are parted, only into names that speak at least as often as the whole, and
never before a word for somebody's people (`小明妈妈`, `华妃宫女`). It knows no layout, and reads no file.
"""

import re
from collections.abc import Mapping

LONGEST = 20
"""Characters of names that are written as one word."""
SHORTEST = 2
"""Characters of each of them."""

_HAN = re.compile(r"[\u3400-\u9fff·]+")
_PEOPLE = re.compile(
    r"[大小老]?(?:[一-鿿]?(?:宫女|太监|侍[女卫从]|丫[鬟头环]|嬷嬷|随[从扈]|跟班|仆[人从]|下人|佣人|家[丁人仆]|手下|部下|士兵|护卫|保镖|管家"
    r"|秘书|助[手理]|司机|徒弟|弟子|师[父傅]|老师|同学|同事|邻居|朋友|声音?|影子|魂魄?)"
    r"|妈妈?|爸爸?|父亲?|母亲?|爹爹?|娘亲?|哥哥?|姐姐?|弟弟?|妹妹?|爷爷?|奶奶?|叔叔?|阿姨|姨娘?|婶婶?|伯[父母伯]?|舅舅"
    r"|妻子?|丈夫|夫人|太太|老公|老婆|儿子|女儿|孩子|先生|小姐|大人|老师|医生|警官|老板娘?)[甲乙丙丁\d]?"
)


def atoms(names: Mapping[str, int]) -> dict[str, int]:
    """The names that are not others written as one word, with how often each speaks."""
    found: dict[str, int] = {}
    for name in sorted(names, key=len):
        if not parted(name, found, names[name]):
            found[name] = names[name]
    return found


def parted(written: str, known: Mapping[str, int], times: int = 0) -> tuple[str, ...]:
    """The fewest known names that a word is made of, in order; none where it is one name or no name.

    Args:
        known: Names by how often they speak.
        times: How often the word as a whole stands before a speech; a name speaks at least as often.
    """
    if not 2 * SHORTEST <= len(written) <= LONGEST or not _HAN.fullmatch(written):
        return ()
    best: list[tuple[str, ...] | None] = [(), *([None] * len(written))]  # by how many characters they cover
    for end in range(SHORTEST, len(written) + 1):
        for start in range(end - SHORTEST + 1):
            before, name = best[start], written[start:end]
            if before is None or name == written or known.get(name, 0) < max(times, 1) or name in before:
                continue
            if before and _PEOPLE.fullmatch(name):
                continue
            if best[end] is None or len(before) + 1 < len(best[end] or ()):
                best[end] = (*before, name)
    return best[-1] or ()
