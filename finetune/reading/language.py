"""The language that most of some scenes is in, by their letters and by the words that English is made of.

It is a look at the beginning, no judgement on each line. It knows no files.
"""

import re
from collections.abc import Iterable

from finetune.dialogue import Scene

_SAMPLE = 200_000
"""Characters that tell a language."""
_SCRIPTS = {
    "zh": re.compile("[\u3400-\u4dbf\u4e00-\u9fff]"),
    "ja": re.compile("[\u3041-\u30ff\uff66-\uff9d]"),
    "ko": re.compile("[\uac00-\ud7a3]"),
    "ru": re.compile("[\u0400-\u04ff]{2,}"),
    "en": re.compile("[A-Za-z\u00c0-\u024f]{2,}"),
}
"""What is about a word long: a character of Chinese, kana or Hangul, a run of letters elsewhere."""
_NOT_RUSSIAN = re.compile("[ІіЇїЄєҐґЎўЈјЉљЊњЋћЂђЏџ]")
_ENGLISH = re.compile(
    r"\b(?:the|and|you|that|is|to|of|what|with|have|this|are|not|for|my|your|was|he|she|they|it's|don't|i'm)\b"
)


def language_of(scenes: Iterable[Scene]) -> str:
    """The language that most of it is in: `zh`, `en`, `ja`, `ko`, `ru`, or "" for another or for a mixture."""
    text = _sample(scenes)
    counts = {language: len(script.findall(text)) for language, script in _SCRIPTS.items()}
    if counts["ja"] * 8 > counts["zh"]:  # Japanese is half kana; Chinese holds none but in a name or two
        counts["ja"] += counts.pop("zh")
    best = max(counts, key=lambda language: counts[language])
    if counts[best] * 2 <= sum(counts.values()):
        return ""
    if best == "ru" and len(_NOT_RUSSIAN.findall(text)) * 10 > counts["ru"]:
        return ""
    return best if best != "en" or _is_english(text) else ""


def _sample(scenes: Iterable[Scene]) -> str:
    parts: list[str] = []
    left = _SAMPLE
    for scene in scenes:
        for line in scene.lines:
            if left <= 0:
                return "\n".join(parts)
            parts.append(line.text[:left])
            left -= len(line.text)
    return "\n".join(parts)


def _is_english(text: str) -> bool:
    """Whether at least one word in eight is one that English is made of and that its neighbours spell otherwise."""
    plain = text.lower().replace("\u2019", "'")
    return len(_ENGLISH.findall(plain)) * 8 >= len(_SCRIPTS["en"].findall(plain))
