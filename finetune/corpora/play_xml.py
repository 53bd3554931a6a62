"""Plays in XML: PLAY, ACT, SCENE, SPEECH, SPEAKER, LINE and STAGEDIR, or TEI with sp, speaker, l, p and stage.

Namespaces and capitals do not matter. The file is a stream: memory holds one scene. A DOCTYPE may name a DTD, which is
never opened; one that declares anything itself is refused before the file is parsed, so there are no entities to
expand. Text outside of speeches, stage directions, headings and the cast is told. It knows no roles.
"""

import codecs
import re
from collections.abc import Iterator
from html import unescape

from lxml import etree

from finetune.corpora._directions import CLOSES, OPENS, parted, say_parted
from finetune.corpora._scene_draft import SceneDraft
from finetune.corpora._speaker_names import joined
from finetune.corpora.base import CorpusFile, Head
from finetune.dialogue import Scene
from knowledge.errors import UnreadableError

HELP = "plays in XML: PLAY/ACT/SCENE/SPEECH, or TEI"
SUFFIXES = (".xml", ".tei")
PRIVATE = False

LARGEST = 256_000_000
"""Bytes of a file; the longest plays have one million."""

_LONGEST_PROLOG = 1 << 16
_PROLOG = re.compile(r"\ufeff?(?>\s|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^\[>]*>)*+<[^\W\d][\w:.-]*[\s/>]", re.DOTALL)
_SPEECHES = re.compile(r"<(?:\w+:)?(?:speaker|speech|sp)[\s>]", re.IGNORECASE)
_ROOT = re.compile(r"<(?:\w+:)?(?:play|tei|tei\.2)[\s>]", re.IGNORECASE)
_AFTER_NAME = re.compile(r"[,，、:：(（]")

_SPEECH, _STAGE = frozenset({"speech", "sp"}), frozenset({"stage", "stagedir", "scndescr", "set"})
_TITLE, _PERSON = frozenset({"title", "head"}), frozenset({"persona", "castitem"})
_LEVELS = {
    **dict.fromkeys(("act", "prologue", "epilogue", "induct", "div1"), 2),
    **dict.fromkeys(("scene", "div2", "div3"), 3),
}
_TYPES = {**dict.fromkeys(("act", "prologue", "epilogue", "induction", "part"), 2), "scene": 3}
_ROWS = frozenset({"l", "line", "p", "ab", "lb", "lg", "stage", "stagedir", "milestone"})
_WORDS = frozenset({"w", "c", "pc"})
_ASIDE = frozenset({"note", "speaker", "fw", "figdesc"})
_WHOLE = _SPEECH | _STAGE | _TITLE | _PERSON | {"teiheader", "fm"}
"""Elements that are looked at when they are complete."""
_ROW = "\x1e"
"""Parts the lines of a speech while they are gathered; no XML holds it, while newlines in XML mean nothing."""
_UNHEARD = "text that is no speech, no stage direction and no heading"


def claims(head: Head) -> float:
    if not _PROLOG.match(head.text):
        return 0.0
    found = len({found.casefold() for found in _SPEECHES.findall(head.text)})
    return 0.95 if found >= 2 else 0.7 if _ROOT.search(head.text) else 0.0


def read(file: CorpusFile) -> Iterator[Scene]:
    """Reads the scenes of a play.

    Raises:
        UnreadableError: It is no XML, declares entities, or nobody speaks in it.
    """
    _check(file)
    spoken = False
    for scene in _Play(file).scenes():
        spoken = True
        yield scene
    if not spoken:
        raise UnreadableError(file.name, "nobody speaks in it: a play has SPEECH or sp elements")


def _check(file: CorpusFile) -> None:
    """Sees to it that nothing is declared before the first element."""
    if file.size > LARGEST:
        raise UnreadableError(file.name, f"it is larger than {LARGEST // 1_000_000:,} MB: split it into several files")
    with file.open() as stream:
        head = stream.read(_LONGEST_PROLOG)
    wide = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = head.decode("utf-16" if wide else "utf-8", "replace")
    if not _PROLOG.match(text):
        declares = "<!DOCTYPE" in text
        problem = "its DOCTYPE declares something between [ and ]: delete that part" if declares else "it is not XML"
        raise UnreadableError(file.name, problem)


class _Play:
    """Goes through a play element by element."""

    def __init__(self, file: CorpusFile) -> None:
        self._file = file
        self._draft = SceneDraft(file)
        self._people: dict[str, str] = {}  # where each of the cast stands
        self._spoken: set[str] = set()

    def scenes(self) -> Iterator[Scene]:
        with self._file.open() as stream:
            events = etree.iterparse(
                stream, events=("start", "end"), resolve_entities=False, load_dtd=False, no_network=True,
                huge_tree=False, remove_comments=True, remove_pis=True,
            )  # fmt: skip
            try:
                yield from self._all(events)
            except etree.XMLSyntaxError as error:
                problem = f"it is damaged, and what follows can't be read ({error.msg}): mend it there"
                self._file.skip(f"line {error.lineno or 0}", problem)
        yield from self._draft.end()
        for name in sorted(self._people.keys() - self._spoken):
            self._file.skip(f'{self._people[name]}: "{name[:40]}"', "somebody of the cast who never speaks")

    def _all(self, events: "etree.iterparse") -> Iterator[Scene]:
        within = None  # the element that is being completed
        for event, element in events:
            if within is not None and element is not within:
                continue
            if event == "start":
                if _level(element):
                    yield from self._draft.taken()
                within = element if _name(element) in _WHOLE else None
            else:
                self._complete(element)
                within = None

    def _complete(self, element: "etree._Element") -> None:
        """Takes an element that has ended, and lets go of it."""
        name, place = _name(element), f"line {element.sourceline}"
        if name in _SPEECH:
            self._take_speech(element, place)
        elif name in _STAGE:
            self._narrate(place, _text(element))
        elif name in _PERSON:
            self._take_person(element, place)
        elif name in _TITLE:
            self._take_title(element, place)
        elif words := _text(element):
            self._file.skip(f'{place}: "{words[:40]}"', "what is said of the file" if name in _WHOLE else _UNHEARD)
        previous = element.getprevious()
        if previous is not None and (words := (previous.tail or "").strip()):
            self._file.skip(f'{place}: "{words[:40]}"', _UNHEARD)
        _let_go(element)

    def _take_title(self, element: "etree._Element", place: str) -> None:
        words, parent = _text(element).replace("\n", " "), element.getparent()
        level = _level(parent) if parent is not None else 0
        if words and level and not self._draft.begun:
            self._draft.head(place, level, words)
        elif words:
            self._file.skip(f'{place}: "{words[:40]}"', "a title of no act and no scene")

    def _take_person(self, element: "etree._Element", place: str) -> None:
        role = next((child for child in element.iter() if _name(child) == "role"), None)
        words = " ".join(_text(element).split())
        name = " ".join(_text(role).split()) if role is not None else _AFTER_NAME.split(words, maxsplit=1)[0].strip()
        persona = words.removeprefix(name).strip(" \t,，、:：.")
        if not name or not persona:
            if words:
                self._people.setdefault(name or words, place)
            return
        self._draft.cast[name] = persona
        self._people[name] = place

    def _take_speech(self, element: "etree._Element", place: str) -> None:
        names = _speakers(element)
        before, text, after = _said(element)
        for words in before:
            self._narrate(place, words)
        if not names and text:
            self._file.note(
                f'{place}: "{parted(text).text[:40]}"', "a speech without a speaker was taken for narration"
            )
        if len(names) > 1:
            self._file.note(place, "several speak at once: each was given the words")
        if not text and not before and not after:
            self._file.skip(place, "a speech without words")
        say_parted(self._draft, self._file, place, names or ("",), text)
        self._spoken.update(names)
        for words in after:
            self._narrate(place, words)

    def _narrate(self, place: str, words: str) -> None:
        if words:
            self._draft.say(place, "", words)


def _name(element: "etree._Element") -> str:
    """The tag in small letters, without its namespace; "" for what is no element."""
    tag = element.tag
    return tag.rpartition("}")[2].casefold() if isinstance(tag, str) else ""


def _level(element: "etree._Element") -> int:
    """The level of heading that an element's title has; 0 where it is no part of a play."""
    name = _name(element)
    kind = (element.get("type") or "").casefold()
    return _TYPES.get(kind, _LEVELS.get(name, 0)) if name.startswith("div") else _LEVELS.get(name, 0)


def _speakers(speech: "etree._Element") -> tuple[str, ...]:
    found = [
        " ".join(parted(_row(child)).text.split()).rstrip(".:：。")
        for child in speech.iter()
        if _name(child) == "speaker"
    ]
    found = found or [name.lstrip("#") for name in (speech.get("who") or "").split()]
    return tuple(dict.fromkeys(name.strip() for written in found if written for name in joined(written, ())))


def _said(speech: "etree._Element") -> tuple[list[str], str, list[str]]:
    """What happens before a speech, its words, and what happens after; directions within it are marked."""
    children = [child for child in speech if _name(child) not in _ASIDE]
    stages = [_name(child) in _STAGE for child in children]
    first = next((at for at, stage in enumerate(stages) if not stage), len(children))
    last = next((at for at in range(len(children) - 1, -1, -1) if not stages[at]), first - 1)
    words = [speech.text or ""]
    for child in children[first : last + 1]:
        words.append(f"{_ROW}{_row(child)}{_ROW}" if _name(child) in _ROWS else _row(child))
        words.append(_tail(child))
    before = [_text(child) for child in children[:first]]
    return before, _tidy("".join(words)), [_text(child) for child in children[last + 1 :]]


def _text(element: "etree._Element") -> str:
    """All the words of an element, a line of verse on a line."""
    return _tidy(_unmarked(_row(element, bare=True)))


def _row(element: "etree._Element", *, bare: bool = False) -> str:
    """The words as they stand; a stage direction is marked unless it is asked for itself."""
    if element.tag is etree.Entity:
        return unescape(element.text or "")
    words = [element.text or ""]
    for child in element:
        name = _name(child)
        inner = "" if name in _ASIDE else _row(child)
        words.append(f"{_ROW}{inner}{_ROW}" if name in _ROWS - _STAGE else inner)
        words.append(_tail(child))
    text = "".join(words)
    return text if bare or _name(element) not in _STAGE else _marked(text)


def _tail(element: "etree._Element") -> str:
    """What follows an element; the space between words that have elements of their own is one itself."""
    tail = element.tail or ""
    return tail if tail.strip() or _name(element) not in _WORDS else ""


def _marked(text: str) -> str:
    words = " ".join(_unmarked(text).split())
    return f"{OPENS}{words}{CLOSES}" if words else ""


def _unmarked(text: str) -> str:
    return text.replace(OPENS, "").replace(CLOSES, "")


def _tidy(text: str) -> str:
    return "\n".join(row for row in (" ".join(row.split()) for row in text.split(_ROW)) if row)


def _let_go(element: "etree._Element") -> None:
    """Frees what has been read: the element's own content, and what stands before it."""
    element.clear(keep_tail=True)
    parent = element.getparent()
    while parent is not None and element.getprevious() is not None:
        del parent[0]
