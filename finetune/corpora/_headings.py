"""Headings of scripts: `第三幕`, `Scene 3`, `INT. KITCHEN - NIGHT`, `1-3 日 内 寝宫`, `---`.

It judges one line by its own words, without its neighbours. A line with a colon may be a heading (`第一幕：风雪`) or a
label (`时间：夜`): neither is ever a speaker. It knows no speakers and builds no scenes.
"""

import re
from enum import Enum
from typing import NamedTuple

LONGEST = 120
"""Characters of a heading."""

COLONS = "：:∶﹕︰꞉"
_COUNT = r"\s*[0-9０-９〇零一二两三四五六七八九十百千廿卅]{1,9}\s*"
_ZH = re.compile(
    rf"(?:第(?:{_COUNT}|\s*[0-9]{{1,4}}[,，、.](?=[幕场場]))(?:(?P<part>[季部卷集篇])|(?P<act>[幕章回折话話])|(?P<scene>[场場景节節])次?)"
    rf"|(?P<numbered>(?:[场場]次|[场場]景|[场場]){_COUNT})|(?P<edge>序[幕章场]|楔子|引子|尾声|终[幕章]|番外))"
    r"(?P<rest>.*)"
)
_APART = re.compile(rf"$|[\s{COLONS}、.．·—–,，-]|[（(【\[]|续")
_NUMBER = (
    r"(?:\d{1,4}|[IVXLC]{1,8}|[ivxlc]{1,8}"
    r"|(?i:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|first|second|third|fourth|fifth))"
)
_EN = re.compile(
    rf"(?:(?P<part>(?:SEASON|Season|EPISODE|Episode|PART|Part|VOLUME|Volume)\s+{_NUMBER}\b)"
    rf"|(?P<act>(?:ACT|Act|CHAPTER|Chapter)\s+{_NUMBER}\b)"
    rf"|(?P<scene>(?:SCENE|Scene)\s+{_NUMBER}\b)|(?P<edge>PROLOGUE|Prologue|EPILOGUE|Epilogue))"
    r"(?P<rest>.*)"
)
_NUMBER_FR = (
    r"(?:\d{1,4}|[IVXLC]{1,8}|(?i:premi(?:er|[eè]re)|deuxi[eè]me|seconde?|troisi[eè]me|quatri[eè]me|cinqui[eè]me"
    r"|sixi[eè]me|septi[eè]me|huiti[eè]me|derni(?:er|[eè]re)|unique))"
)
_FR = re.compile(
    rf"(?:(?P<act>(?:ACTE|Acte)\s+{_NUMBER_FR}(?!\w))|(?P<scene>(?:SC[EÈ]NE|Sc[eè]ne)\s+{_NUMBER_FR}(?!\w)))(?P<rest>.*)"
)
_EN_APART = re.compile(r"$|\s*[.:：,;—–(\[-]|\s+(?:ACT|Act|SCENE|Scene)\b")
_SLUG_EN = re.compile(
    r"(?:\d{1,4}[A-Z]?[.)]?\s+)?(?:INT\.?\s?/\s?EXT|EXT\.?\s?/\s?INT|INT|EXT|I/E|EST|Int|Ext)(?:\.\s*|\s+(?=[A-Z]))\S.*"
)
_SLUG_NUMBER = re.compile(r"(?:场次?\s*)?\d{1,4}(?:\s*[-－–—.]\s*\d{1,4})?[A-Za-z]?(?![0-9])[\s、.．：:]*")
_WHEN = r"(?:日|夜|晨|昏|晚|清晨|早晨|早上|上午|中午|正午|下午|黄昏|傍晚|晚上|深夜|凌晨|夜晚|白天|拂晓|黎明)"
_WHERE = r"(?:内景?|外景?|内外景?|室内|室外)"
_WHEN_WHERE = re.compile(rf"(?:{_WHEN}{_WHERE}?|{_WHERE}{_WHEN}?)")
_WORDS = re.compile(r"[\s、，,/／.．。·—–-]+")
_RULE = re.compile(r"(?:#{1,6}|[-‐–—─━]{3,}|[*＊]{3,}|(?:[*＊]\s+){2,}[*＊]|[=＝]{3,}|[_]{3,}|[~～]{3,}|[-*=#—\s]{5,})")
_LONGEST_DIRECTION = 600
_ACTS = re.compile(
    r"[(（\[【_*].*[)）\]】_*][.。]?|(?:(?:Re-)?[Ee]nter|Exit|Exeunt|Entre|Entrent|Sort|Sortent)\s.*"
    r"|(?:Ils?|Elles?|On|He|She|They)\s[a-zà-ÿ].*"
    r"|(?=.*\s[a-zà-ÿ]).*[.…]|.*。"
)
_MARKDOWN = re.compile(r"(#{1,6})\s+(?=\S)")
_AROUND = "#*=＝~～_-—─ \t\u3000"
_BOXES = (("【", "】"), ("[", "]"), ("（", "）"), ("(", ")"), ("〖", "〗"), ("「", "」"), ("《", "》"))
_TRANSITION = re.compile(
    r"(?:FADE (?:IN|OUT|TO)\b|(?:SMASH |JUMP |MATCH |HARD )?CUT TO\b|DISSOLVE TO\b|BACK TO\b).{0,30}"
    r"|(?:淡入|淡出|切至|切入|切到|闪回|闪出|叠化|黑屏|切黑|渐隐|渐显)[：:。]?"
    r"|THE END\.?|END\.?|[（(]?(?:剧终|完|幕落|落幕|全剧终)[）)]?"
)


class Kind(Enum):
    """What a label before a colon says of the words after it."""

    PREMISE = "where and when"
    CAST = "who is there"
    DIRECTION = "what is seen and heard"
    WORK = "the work itself"


_LABELS = {
    Kind.PREMISE: """场景 时间 地点 时 地 布景 背景 场景描述 场景说明 场景介绍 天气 日期 季节 年代 场次 幕启 舞台
    环境 前情 前情提要 場景 時間 地點 佈景 場次 scene setting time place location date premise""",
    Kind.CAST: """人物 登场人物 出场人物 本场人物 角色 主要人物 主要角色 人物表 人物介绍 角色介绍 角色表 剧中人 剧中人物
    出场 登場人物 出場人物 出场角色 演员表 演员
    cast characters persons dramatis_personae the_persons the_persons_of_the_play persons_of_the_play
    cast_of_characters the_cast characters_of_the_play""",
    Kind.DIRECTION: """音乐 音效 灯光 镜头 画面 特写 背景音乐 片头曲 片尾曲 主题曲 动作 道具 备注 注 注意 提示 说明 注释
    bgm sfx se music sound lights camera note notes n.b warning fade_in fade_out cut_to dissolve_to smash_cut_to
    match_cut_to back_to""",
    Kind.WORK: """剧名 片名 标题 题目 书名 作品 编剧 导演 作者 改编 原著 出品 剧情简介 简介 梗概 故事梗概 内容简介
    来源 链接 版权 title author written_by director synopsis summary source copyright email tel""",
}
_KINDS = {word.replace("_", " "): kind for kind, words in _LABELS.items() for word in words.split()}
_BOXED = re.compile(r"[【\[〖]\s*([^【】\[\]〖〗]{1,24}?)\s*[】\]〗]\s*(.*)", re.DOTALL)
_LABEL = re.compile(
    rf"[【\[*_]{{0,2}}([^{COLONS}【】\[\]]{{1,24}})[】\]*_]{{0,2}}\s*[{COLONS}][*_]{{0,2}}(.*)", re.DOTALL
)


class Heading(NamedTuple):
    """A heading: 1 a part or episode, 2 an act or chapter, 3 a scene, 4 a place; 0 a mere rule between scenes."""

    level: int
    words: str


class Label(NamedTuple):
    kind: Kind
    words: str
    """What stands after the colon, stripped."""


def heading(line: str) -> Heading | None:
    """The heading that a stripped line is, if it is one."""
    if _RULE.fullmatch(line[: LONGEST + 1]):
        return Heading(0, "")
    if len(line) > LONGEST:
        return None
    marked = _MARKDOWN.match(line)
    words = _bare(line)
    level = _level(words)
    if not level and marked and not small_direction(line):
        level = min(len(marked[1]), 3)
    return Heading(level, " ".join(words.split())) if level and words else None


def small_direction(line: str) -> str:
    """The stage direction that a small heading is, as `### Il sort.`; "" for any other line.

    It is no title: it has three marks or more, and is put in brackets, ends as a sentence or says who comes and goes.
    """
    marked = _MARKDOWN.match(line[:LONGEST]) if len(line) <= _LONGEST_DIRECTION else None
    words = line[marked.end() :].strip(" #") if marked and len(marked[1]) > 2 else ""
    if not words or words[0].isdigit() or _level(_bare(words)):
        return ""
    return words if _ACTS.fullmatch(words) else ""


def label(line: str) -> Label | None:
    """What a stripped line such as `时间：夜` or `Cast: Mara, Tobin` says of its scene or of the work."""
    found = _LABEL.match(line) or _BOXED.match(line)
    kind = found and _KINDS.get(found[1].strip("*_ \t\u3000").casefold())
    return Label(kind, found[2].strip()) if found and kind else None


def is_cast_title(line: str) -> bool:
    """Whether a line opens a list of characters: `人物表`, `DRAMATIS PERSONAE`."""
    return _KINDS.get(_bare(line[:LONGEST]).rstrip(COLONS + ".").casefold()) is Kind.CAST


def is_transition(line: str) -> bool:
    """Whether it is one of a film's words between scenes, as `CUT TO:`."""
    return len(line) <= LONGEST and bool(_TRANSITION.fullmatch(line))


def _bare(line: str) -> str:
    """The words without what is put around a heading: `== 第一幕 ==`, `【第一幕】`."""
    words = line.strip(_AROUND)
    for left, right in _BOXES:
        if words.startswith(left) and words.endswith(right):
            return words[1:-1].strip(_AROUND)
    return words


def _level(words: str) -> int:
    if found := _ZH.fullmatch(words):
        return _group_level(found) if _stands_apart(found) else 0
    if found := _EN.fullmatch(words) or _FR.fullmatch(words):
        return _group_level(found) if _EN_APART.match(found["rest"]) else 0
    return 4 if _SLUG_EN.fullmatch(words) or _is_slug(words) else 0


def _group_level(found: "re.Match[str]") -> int:
    groups = found.groupdict()
    levels = {"part": 1, "act": 2, "edge": 2, "scene": 3, "numbered": 3}
    return next(level for group, level in levels.items() if groups.get(group))


def _stands_apart(found: "re.Match[str]") -> bool:
    """Whether a title follows its number as a title does; `第一场雪下得很大` is a sentence."""
    rest = found["rest"]
    if re.search(r"[。！？!?]$", rest) and not rest.lstrip().startswith(tuple(COLONS)):
        return False
    if _APART.match(rest) or (found[0][-len(rest) - 1 : -len(rest)].isspace() if rest else True):
        return True
    return bool(found["part"] or found["act"]) and len(rest) <= 8 and not re.search(r"[，。、！？!?；]", rest)


def _is_slug(words: str) -> bool:
    """`1-3 日 内 寝宫`, `12、寝宫 夜 内`, `内景 寝宫 夜`: a number with a time or a place, or both."""
    number = _SLUG_NUMBER.match(words)
    parts = [part for part in _WORDS.split(words[number.end() :] if number else words) if part]
    if len(parts) > 8 or re.search(rf"[。！？!?{COLONS}]$", words):
        return False
    told = [part for part in parts if _WHEN_WHERE.fullmatch(part)]
    if number:
        return bool(told) and len(parts) <= 6
    return len(parts) >= 2 and bool(re.match(r"[内外]景|[内外]$", parts[0]) and (len(told) >= 2 or "景" in parts[0]))
