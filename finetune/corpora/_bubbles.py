"""What all chat exports share: a stream of bubbles, each with a time, a name and a text → scenes.

Consecutive bubbles of one speaker are one line, as people type on in small pieces; a long pause, or another chat,
begins a new scene, titled by its date. Times decide that and nothing else. A picture, a voice or a sticker is a
placeholder where the user wants it and else is left out, and told. Knows no format: each of them makes the bubbles.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby, pairwise

import msgspec

from finetune.corpora.base import CorpusFile
from finetune.dialogue import Line, Scene
from knowledge.errors import UnreadableError

LARGEST = 512_000_000
"""Bytes of an export."""
NOTICE = "a notice of the system is left out"
EMPTY = "it has no text"
UNTIMED = "its time can't be read: it stays with what is before it"

_BREAKS = re.compile("\r\n?|[\v\f\x1c-\x1e\x85\u2028\u2029]")
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1b\x1f\x7f\ufeff\ud800-\udfff]")
_MARKS = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Marks that only turn the direction of writing."""
_UNSEEN = re.compile("[\\s\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f]+")
_LONGEST_PAUSE = timedelta(days=10_000)


class Bubble(msgspec.Struct, frozen=True, kw_only=True):
    """One message, as it was sent.

    Args:
        place: Where in the file it stands, as `line 12`.
        time: On the clock of those who talk; None where it can't be read.
        chat: Which of the chats in the file it is from; "" where there is one.
    """

    name: str
    text: str
    place: str
    time: datetime | None = None
    chat: str = ""


def bubble(
    file: CorpusFile,
    place: str,
    name: str,
    text: str,
    *,
    time: datetime | None = None,
    chat: str = "",
    media: Sequence[str] = (),
) -> Bubble | None:
    """Makes the bubble of one message; what it can't show is told, and without anything to show there is none.

    Args:
        name: Not empty.
        media: What came with it besides text, as `图片` or `Photo`.
    """
    words = clean(text)
    if not words and not media:
        file.skip(place, EMPTY)
        return None
    parts = [placeholder for word in media if (placeholder := _placeholder(file, place, word))]
    whole = "\n".join([*parts, *([words] if words else [])])
    if whole and not time:
        file.note(place, UNTIMED)
    return Bubble(name=name, text=whole, place=place, time=time, chat=chat) if whole else None


def scenes(file: CorpusFile, bubbles: Iterable[Bubble]) -> Iterator[Scene]:
    """Joins bubbles to lines and parts them into scenes; they come in the order in which they were sent."""
    pause = min(timedelta(minutes=max(0, min(file.options.pause, 10**7))), _LONGEST_PAUSE)
    stretch: list[Bubble] = []
    last: datetime | None = None
    for each in bubbles:
        if stretch and (each.chat != stretch[0].chat or _is_long(last, each.time, pause)):
            yield _scene(file, stretch)
            stretch, last = [], None
        stretch.append(each)
        last = each.time or last
    if stretch:
        yield _scene(file, stretch)


def oldest_first(file: CorpusFile, bubbles: list[Bubble]) -> list[Bubble]:
    """Turns a chat round that was written with the newest message first."""
    times = [each.time for each in bubbles if each.time]
    later = sum(after > before for before, after in pairwise(times))
    earlier = sum(after < before for before, after in pairwise(times))
    if later or not earlier:
        return bubbles
    file.note(bubbles[0].place, "the newest message came first: the order is turned round")
    return bubbles[::-1]


def by_chat(file: CorpusFile, bubbles: Iterable[Bubble]) -> Iterator[Bubble]:
    """Puts the bubbles of one chat together where the chats of a file take turns; each oldest first.

    A chat that is alone needs no name.
    """
    chats: dict[str, list[Bubble]] = {}
    for each in bubbles:
        chats.setdefault(each.chat, []).append(each)
    for chat in chats.values():
        ordered = oldest_first(file, chat)
        yield from ordered if len(chats) > 1 else (msgspec.structs.replace(each, chat="") for each in ordered)


def check_size(file: CorpusFile) -> None:
    """Refuses an export that is larger than what is held in memory.

    Raises:
        UnreadableError: It is.
    """
    if file.size > LARGEST:
        raise UnreadableError(
            file.name, f"it is larger than {LARGEST // 1_000_000} MB: export fewer chats or days at once"
        )


def take_media(file: CorpusFile, text: str, pattern: re.Pattern[str]) -> tuple[str, list[str]]:
    """Takes placeholders out of a text: the rest, and their words; with `media` they stay where they are.

    Args:
        pattern: Its first group is the word.
    """
    if file.options.media:
        return text, []
    found: list[str] = []

    def take(match: re.Match[str]) -> str:
        found.append(match[1])
        return ""

    return pattern.sub(take, text), found


def clean(text: str) -> str:
    """A text with `\\n` alone as its line break, and without control characters; "" where nothing can be seen."""
    plain = _CONTROLS.sub("", _BREAKS.sub("\n", text)).strip()
    return plain if _UNSEEN.sub("", plain) else ""


def clean_name(text: str) -> str:
    """A name as one line, without marks of direction."""
    return " ".join(_MARKS.sub("", clean(text)).split())


class Names:
    """Names by what the export identifies people with: two people who share one name are kept apart.

    The first name that somebody has is kept, so that a new nickname makes no new person. Who has neither name nor id is
    `nameless`.
    """

    def __init__(self, note: Callable[[str, str], None], nameless: str) -> None:
        self._note = note
        self._nameless = nameless
        self._names: dict[str, str] = {}
        self._given: dict[str, int] = {}
        self._seen: set[tuple[str, str]] = set()

    def of(self, place: str, person: str, name: str) -> str:
        """The name for a person: the id where the name is empty, and the name is the id where that is empty.

        Args:
            person: The id, "" where the export has none.
        """
        wanted = clean_name(name) or clean_name(person) or self._nameless
        key = person or wanted
        if key in self._names:
            self._tell_change(place, key, clean_name(name))
            return self._names[key]
        self._names[key] = self._free(place, wanted)
        self._seen.add((key, wanted))
        return self._names[key]

    def _free(self, place: str, wanted: str) -> str:
        """The name, or where it is taken the name with the next number."""
        free = wanted
        while free in self._given:
            self._given[wanted] += 1
            free = f"{wanted} ({self._given[wanted]})"
        self._given[free] = 1
        if free != wanted:
            self._note(f'{place}: "{free[:60]}"', "two people share this name: a number keeps them apart")
        return free

    def _tell_change(self, place: str, key: str, wanted: str) -> None:
        if wanted and (key, wanted) not in self._seen:
            self._seen.add((key, wanted))
            self._note(f'{place}: "{wanted[:60]}"', "somebody has a new name here: the first one is kept")


def _placeholder(file: CorpusFile, place: str, word: str) -> str:
    if file.options.media:
        return f"[{word}]"
    file.skip(place, f"media is left out: [{word}]")
    return ""


def _is_long(before: datetime | None, after: datetime | None, pause: timedelta) -> bool:
    return before is not None and after is not None and abs(after - before) > pause


def _scene(file: CorpusFile, stretch: Sequence[Bubble]) -> Scene:
    date = next((f"{each.time:%Y-%m-%d}" for each in stretch if each.time), "")
    spoken = groupby(stretch, lambda each: each.name)
    return Scene(
        title=", ".join(part for part in (stretch[0].chat, date) if part),
        lines=[Line(name=name, text="\n".join(each.text for each in run)) for name, run in spoken],
        source=f"{file.name}, {stretch[0].place}",
    )
