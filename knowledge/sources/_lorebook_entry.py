"""One entry of a lorebook → one document with its rule, whatever program wrote it.

Programs call the same thing by different names; the names are listed here, once. What decides whether an entry comes to
mind is kept as far as `Rule` can say it; what else does is counted, so that the reader can tell. Where an entry would
stand in a prompt is no business of this project. Knows nothing of files as a whole.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from knowledge.documents import Audience, Document, Rule, Section
from knowledge.lorebooks.key_patterns import LONGEST, compiled, is_regex
from knowledge.sources._fields import audience
from knowledge.sources._loose_fields import Fields, commas, text_of
from knowledge.sources._macros import names_nobody, plain
from knowledge.sources.base import SourceFile

Logic = Literal["and_any", "not_all", "not_any", "and_all"]
_LOGIC: dict[float, Logic] = {0: "and_any", 1: "not_all", 2: "not_any", 3: "and_all"}
"""As SillyTavern numbers them."""
_LONGEST_TITLE, _MOST_ALIASES, _MOST_KEYS, _MOST_LINES = 200, 16, 1_000, 1_000
_TURNS = ("activate_only_after", "activate_only_every", "keep_activate_after_match", "dont_activate_after_match")

Marks = Mapping[str, Sequence[str]]
"""Decorators, the `@@name value` lines above a content: by name, all values."""


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for all entries of a lorebook.

    Args:
        char: Who `{{char}}` is, or "".
        depth: How many lines are looked at, or 0.
        ignored: How many entries use what is not known here, by its name.
    """

    file: SourceFile
    char: str
    depth: int
    recursive: bool
    ignored: Counter[str]


def document(book: Book, place: str, number: str, record: object) -> Document | None:
    """The document of an entry; None for one that is switched off or empty.

    Args:
        number: Its id in the book.

    Raises:
        ValueError: It can't be used; the message is for people.
    """
    if not isinstance(record, dict):
        raise ValueError("it is no entry: an entry is an object with a content and keys")
    fields = Fields(record, record.get("extensions"))
    marks, text = _parted(_content(fields))
    off = fields.flag("disable", "disabled") or not fields.flag("enabled", default=True)
    if off or not text or ("dont_activate" in marks and "activate" not in marks):
        return None
    keys = _good_keys(book, place, fields)
    names = [key for key in keys if not is_regex(key)]
    title = " ".join(plain(fields.text("comment", "name", "displayName", "memo"), book.char).split())[:_LONGEST_TITLE]
    title = title or next(iter(names), f"entry {number}")
    document = Document(
        source=book.file.name,
        place=place,
        id=number,
        title=title,
        sections=(Section(text=plain(text, book.char).strip()),),
        aliases=tuple(name for name in names if name != title)[:_MOST_ALIASES],
        audience=_audience(record, fields),
        rule=_rule(book, fields, marks, keys),
    )
    _count_ignored(book, fields, marks)
    return document


def _content(fields: Fields) -> str:
    names = ("content", "entry", "text")
    value = fields.first(*names)
    if not fields.has(*names) or isinstance(value, list | dict):
        raise ValueError("it has no content: a text is missing")
    return text_of(value).replace("\r\n", "\n")


def _parted(content: str) -> tuple[Marks, str]:
    """Decorators, and the text below them; `@@@` marks one that stands in for another."""
    marks: dict[str, list[str]] = defaultdict(list)
    lines = content.strip().split("\n")
    first = next(
        (at for at, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("@@")), len(lines)
    )
    for line in lines[:first]:
        name, _, value = line.strip().lstrip("@").strip().partition(" ")
        marks[name.lower()].append(value.strip())
    return marks, "\n".join(lines[first:])


def _good_keys(book: Book, place: str, fields: Fields) -> tuple[str, ...]:
    """The keys that can be looked for; of the others it is told why not."""
    good, found = [], fields.texts("key", "keys", "keywords")
    if len(found) > _MOST_KEYS:
        book.file.skip(place, f"it has {len(found):,} keys: only the first {_MOST_KEYS:,} are kept")
    for key in found[:_MOST_KEYS]:
        try:
            if not names_nobody(key, book.char):
                good.append(_checked(plain(key, book.char)))
        except ValueError as error:
            book.file.skip(place, f"{error}; the key is left out")
    return tuple(key for key in good if key)


def _checked(key: str) -> str:
    shown = key if len(key) <= 60 else f"{key[:60]}…"
    if len(key) > LONGEST:
        raise ValueError(f"the key {shown} is longer than {LONGEST:,} characters")
    if is_regex(key):
        try:
            compiled(key)
        except ValueError as error:
            raise ValueError(f"the key {shown} is no regular expression that can be used: {error}") from None
    return key


def _rule(book: Book, fields: Fields, marks: Marks, keys: tuple[str, ...]) -> Rule:
    secondary, logic = _secondary(book, fields, marks)
    depth = Fields({"depth": next(iter(marks.get("scan_depth", ())), None)}).number("depth")
    depth = depth or fields.number("scanDepth", "scan_depth") or book.depth
    delayed = fields.first("delayUntilRecursion", "delay_until_recursion")
    return Rule(
        keys=keys,
        secondary=secondary,
        logic=logic,
        constant="activate" in marks or fields.flag("constant", "alwaysActive", "forceActivation"),
        case_sensitive=fields.flag("caseSensitive", "case_sensitive"),
        whole_words=fields.flag("matchWholeWords", "match_whole_words"),
        order=_order(fields),
        depth=clamped(depth),
        recursive=book.recursive,
        excluded=fields.flag("excludeRecursion", "exclude_recursion"),
        silent=fields.flag("preventRecursion", "prevent_recursion"),
        delayed=text_of(delayed).lower() not in ("", "false", "0"),
    )


def _secondary(book: Book, fields: Fields, marks: Marks) -> tuple[tuple[str, ...], Logic]:
    """The secondary keys and their logic; of several kinds a rule can say one."""
    code = fields.number("selectiveLogic", "selective_logic")
    own = fields.texts("keysecondary", "secondary_keys", "secondkey") if fields.flag("selective", default=True) else []
    kinds: list[tuple[list[str], Logic]] = [
        (own, _LOGIC.get(code, "and_any")),
        ([key for value in marks.get("additional_keys", ()) for key in commas(value)], "and_any"),
        ([key for value in marks.get("exclude_keys", ()) for key in commas(value)], "not_any"),
    ]
    given = [(keys, logic) for keys, logic in kinds if keys]
    if not given:
        return (), "and_any"
    if len(given) > 1:
        book.ignored["several kinds of secondary keys"] += 1
    keys, logic = given[0]
    if len(keys) > _MOST_KEYS:
        raise ValueError(f"it has more than {_MOST_KEYS:,} secondary keys, so it is left out")
    try:
        return tuple(_checked(plain(key, book.char)) for key in keys), logic
    except ValueError as error:
        raise ValueError(f"{error}; without it the entry would come up too often, so it is left out") from None


def _order(fields: Fields) -> float:
    budget = Fields(fields.first("contextConfig")).number("budgetPriority", default=100)
    return fields.number("order", "insertion_order", "insertorder", "weight", default=budget)


def clamped(depth: float) -> int:
    """A number of lines."""
    return int(min(max(depth, 0), _MOST_LINES))


def _audience(record: Mapping[str, object], fields: Fields) -> Audience | None:
    """Who may know an entry. What can't be said as a list of names is an error: it is never given to all."""
    filtered, said = _filtered(fields), audience(record)
    if filtered and said:
        raise ValueError("it has a character filter and an audience besides: keep one of them")
    return filtered or said


def _filtered(fields: Fields) -> Audience | None:
    """The names of SillyTavern's character filter, which may also leave characters out, or go by their tags."""
    value = fields.first("characterFilter", "character_filter")
    if value is None or value == []:
        return None
    names, tags = (Fields(value).first(name) or [] for name in ("names", "tags"))
    if isinstance(value, dict) and names == tags == []:
        return None
    known = Fields(value).texts("names") if isinstance(names, list) else []
    excludes = Fields(value).first("isExclude") not in (None, False, 0, "false", "")
    if not known or excludes or tags != []:
        raise ValueError(
            "it is kept from some characters by a filter that can't be kept here, so it is left out: let the filter"
            " name those who may know it"
        )
    return tuple(name.removesuffix(".png") for name in known)


def _count_ignored(book: Book, fields: Fields, marks: Marks) -> None:
    chance = fields.number("probability", "activationPercent", default=100)
    used = {
        "probability": chance < 100 and fields.flag("useProbability", default=True),
        "counting of turns": any(fields.number(name) > 0 for name in ("sticky", "cooldown", "delay"))
        or any(name in marks for name in _TURNS),
        "groups": bool(fields.text("group").strip()),
        "kinds of turns": bool(fields.texts("triggers")) or "is_greeting" in marks,
    }
    book.ignored.update(name for name, is_used in used.items() if is_used)
