"""How many tokens a text takes: by the base's own tokenizer where the role names one, else by a careful estimate.

The estimate: a CJK character and a letter of any script that few tokenizers know well counts 1, so does a digit; Latin,
Greek and Cyrillic letters beyond ASCII count 1/2, ASCII letters and spaces 1/3, other signs 2/3, an emoji 2. English
takes about 1/4 a character and Chinese about 2/3, so a prompt rather takes less than is counted. Loads no torch and
asks no server.
"""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path

from chatroom.errors import EngineError
from chatroom.role_toml import ModelTable

MOST_COUNTS = 65_536
"""How many texts' lengths are remembered, so that a turn counts its new lines only."""
BUNDLED = Path(ModelTable().base).name
"""The base that role.toml means where it names none; it says nothing of a server's model that is called otherwise."""


class Counting:
    """Counts lines, each with its end; the same text always counts the same."""

    def __init__(self, base: str, served: str) -> None:
        file = Path(base) / "tokenizer.json"
        named = bool(base) and (file.parent.name != BUNDLED or served.rpartition("/")[2] == BUNDLED)
        self._file = file if named and file.is_file() else None
        self._length: Callable[[str], int] = estimate
        self._counts: OrderedDict[str, int] = OrderedDict()

    async def load(self) -> None:
        """Loads the tokenizer, if there is one.

        Raises:
            EngineError: `bad_base`: It can't be read.
        """
        if self._file is not None:
            self._length = await asyncio.to_thread(_exact, self._file)

    async def count(self, texts: Sequence[str]) -> list[int]:
        """Counts each text as a line of a prompt."""
        known = {text: self._counts[text] for text in texts if text in self._counts}
        if missing := [text for text in dict.fromkeys(texts) if text not in known]:
            known.update(zip(missing, await asyncio.to_thread(self._lengths, missing), strict=True))
        self._remember(known)
        return [known[text] for text in texts]

    def _lengths(self, texts: Sequence[str]) -> list[int]:
        return [self._length(text.encode("utf-8", "replace").decode() + "\n") for text in texts]

    def _remember(self, counts: dict[str, int]) -> None:
        self._counts.update(counts)
        for text in counts:
            self._counts.move_to_end(text)
        while len(self._counts) > MOST_COUNTS:
            self._counts.popitem(last=False)


def estimate(text: str) -> int:
    """About how many tokens a text takes, rather more than less."""
    return math.ceil(sum(map(_share, text)))


def _share(letter: str) -> float:
    if letter.isascii():
        return 1.0 if letter.isdigit() else 1 / 3 if letter.isalpha() or letter.isspace() else 2 / 3
    if letter < "\u0590" or "\u1e00" <= letter < "\u2070":  # Latin, Greek, Cyrillic, Armenian; their marks
        return 0.5
    return 2.0 if "\U0001f000" <= letter < "\U00020000" else 1.0


def _exact(file: Path) -> Callable[[str], int]:
    """The length of a text by a tokenizer file."""
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises nothing narrower
        raise EngineError(f"{file} can't be read: {error}; put the base's own there", code="bad_base") from None
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def length(text: str) -> int:
        return len(tokenizer.encode(text, add_special_tokens=False).ids)

    return length
