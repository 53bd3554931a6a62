"""Token ids → text, piece by piece, so that joined pieces equal the text decoded at once.

A token's text can depend on its neighbours: a character may be spread over several byte tokens, and some tokenizers
write a space only when something stands before. So each new token is decoded together with the ids before it, and
whatever still ends in half a character is held back. Knows no model.
"""

from collections.abc import Sequence
from typing import Protocol

HALF = "\ufffd"
"""What a decoder writes for bytes that are no character yet."""

NEIGHBOURS = 6
"""How many ids of the prompt's end stand before the reply while it is decoded."""


class Decoder(Protocol):
    """The part of a transformers tokenizer that is used here."""

    def decode(self, ids: list[int], *, skip_special_tokens: bool, clean_up_tokenization_spaces: bool) -> str: ...


class Detokenizer:
    """Decodes one reply.

    Invariant: `_ids[:_told]` has been told; `_ids[_from:_told]` are the neighbours decoded along.
    """

    def __init__(self, tokenizer: Decoder, prompt: Sequence[int]) -> None:
        self._tokenizer = tokenizer
        self._ids = list(prompt[-NEIGHBOURS:])
        self._from, self._told = 0, len(self._ids)

    def add(self, token: int) -> str:
        """Takes a token and gives what can be told now; it may be nothing."""
        self._ids.append(token)
        text = self._untold()
        if not text or text.endswith(HALF):
            return ""
        self._from, self._told = self._told, len(self._ids)
        return text

    def rest(self) -> str:
        """Gives what is still held back, without half a character at its end."""
        return self._untold().rstrip(HALF)

    def _untold(self) -> str:
        return self._decode(self._ids[self._from :])[len(self._decode(self._ids[self._from : self._told])) :]

    def _decode(self, ids: list[int]) -> str:
        return self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
