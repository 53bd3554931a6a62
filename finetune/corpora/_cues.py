"""What opens a speech on a line: `名字（内心）：台词`, `NAME. Text`, or a `NAME (CONT'D)` alone above its words.

A cue is what the line looks like by itself. Whether its name is a speaker of the file is for the reader to decide
(_script_layout.py). Every look at a line ends after a fixed number of characters, however long the line is.
"""

import re
from collections.abc import Collection, Iterator
from typing import NamedTuple

from finetune.corpora._headings import COLONS, heading, is_transition
from finetune.corpora._speaker_names import LONGEST, Grade, grade

_REACH = 240
"""Characters of a line within which a name ends."""
LONGEST_PARTED = 20_000
"""Characters of a line that may hold several speeches."""
_BOX = r"(?:（[^（）()]{0,60}[）)]|\([^（）()]{0,60}[）)]|\[[^\[\]]{0,60}\]|【[^【】]{0,60}】|〔[^〔〕]{0,60}〕)"
_TIME = r"(?:[\[(（【]\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d{1,3})?[\])）】]|\d{1,2}:\d{2}:\d{2}(?:[.,]\d{1,3})?)"
_BEFORE = rf"(?:{_TIME}\s*(?:[-–—]\s*)?)?(?:[>•·*-]\s+)?(?P<before>{_BOX})?\s*[*_]{{0,3}}\s*"
_COLON = re.compile(
    rf"{_BEFORE}(?P<name>[^{COLONS}（）()\[\]【】〔〕*]{{1,60}})[*_]{{0,3}}(?P<aside>(?:(?:\s*{_BOX}){{1,3}}[，,、]?)?)"
    rf"\s*[*_]{{0,3}}\s*[{COLONS}][*_]{{0,3}}\s*"
)
_SLIP = re.compile(
    rf"{_BEFORE}(?P<name>[^{COLONS}；;，,。！？!?（）()\[\]【】〔〕*]{{1,40}})(?P<aside>(?:\s*{_BOX}){{0,3}})\s*[；;]\s*(?=\S)"
)
_BOXED = re.compile(
    rf"[【\[（(〔]\s*(?P<name>[^{COLONS}（）()\[\]【】〔〕*]{{1,40}})[】\]）)〕](?P<aside>)\s*[{COLONS}]\s*"
)
_TITLES = r"(?:(?:Mr|Mrs|Ms|Dr|St|Mme|Mlle|Sgt|Capt|MR|MRS|MS|DR|ST|MME|MLLE|SGT|CAPT)\.\s?)?"
_STOP = re.compile(
    rf"[*_]{{0,3}}(?P<name>{_TITLES}[A-ZÀ-Þ][\w'’ -]{{0,30}})[*_]{{0,3}}"
    rf"(?P<aside>(?:\s*[,.]?\s?[*_]?{_BOX}[*_]?){{0,2}})"
    r"(?:[*_]{0,3}\.[*_]{0,3}\s*(?:[—–]|-{1,2})?|[*_]{0,3}\s?(?:—|--))\s*(?=\S)(?![*_]{1,3}\s*$)"
)
_ALONE = re.compile(
    rf"[*_]{{0,3}}(?P<name>{_TITLES}[^\W\d_][\w'’.# &/＆·-]{{0,38}})[*_]{{0,3}}(?P<aside>(?:\s*{_BOX}){{0,3}})"
    r"\s*[.:]?[*_]{0,3}"
)
_BOLD = re.compile(
    rf"(?P<mark>\*\*|__)(?P<name>[^\W\d_][^{COLONS}（）()\[\]【】〔〕*_,]{{0,39}}?)\s?[.,]?(?P=mark)"
    rf"(?P<aside>(?:,\s?[^\s.{COLONS}—–*_][^.{COLONS}—–*_]{{0,59}}|\s*,?\s?[*_]?{_BOX}[*_]?|,?\s?[*_][^*_]{{1,60}}[*_])?)"
)
"""A name in bold, with what is said of the voice: `**MARTHE**, à part`."""
_STOP_AFTER = re.compile(r"\s?\.?\s?(?:[—–]|--)\s*(?=\S)|\.\s+(?=\S)")
_NOTHING_AFTER = re.compile(r"\s?[.:]?\s*$")
_LAST_BOX = re.compile(rf"\s*{_BOX}\s*$")
_BORDER = re.compile(
    r"[。！？!?….～~♪][”」』\"’）)\]】]*\s*|[”」』）)】]\s*|[\t\u3000]\s*|\s{2,}|(?<=[一-鿿])\s(?=[一-鿿])"
)
_ANY_COLON = re.compile(f"[{COLONS}]")
_DIGITS = re.compile(r"[0-9０-９]")
_QUOTES = ("“", '"', "「", "『", "＂")
_TOGETHER = re.compile(r"同|齐|合|异口同声|\b(?:together|in unison|both|all)\b", re.IGNORECASE)
_AS = re.compile(r"(?:as\s|饰演?|扮演?)\s*([^,，;；]{1,40})(?:[,，;；]|$)")
_TECHNICAL = re.compile(
    r"(?:v\.?\s?o\.?|o\.?\s?[sc]\.?|cont(?:'|’|inue)?d?\.?|内心|内心独白|心声|心理|独白|画外音|旁白|电话|画外|同|齐|合|齐声|同时|异口同声"
    r"|together|in unison|aside|both|os|vo)",
    re.IGNORECASE,
)


class Cue(NamedTuple):
    """The beginning of a speech."""

    name: str
    """As written, without what stands in brackets around it."""
    aside: str
    """What stands in those brackets; "" if nothing."""
    text: str
    """What is said on the same line, stripped; "" where it follows below."""
    slip: bool = False
    """Whether a semicolon stands where a colon should."""
    bold: bool = False
    """Whether the name is in bold: it then need not stand right above its words."""

    @property
    def together(self) -> bool:
        """Whether the brackets say that several speak at once."""
        return bool(self.aside and _TOGETHER.search(self.aside))

    @property
    def voice(self) -> str:
        """Who is played, where the brackets say that, as `(as Vex)`; else ""."""
        found = _AS.match(self.aside)
        name = found[1].strip() if found else ""
        return name if name and not name[0].islower() and grade(name) == Grade.PLAIN else ""

    @property
    def left_out(self) -> bool:
        """Whether the brackets hold more than how the voice is heard, as `(angry)`."""
        return bool(self.aside) and not self.voice and not _TECHNICAL.fullmatch(self.aside.strip())

    @property
    def quoted(self) -> bool:
        return self.text.startswith(_QUOTES)


def colon_cue(line: str) -> Cue | None:
    """`甲（内心）：台词`, `MARA (V.O.): text`, `【甲】：台词`, `[00:01:02] 甲：台词`."""
    found = _COLON.match(line[:_REACH]) or _BOXED.match(line[:_REACH])
    if not found:
        return None
    cue = _cue(found, line)
    if cue.text.startswith("//") or (_DIGITS.match(cue.name[-1:]) and _DIGITS.match(line[found.end() :])):
        return None  # an address, a time
    return cue if cue.name else None


def slip_cue(line: str) -> Cue | None:
    """`甲；台词`: a semicolon that was typed for the colon, if what stands before it is a speaker of the file."""
    found = _SLIP.match(line[:_REACH])
    return _cue(found, line)._replace(slip=True) if found else None


def stop_cue(line: str) -> Cue | None:
    """`HAMLET. Text`, `Mrs. Hale.--Text`, `_Tobin._ (aside.) Text`."""
    found = _STOP.match(line[:_REACH])
    cue = _cue(found, line) if found else _bold(line, _STOP_AFTER)
    return cue if cue and grade(cue.name) == Grade.PLAIN else None


def alone_cue(line: str) -> Cue | None:
    """`MARA (CONT'D)`, `HAMLET.` or `甲`, with its words on the lines below."""
    found = _ALONE.fullmatch(line) if len(line) <= 2 * LONGEST else None
    cue = _bold(line, _NOTHING_AFTER) or (_cue(found, line) if found else None)
    if (
        not cue
        or not (cue.bold or cue.name.isupper() or _is_short_han(cue.name))
        or heading(line)
        or is_transition(line)
    ):
        return None
    return cue if grade(cue.name) == Grade.PLAIN else None


def _bold(line: str, after: "re.Pattern[str]") -> Cue | None:
    """The cue that a name in bold is, if what follows it is as it must be."""
    found = _BOLD.match(line[:_REACH])
    rest = after.match(line[:_REACH], found.end()) if found else None
    if not found or not rest:
        return None
    return _cue(found, line)._replace(text=line[rest.end() :].strip(), bold=True)


def speeches(text: str, known: Collection[str]) -> Iterator[tuple[str, str]]:
    """Parts a text where a known name and a colon stand after the end of a sentence: the name as it stands, its words.

    What comes before the first such name has the name "".
    """
    start, name = 0, ""
    for colon in _ANY_COLON.finditer(text, 0, LONGEST_PARTED):
        reach = max(start, colon.start() - _REACH // 2)
        before = text[reach : colon.start()]
        bare = _LAST_BOX.sub("", before)
        found = next((border for border in _borders(bare) if bare[border:].strip() in known), None)
        if found is not None:
            yield name, text[start : reach + found].strip()
            start, name = colon.end(), bare[found:].strip()
    yield name, text[start:].strip()


def _borders(text: str) -> list[int]:
    return [found.end() for found in _BORDER.finditer(text)]


def _cue(found: "re.Match[str]", line: str) -> Cue:
    asides = (found.groupdict().get("before") or "", found["aside"])
    inner = " ".join(aside.strip(" \t\u3000（）()[]【】〔〕*_,.，、") for aside in asides if aside)
    return Cue(found["name"].strip(" \t\u3000\u200b\u200e\ufeff*_"), inner, line[found.end() :].strip())


def _is_short_han(name: str) -> bool:
    return len(name) <= 6 and all("\u3400" <= char <= "\u9fff" or char == "·" for char in name)
