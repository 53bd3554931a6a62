"""Chinese words beside a speech: 林冲道：“…”, “…”鲁智深大笑道。, 她低声说：“…”.

The clause with the verb of saying is the one that touches the speech. What is left of it without the verb and the
manner is the subject; whether that begins with a name is for others to judge, who have seen the whole book.
"""

import re

import msgspec

from finetune.corpora._said import NEAR, Pronoun, Said

_VERB = re.compile(
    "(?:回答|追问|反问|解释|补充|开口|吩咐|命令|嘱咐|提醒|安慰|抱怨|嘟囔|嘀咕|呢喃|低语|惊呼|答应|感叹|感慨|打断|抗议|宣布|质问|喃喃"
    "|自语|告诉|[说說问問答喊叫骂罵叹嘆吼喝笑哭嚷劝勸道曰云应應奏禀催念唱])[说說道曰]?[着了]?$"
)
_WHILE = re.compile("[说說言](?:着|完|罢|毕|到这里|到此处)")
"""After a speech: whoever acts next has said it, as in 说着，林冲站起身来."""
_THOUGHT = re.compile("(?:心想|心道|暗道|暗想|寻思|思忖|心说|想道|暗忖|想着|想)$")
_NOT_SAID = (
    "知道",
    "难道",
    "味道",
    "街道",
    "听说",
    "据说",
    "写道",
    "虽说",
    "或者说",
    "就是说",
    "小说",
    "学说",
    "传说",
    "人道",
    "只道",
)
_MANNER_WORDS = (
    "点点头 点了点头 摇摇头 摇了摇头 叹了口气 忍不住 不由得 不耐烦 自言自语 异口同声 齐声 点头 摇头 "
    "皱眉 叹气 冷笑 大笑 微笑 苦笑 起身 回头 转身 转头 抬头 低头 拱手 抱拳 连忙 急忙 赶忙 慌忙 忽然 "
    "突然 忽地 低声 轻声 大声 高声 厉声 沉声 柔声 朗声 小声 冷冷 淡淡 缓缓 慢慢 轻轻 悠悠 幽幽 不禁 "
    "不由 接着 继续 跟着 立刻 立即 马上 终于 只好 只得 一边 笑着 哭着 忙 急 又 便 就 也 都 却 才 只 "
    "冷 低 轻 大 高 厉 怒 喜 惊 笑 哭 且 乃 遂 即 亦 齐 先 再 苦 微 狂 沉 柔 淡 叹 喝 骂 答 问 回 应 "
    "怯 惨 含 着 地"
)
_MANNERS = tuple(_MANNER_WORDS.split())
_PRONOUN_WORDS = "他 她 它 我 你 您 咱 俺 吾 那人 这人 对方 那 这 其 自己"
_STRANGER = re.compile("有人|[一那这][个名位]|[众几两二]人|声音|^[某谁]|大家")
_PRONOUNS = tuple(_PRONOUN_WORDS.split())
_TOWARDS = re.compile("(?<=..)[对對向朝冲跟与][^，]{1,12}$")
_NAME = re.compile("[\u3400-\u9fff]{2,4}|[\u3400-\u9fff]{1,6}(?:[·•][\u3400-\u9fff]{1,6}){1,2}|[A-Z][A-Za-z.' -]{0,20}")
_NO_NAME = re.compile("[的了着是在把被将不没有很这那就会能要想]|^[一二三两几每只对向从当如因所而但然于此]|[声话道说]$")
_SENTENCE = re.compile("[。！？!?…；\n]")
_CLAUSE = re.compile("[，,、]")
_EDGES = " ，,、：:。\u3000—-"


def before(words: str) -> Said | None:
    """Who speaks next, by the words right before a speech; None where they do not say."""
    tail = words[-NEAR:].rstrip()
    sentence = _SENTENCE.split(tail)[-1]
    clauses = [clause.strip(_EDGES) for clause in _CLAUSE.split(sentence.rstrip("：:，, "))]
    if not clauses[-1]:
        return None
    said = _clause(clauses[-1], tail[-1:] in "：:")
    if not said or said.subject or len(clauses) == 1:
        return said and _with_bare(said, words, clauses[-1])
    subject = clauses[0]  # 林冲放下酒碗，笑道：
    return Said(subject=subject, pronoun=meant(subject), thought=said.thought)


def after(words: str) -> Said | None:
    """Who has spoken, by the words right after a speech."""
    head = words[:NEAR].lstrip(_EDGES)
    clause, *more = (part.strip() for part in re.split("[，,。！？!?：:；…—]", head, maxsplit=2)[:2])
    if _WHILE.fullmatch(clause) and more and more[0]:
        return Said(subject=more[0], pronoun=meant(more[0]))
    said = _clause(clause, False) if clause else None
    return said and _with_bare(said, words, clause)


def _clause(clause: str, colon: bool) -> Said | None:
    """What a clause says of a speaker. Before a colon it needs no verb: 林冲：“…”."""
    if clause.endswith(_NOT_SAID):
        return None
    if found := _THOUGHT.search(clause[-8:]):
        return Said(subject=clause[: len(clause) - len(found[0])], thought=True)
    found = _VERB.search(clause[-8:])
    if not found and not colon:
        return None
    subject = _without_manner(clause[: len(clause) - len(found[0])] if found else clause)
    subject = _TOWARDS.sub("", subject)
    pronoun = meant(subject)
    stranger = bool(_STRANGER.search(subject))
    sure = bool(not pronoun and not stranger and _NAME.fullmatch(subject) and not _NO_NAME.search(subject))
    return Said(subject=subject, pronoun=pronoun, sure=sure, stranger=stranger)


def meant(subject: str) -> Pronoun:
    """Who is meant by a pronoun at the beginning; several of them together are nobody in particular."""
    if not subject.startswith(_PRONOUNS):
        return ""
    first: dict[str, Pronoun] = {"他": "he", "她": "she", "我": "I", "俺": "I"}
    return "other" if subject[1:2] == "们" else first.get(subject[0], "other")


def _without_manner(subject: str) -> str:
    """The subject without how it is said, as long as two characters are left; 冷冷 alone is no subject."""
    for _ in range(6):
        if subject in _MANNERS:
            return ""
        ending = next((each for each in _MANNERS if subject.endswith(each) and len(subject) - len(each) >= 2), "")
        if not ending:
            break
        subject = subject[: -len(ending)].strip(_EDGES)
    return subject


def _with_bare(said: Said, words: str, clause: str) -> Said:
    bare = len(clause) <= 12 and words.strip(_EDGES) == clause
    return msgspec.structs.replace(said, bare=bare)
