"""Where a reply ends although the model goes on: at somebody's next line, and at a bound for servers that never end.

The name that begins such a line is still told, so that the room learns whom the reply hands over to; which part of all
that is shown, the room decides. Pure, linear.
"""

LONGEST_NAME = 64
"""Letters of a line within which a colon makes its beginning a name."""
LETTERS_PER_TOKEN = 16
"""More than any usual token has: a server that sends more does not keep to `max_tokens`."""
COLONS = ":："


class Ending:
    """Watches one reply.

    Args:
        most: Tokens that were asked for.
        names: Whose lines end it, in one case; None: every line does that is not indented (the room layout).
    """

    def __init__(self, *, most: int, names: frozenset[str] | None) -> None:
        self.over = False
        """Whether the reply has ended; further pieces are ignored."""
        self._left = most * LETTERS_PER_TOKEN
        self._names = names
        self._begun = self._at_start = False
        self._line = ""

    def feed(self, piece: str) -> str:
        """Takes a piece and gives what of it still belongs to the reply."""
        if self.over:
            return ""
        told, self._left = piece[: self._left], self._left - len(piece)
        self.over = self._left <= 0
        for place, letter in enumerate(told, start=1):
            if self._ends_with(letter):
                self.over = True
                return told[:place]
        return told

    def _ends_with(self, letter: str) -> bool:
        """Whether the reply is over after this letter. `_line` is the line that may turn out to be somebody else's."""
        if letter == "\n":
            ends = bool(self._line) and self._names is None
            self._line, self._at_start = "", self._begun
            return ends
        if self._at_start or self._line:
            return self._goes_on(letter)
        self._begun = self._begun or not letter.isspace()
        return False

    def _goes_on(self, letter: str) -> bool:
        if self._at_start and letter.isspace():  # indented: it goes on with the line before
            self._at_start = False
            return False
        self._at_start, before = False, self._line
        self._line += letter
        if letter in COLONS:
            return self._names is None or before.strip().casefold() in self._names
        if len(self._line) > LONGEST_NAME:
            self._line = ""
            return self._names is None
        return False
