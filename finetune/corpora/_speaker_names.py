"""Whether words before a colon can be a speaker's name, and who speaks where several names stand together.

It judges the words alone, in three grades; how often they occur in a file, and who is known there, is for its caller to
weigh. Narrators speak for nobody (`旁白`, `Narrator`); a crowd (`众人`, `ALL`) is a speaker of its own, as written.
"""

import re
from collections.abc import Collection
from enum import IntEnum

from finetune.corpora._headings import label

LONGEST = 40
"""Characters of a name."""
LONGEST_HAN = 20
"""Characters of a name without spaces, in Han."""
MOST_WORDS = 6


def _listed(words: str) -> frozenset[str]:
    return frozenset(words.split())


_NARRATORS = _listed(
    """旁白 旁白音 画外音 解说 解说词 叙述 叙述者 叙事 畫外音 解說 字幕 旁述 场景音
    narrator narration narrative v.o. vo caption subtitle title_card super chyron"""
)
_CROWDS = _listed(
    """众人 众 全体 大家 所有人 众臣 众将 众军 群众 眾人 眾 全體 二人 两人 三人
    all both everyone everybody omnes crowd together"""
)
_SENTENCE = re.compile(r"[。！？!?…；;“”\"「」『』《》<>＜＞=＝|｜{}@$%^\\（）()\[\]【】]")
_HAN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_UNKNOWN = re.compile(r"[?？]{1,6}")
_SAYING_ZH = re.compile(
    r"(?:[一-鿿]{0,3}[着地])?(?:[大笑哭低高轻冷怒叹忙急又还便就才再]?[说說道问問答喊叫想骂吼嚷]道?|[写念唱笑骂喝叹]道"
    r"|回答|解释|嘀咕|自语|表示|心想|暗想|开口|补充|写着|传来|声称)$"
)
_PRONOUN_ZH = re.compile(r"[我你您他她它咱](?:们|自己)?|大家|有人|自己|谁|那人|这人")
_FUNCTION_ZH = re.compile(
    r"[的了是在着把被这那很都就也不我你他她它们说让从向给]|一个|传来|因为|所以|如果|只有|没有|可以|可能|有[一两三四五]"
)
_PERSON_ZH = re.compile(
    r"(?:声音?|[男女老少人客兵童孩]|儿子|女儿|母亲|父亲|妈妈?|爸爸?|[哥姐弟妹叔姨婶伯爷奶]|妻子?|丈夫|老板娘?|医生|护士|警察"
    r"|老师|同学|司机|店员|服务员|[甲乙丙丁A-Da-d\d])$"
)
_OWNED_ZH = re.compile(r"([\u3400-\u9fff·]{1,6})的([\u3400-\u9fff]{1,4})")
_THING_ZH = re.compile(
    r"[话信心脸手眼泪笔书字诗名事处画词梦命家]$|意思|想法|看法|办法|目光|表情|身影|眼神|回答|回复|答案|反应|计划|打算|日记|遗言|遗书|结局|秘密"
    r"|动作|台词|经历|故事|任务|问题|要求|条件|心情|内心"
)
_TITLES = frozenset({"mr", "mrs", "ms", "dr"})
_NO_NAMES_ZH = _listed(
    """注 注意 例如 比如 例 附 原文 译文 译者注 首先 其次 最后 总之 结果 问题 答案 原因 结论 重点 要点 目的 方法 步骤
    关键 其一 其二 其三 第一 第二 第三 即 如 如下 以下 另外 此外 所谓 换言之 换句话说 简而言之 也就是说 意思 事实 真相
    条件 规则 任务 目标 地址 电话 价格 备注 提示 说明 状态 选项 下列 格式 参考 未完待续 待续"""
)
_SAYING_EN = _listed(
    """said says say asked asks replied replies answered answers shouted shouts whispered whispers cried cries thought
    thinks muttered added adds continued wrote writes reads read was is are were had has"""
)
_NO_NAMES_EN = _listed(
    """warning remember example examples chapter ps p.s then so but and or if because that this there here first second
    third finally however therefore meanwhile later now today yesterday answer question problem result reason fact
    truth rule rules step option options yes no ok also thus hint tip re subject from to cc date time place the a an
    it he she they we what who why how when where which"""
)
_STARTS_EN = _listed("he she they it we you this that there these those what when where why how if then but and so")
_PARTICLES = _listed("of the de von van der den la le du da di del and at in to with on for from o' al el bin no. y")
_PLAINLY = re.compile(r"\s*[、&＆+＋/／]\s*")
_MAYBE = tuple(re.compile(between) for between in (r"\s*[,，]\s*", r"\s+(?:and|AND)\s+", r"[和与及跟]", r"\s+"))
_LISTED = re.compile(r"\s*[,，]\s*(?:(?:and|et|und)\s+)?|\s+(?:and|et|und)\s+")
"""Between names of which the last is joined by a word: `SAM, LIAM and TRAVIS`."""
_JOINS = re.compile(r"\s(?:and|et|und)\s")
_HOW_MANY = re.compile(r"(?<=.)(?:[二两三四五六七八九十]人|等人?)$")


class Grade(IntEnum):
    """How much words look like a name: a doubtful one must recur to be taken for one."""

    NONE = 0
    DOUBTFUL = 1
    PLAIN = 2


def is_narrator(name: str) -> bool:
    return name.casefold().replace(" ", "_") in _NARRATORS


def is_crowd(name: str) -> bool:
    return name.casefold() in _CROWDS


def grade(name: str) -> Grade:
    """How much some words, stripped, look like the name of one speaker."""
    if _UNKNOWN.fullmatch(name) or is_narrator(name) or is_crowd(name):
        return Grade.PLAIN
    if not 0 < len(name) <= LONGEST or _SENTENCE.search(name) or not any(char.isalpha() for char in name):
        return Grade.NONE
    if label(f"{name}:") or re.search(r"[,，、]", name):
        return Grade.NONE
    return _grade_han(name) if _HAN.search(name) else _grade_latin(name)


def saying(name: str) -> str:
    """Who says something in words such as `宝玉笑道`; "" where there is no word of saying at the end."""
    found = _SAYING_ZH.search(name)
    return name[: found.start()] if found else ""


def owner(name: str) -> str:
    """Whose follower words such as `温实初的跟班` tell of; "" where they may tell of a thing, as `温实初的意思`."""
    found = _OWNED_ZH.fullmatch(name)
    follows = found and found[2] not in _NO_NAMES_ZH and not _FUNCTION_ZH.search(found[2])
    return found[1] if found and follows and not _THING_ZH.search(found[2]) else ""


def joined(written: str, known: Collection[str], *, together: bool = False) -> tuple[str, ...]:
    """The speakers of a speech: several for `甲、乙`, one as written for a crowd.

    Args:
        known: Names that the file has elsewhere; a separator that also stands within names parts only these.
        together: Whether the words beside the names say that they speak at once, as `（同）`.
    """
    if is_crowd(written):
        return (written,)
    parts = _parts(_PLAINLY, written)
    if len(parts) > 1 and all(map(grade, parts)) and parts[0].rstrip(".").casefold() not in _TITLES:
        return parts
    parts = _parts(_LISTED, written) if _JOINS.search(written) else ()
    if len(parts) > 1 and (set(parts) <= set(known) or all(part.isupper() and grade(part) for part in parts)):
        return parts
    for separator in _MAYBE:
        parts = _parts(separator, written)
        if len(parts) > 1 and (set(parts) <= set(known) or (together and all(grade(part) for part in parts))):
            return parts
    return (written,)


def _parts(separator: "re.Pattern[str]", written: str) -> tuple[str, ...]:
    parts = [part for part in separator.split(written) if part]
    if len(parts) > 1:
        parts[-1] = _HOW_MANY.sub("", parts[-1])
    return tuple(dict.fromkeys(parts))


def _grade_han(name: str) -> Grade:
    if len(name) > LONGEST_HAN or len(name.split()) > 3 or name in _NO_NAMES_ZH:
        return Grade.NONE
    if _PRONOUN_ZH.fullmatch(name):
        return Grade.PLAIN
    if _SAYING_ZH.search(name):
        stem = saying(name)
        return Grade.DOUBTFUL if 0 < len(stem) <= 3 and not _PRONOUN_ZH.match(stem) else Grade.NONE
    plain = not _FUNCTION_ZH.search(name) or (
        _PERSON_ZH.search(name) and not _FUNCTION_ZH.search(name.replace("的", ""))
    )
    return Grade.PLAIN if plain and len(name) <= 10 else Grade.DOUBTFUL


def _grade_latin(name: str) -> Grade:
    words = name.split()
    if len(words) > MOST_WORDS or name.casefold() in _NO_NAMES_EN or words[-1].casefold() in _SAYING_EN:
        return Grade.NONE
    if len(words) > 1 and words[0].casefold() in _STARTS_EN:
        return Grade.NONE
    if all(_is_capital(word) for word in words):
        return Grade.PLAIN
    return Grade.DOUBTFUL if len(words) <= 3 else Grade.NONE


def _is_capital(word: str) -> bool:
    first = word.lstrip("'’\"#.-")[:1]
    return first.isupper() or first.isdigit() or word.casefold() in _PARTICLES or word in "&-–—"
