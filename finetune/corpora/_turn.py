"""What somebody says in one paragraph of a novel, with the words told beside it: the noun of reading prose.

A speech that goes on in the next paragraph is one turn. It knows how its speaker became known, and not how one finds
that out.
"""

from collections.abc import Iterator
from typing import Literal

from finetune.corpora._quotes import Piece
from finetune.corpora._said import Pronoun

How = Literal["", "rule", "pronoun", "address", "turns"]
"""How a speaker is known: named beside the speech, meant by a pronoun, calling the other one by name, or in turns."""


class Turn:
    """What somebody says in one paragraph, in one line.

    It is kept in parts: a paragraph may hold thousands of them, and a text that grows is copied each time.
    """

    def __init__(self, lead: str, raw: str, piece: Piece) -> None:
        self.lead, self.open = lead, piece.open
        self.speaker = ""
        """"" while nobody is known."""
        self.how: How = ""
        self.pronoun: Pronoun = ""
        """Who is meant where the words beside the speech name nobody."""
        self.stranger = False
        """Whether the words around speak of somebody who has no name; then it is nobody's turn."""
        self._said, self._told, self._raw = [piece.text], [""], [raw]

    @property
    def text(self) -> str:
        """The words that are said."""
        return full_stop("".join(self._said).strip())

    @property
    def rest(self) -> str:
        """What is told after the speech began."""
        return "".join(self._told).strip()

    @property
    def raw(self) -> str:
        """All of it as it stands in the book."""
        return "".join(self._raw).strip()

    @property
    def told(self) -> str:
        """All words beside the speech that are worth keeping."""
        return f"{self.lead} {self.rest}"

    def know(self, name: str, stranger: bool, pronoun: Pronoun = "") -> None:
        """Takes what the words beside it say of the speaker; what was known before stays."""
        if name and not self.speaker:
            self.speaker, self.how = name, "rule"
        self.stranger = self.stranger or stranger
        self.pronoun = self.pronoun or pronoun

    def find(self, name: str, how: How) -> None:
        """Takes for the speaker whom other turns tell."""
        self.speaker, self.how = name, how

    def say(self, piece: Piece, after: str) -> None:
        """Goes on after some words that are told, as `said Tom.`, for which a comma stood in place of a full stop."""
        if after.rstrip().endswith((".", "。")):
            self._said[-1] = full_stop(self._said[-1])
        self._said.append(gap(self._said[-1], piece.text) + piece.text)
        self._raw += [after, piece.raw]
        self.open = piece.open

    def tell(self, words: str, raw: str) -> None:
        """Adds what is told beside the speech; only `raw` where it is not worth keeping."""
        if words:
            self._told.append(gap(self._told[-1], words) + words)
        self._raw.append(raw)

    def take(self, other: "Turn") -> None:
        """Goes on in the next paragraph."""
        self._said += ["\n", *other._said]
        self._raw += ["\n", *other._raw]
        if other.rest:
            self._told.append(gap(self._told[-1], other.rest) + other.rest)
        self.know(other.speaker, other.stranger, other.pronoun)
        self.open = other.open


def joined(items: Iterator[Turn | str]) -> Iterator[Turn | str]:
    """The turns of a book, where a speech that goes on in the next paragraph is one turn."""
    last: Turn | None = None
    for item in items:
        if isinstance(item, Turn) and last and last.open and not item.lead and not _is_other(last, item):
            last.take(item)
            continue
        if last:
            yield last
        last = item if isinstance(item, Turn) else None
        if isinstance(item, str):
            yield item
    if last:
        yield last


def _is_other(turn: Turn, after: Turn) -> bool:
    """Whether the words beside two turns tell of two people: then a closing mark was forgotten."""
    return bool((turn.stranger or turn.speaker) and after.speaker and after.speaker != turn.speaker)


def full_stop(text: str) -> str:
    """A speech with the full stop for which a comma stands before `said Tom`."""
    return text[:-1] + {",": ".", "，": "。"}[text[-1]] if text[-1:] in (",", "，") and text else text


def gap(first: str, second: str) -> str:
    """What parts two stretches of text: a blank between words, nothing between Chinese characters."""
    return "" if not first or not second or first[-1] > "\u2e7f" or second[0] > "\u2e7f" else " "
