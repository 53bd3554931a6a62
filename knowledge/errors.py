"""Every error of this package that a user may see; the text is written for a person.

* KnowledgeError
  * UnreadableError     a source that can't be read: it is named and skipped, the build goes on
  * UnusableIndexError  an index that is missing, stale, foreign or damaged: it is built anew or refused, never used
  * EmbedderError       the model that turns text into vectors can't be loaded
"""


class KnowledgeError(Exception):
    """An error whose text may be shown to a user."""


class UnreadableError(KnowledgeError):
    """A file, or a part of one, that can't be read.

    Args:
        file: As the user would name it.
        problem: What is wrong with it, and what to do.
        place: Where in the file, as `line 12`.
    """

    def __init__(self, file: str, problem: str, place: str = "") -> None:
        super().__init__(file, problem, place)
        self.file, self.problem, self.place = file, problem, place

    def __str__(self) -> str:
        return f"{self.file}{f', {self.place}' if self.place else ''}: {self.problem}"


class UnusableIndexError(KnowledgeError):
    """An index that can't be used as it is.

    Args:
        folder: Where it lies.
        problem: missing, stale, foreign or damaged, and what about it.
    """

    def __init__(self, folder: str, problem: str) -> None:
        super().__init__(folder, problem)
        self.folder, self.problem = folder, problem

    def __str__(self) -> str:
        return f"the index {self.folder} can't be used: {self.problem}; build it anew: knowledge build"


class EmbedderError(KnowledgeError):
    """The embedder is missing, damaged or of no use; the text says what to do."""
