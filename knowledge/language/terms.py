"""The words of a text as BM25 counts them: the same for what is stored and for what is asked.

Spaced scripts: small letters without accents, no function words, stems of English. Chinese: the words of jieba's
dictionary with the shorter ones inside them, by the dictionary alone (its guesses at new words find less), so that an
unknown name is its characters. Kana, Hangul and other scripts without spaces: pairs of characters. Knows no index.
Traditional characters are not turned into simplified ones.
"""

import re
import threading
import unicodedata
import warnings
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any

import Stemmer

VERSION = 1
"""Grows whenever the same text gives other terms; an index of another version is built anew."""

_ENGLISH = """
a about above after again against all also am among an and any are as at be because been before being below between
both but by can cannot could did do does doing dont down during each either else ever every few for from further had has
have having he her here hers herself him himself his how however i if im in into is it its itself ive let many me more
most much my myself neither no nor not now of off oh ok on once only or other others our ours ourselves out over per
please quite rather same shall she should since so some such than that thats the their theirs them themselves then there
these they this those though through to too under until up upon us very was we were what whats when where whether which
while who whom whose why with within without would yes yet you your youre yours yourself yourselves
"""
_CHINESE = """
的 了 是 在 和 与 有 为 也 都 就 而 及 着 或 一个 什么 哪 哪些 哪个 哪里 谁 吗 呢 啊 被 把 于 其 这 那 之 以 由 对 从 到
我 你 您 他 她 它 们 我们 你们 他们 她们 它们 何 怎么 怎样 如何 多少 几 请问 还 又 再 并 则 但 但是 因为 所以 如果 虽然
这个 那个 这些 那些 可以 会 要 很 将 让 使 给 至 些 以及 及其 等 等等 啦 呀 吧 嘛 哦 嗯 得 地 过 什麼 哪裡 誰 嗎 與 們
我們 你們 他們 她們 這 這個 那個 這些 怎麼 為 個 還 會 讓 對 從 來 過
"""
STOP_WORDS = frozenset(f"{_ENGLISH} {_CHINESE}".split())
"""Function words: they say nothing about what a text is about."""

_HAN = r"\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_UNSPACED = re.compile(
    rf"([{_HAN}]+|[\u3041-\u30ff\u31f0-\u31ff]+|[\u1100-\u11ff\uac00-\ud7af]+|[\u0e00-\u0eff]+|[\u1000-\u109f\u1780-\u17ff]+)"
)
"""A run of Han, kana, Hangul, Thai or Lao, Burmese or Khmer."""
_IS_HAN = re.compile(rf"[{_HAN}]")
_WORD = re.compile(r"\d+(?:[.,]\d+)+(?!\w)|[\w\u0900-\u0dff]+(?:['-][\w\u0900-\u0dff]+)*")
_ENDING = re.compile(r"'(?:s|d|m|re|ve|ll)?$")
_MARKS = re.compile(r"[\u0300-\u036f\u0591-\u05bd\u064b-\u065f\u0670\u00ad\u200b-\u200d\ufeff]")
"""Accents, points of Hebrew and Arabic, and characters without width."""
_LONGEST = 64
"""Longer strings are no words: nobody asks for them."""
_QUOTES = str.maketrans("’‘ʼ‐‑_", "'''-- ")


def terms(text: str) -> list[str]:
    """The terms of a text, in its order; a word may give more than one, a function word gives none."""
    found: list[str] = []
    for place, part in enumerate(_UNSPACED.split(_fold(text))):
        if place % 2 == 0:
            for word in _WORD.findall(part):
                found += _spaced(word)
        elif _IS_HAN.match(part):
            found += (word for word in _jieba().cut_for_search(part, HMM=False) if word not in STOP_WORDS)
        else:
            found += _pairs(part)
    return found


def _fold(text: str) -> str:
    """Width, case and accents alike; kana and Hangul are put together again."""
    if not text.isascii():
        text = _MARKS.sub("", unicodedata.normalize("NFKD", text.translate(_QUOTES)))
        text = unicodedata.normalize("NFC", text)
    return text.casefold().replace("_", " ")


@lru_cache(maxsize=100_000)
def _spaced(word: str) -> tuple[str, ...]:
    """Terms of one word of a spaced script: `sea-chest's` gives sea, chest, seachest."""
    if len(word) > _LONGEST:
        return ()
    if "," in word or "." in word:
        return (word.replace(",", ""),)
    parts = word.split("-")
    joined = ["".join(parts)] if len(parts) == 2 and parts[0].isalpha() else []
    return tuple(_stems(parts + joined))


def _stems(words: list[str]) -> Iterator[str]:
    for word in words:
        base = _ENDING.sub("", word).replace("'", "")
        if base and base not in STOP_WORDS and not word.endswith("n't"):
            yield _stemmer.of.stemWord(base)


def _pairs(run: str) -> list[str]:
    return [run[at : at + 2] for at in range(len(run) - 1)] or [run]


class _Stemmer(threading.local):
    """One for each thread: a stemmer has a state of its own."""

    def __init__(self) -> None:
        self.of = Stemmer.Stemmer("english")


_stemmer = _Stemmer()


@cache
def _jieba() -> Any:
    """The words of jieba, read from its own dictionary on first need (a second); cutting is safe in any thread.

    Its `initialize` would trust and leave a file of a fixed name in the common temporary folder, and log.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it speaks of pkg_resources and of its own regular expressions
        import jieba
    words = jieba.Tokenizer()
    words.FREQ, words.total = words.gen_pfdict(words.get_dict_file())
    words.initialized = True
    return words
