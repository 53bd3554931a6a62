"""A model's stream of text → one speaker's reply: pure, fed piece by piece.

Nobody speaks for anybody else: a line that begins with another speaker's name ends the reply and counts as addressing
that speaker. In the room layout a line that is not indented ends it too. Text is held back only as long as it could
still turn out to be such an ending, so readers never see what is then taken away.
"""

import re
from collections.abc import Iterable, Mapping

_LINE_BREAKS = re.compile("\r\n|[\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029]")
_GAP = re.compile(r"\s*\n\s*|\s+$")
INDENT = "  "
"""Continuation lines begin with this in every prompt, so no message can begin a line of its own."""


def normalise(text: str) -> str:
    """Gives every line break one form and takes the space at both ends away."""
    return _LINE_BREAKS.sub("\n", text).strip()


def written(name: str, text: str) -> str:
    """A message as one line of the transcript: `Name: text`, continuation lines indented."""
    return f"{name}: " + normalise(text).replace("\n", f"\n{INDENT}")


class Reply:
    """Collects one reply.

    Args:
        own: The names of the one who speaks; the model may repeat one at the start of a line, it is dropped.
        others: Name → id of everybody else, persons too.
        line_ends: Whether a new line that is not indented ends the reply (the room layout).
    """

    def __init__(self, *, own: Iterable[str], others: Mapping[str, str], line_ends: bool) -> None:
        self.text = ""
        """What may be shown and posted so far."""
        self.over = False
        """Whether the reply has ended; further pieces are ignored."""
        self.hands_to = ""
        """Id of the speaker in whose name the model went on, if it did."""
        self._bearers = {name.casefold(): "" for name in own} | {name.casefold(): id_ for name, id_ in others.items()}
        self._line_ends = line_ends
        self._held = ""
        self._at_line_start = True
        self._ending = False
        self._break = ""

    def feed(self, piece: str) -> str:
        """Takes a piece of the stream; gives what may be shown of it."""
        return self._release(piece, final=False)

    def finish(self) -> str:
        """The stream has ended: gives what was still held back."""
        shown = self._release("", final=True)
        self.over = True
        return shown

    def _release(self, piece: str, *, final: bool) -> str:
        shown = ""
        self._held += _LINE_BREAKS.sub("\n", piece)
        while self._held and not self.over:
            before = self._held, self._at_line_start
            if self._at_line_start:
                self._begin_line(final)
            else:
                shown += self._rest_of_line(final)
            if before == (self._held, self._at_line_start):
                break
        self.text += shown
        return shown

    def _rest_of_line(self, final: bool) -> str:
        """Shows text up to a line break; space is kept back until something follows it."""
        gap = _GAP.search(self._held)
        text, rest = (self._held, "") if gap is None else (self._held[: gap.start()], self._held[gap.end() :])
        self._held = "" if gap is None or (final and not rest) else gap.group() + rest
        shown = self._break + text if text else ""
        self._break = "" if text else self._break
        if gap is not None and rest:
            self._cross(gap.group(), rest)
        return shown

    def _cross(self, gap: str, rest: str) -> None:
        """Goes over a line break to the text after it; the break is shown once that text is."""
        indented = gap[-1] in " \t"
        self._held, self._at_line_start = rest, not indented
        self._ending = self._line_ends and not indented
        self._break = "\n\n" if gap.count("\n") > 1 and not self._line_ends else "\n"

    def _begin_line(self, final: bool) -> None:
        """Waits until it is clear whose line this is."""
        self._held = self._held.lstrip()
        bearer, length = self._whose(self._held)
        if bearer is None and not final:
            return
        self.hands_to = bearer or ""
        self.over = bool(bearer) or self._ending
        self._held = self._held[length:].lstrip()
        self._at_line_start = length > 0

    def _whose(self, line: str) -> tuple[str | None, int]:
        """Id of the speaker whose name and colon begin the line ("" for the own name or none) and their length.

        None while more text could still complete a name.
        """
        head, open_ = line.casefold(), not line
        for name, id_ in self._bearers.items():
            if (found := re.match(rf"{re.escape(name)}\s*[:：]", head)) is not None:
                return id_, found.end()
            open_ = open_ or name.startswith(head) or bool(re.fullmatch(rf"{re.escape(name)}\s*", head))
        return None if open_ else "", 0
