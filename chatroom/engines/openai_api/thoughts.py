"""What a model thinks before it speaks, left out where the server tells it among the words. Pure, linear.

Only thoughts that open a reply are known as such, by the marks that most models use; a server that tells them apart
(`reasoning_content`) sends none here.
"""

MARKS = {"<think>": "</think>", "<thinking>": "</thinking>", "[THINK]": "[/THINK]"}


class Thoughts:
    """Watches one reply.

    Attributes:
        inside: Whether it thinks now.
        aside: Whether the server told thoughts apart.
    """

    def __init__(self) -> None:
        self.inside = self.aside = False
        self._held = ""
        self._closing = ""
        self._speaks = self._said = False

    @property
    def unsaid(self) -> bool:
        """Whether there was nothing but thoughts so far."""
        return not self._said and (self.aside or bool(self._closing))

    def feed(self, piece: str, *, aside: bool = False) -> str:
        """Takes a piece and gives what of it is said.

        Args:
            aside: Whether a thought came beside it.
        """
        self.aside = self.aside or aside
        if self._speaks:
            return self._tell(piece)
        self._held += piece
        return self._close() if self.inside else self._open()

    def rest(self) -> str:
        """What was held back at the end of a reply, though it was no thought."""
        return "" if self.inside or self._speaks else self._tell(self._held)

    def _open(self) -> str:
        """Decides whether the reply begins with a thought, as soon as that is clear."""
        begun = self._held.lstrip()
        for mark, closing in MARKS.items():
            if begun.startswith(mark):
                self.inside, self._closing, self._held = True, closing, begun.removeprefix(mark)
                return self._close()
        return "" if any(mark.startswith(begun) for mark in MARKS) else self._speak(self._held)

    def _close(self) -> str:
        _, found, rest = self._held.partition(self._closing)
        if found:
            return self._speak(rest)
        self._held = self._held[-len(self._closing) :]
        return ""

    def _speak(self, words: str) -> str:
        self.inside, self._speaks, self._held = False, True, ""
        return self._tell(words)

    def _tell(self, words: str) -> str:
        """Words, without the empty lines between a thought and the first of them."""
        told = words.lstrip("\n") if self._closing and not self._said else words
        self._said = self._said or bool(told.strip())
        return told
