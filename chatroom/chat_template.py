"""Prompt → token ids: the one place where a chat template is applied; serving, training and calibration share it.

Invariant: every line is encoded by itself, and a prompt is the concatenation of those ids, never an encoding of joined
text. So the ids of a view only ever grow at their end, and every role sees the same ids for the same lines.
No text can become a control token: content is encoded with special tokens split, and what still comes out as an added
token is broken up. Knows no model and no engine; the tokenizer is handed in.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, Protocol

import msgspec

from chatroom.errors import EngineError
from chatroom.messages import Prompt

END, ASIDE = "<|end|>", "<|aside|>"
"""On a base of our own making: the end of every line, and the token that opens a tail and switches an aLoRA on."""

_SLOTS = ("chatroom-slot-a", "chatroom-slot-b", "chatroom-slot-c", "chatroom-slot-d")


class Tokenizer(Protocol):
    """The part of a transformers tokenizer that is used here."""

    chat_template: str | None
    bos_token_id: int | None
    eos_token_id: int | None
    added_tokens_decoder: dict[int, Any]

    def encode(self, text: str, *, add_special_tokens: bool = ..., split_special_tokens: bool = ...) -> list[int]: ...
    def apply_chat_template(self, conversation: list[dict[str, str]], **options: Any) -> Any: ...
    def convert_tokens_to_ids(self, tokens: str) -> int: ...


class Rendered(msgspec.Struct, frozen=True):
    """Token ids of a prompt: `ids[:shared]` belong to the view and are kept; then tail and reply start."""

    ids: list[int]
    shared: int


class ChatTemplate:
    """Renders prompts for one tokenizer.

    Args:
        tokenizer: Of the base.
        ours: Whether the base carries our own layout (its provenance.json says so).
    """

    def __init__(self, tokenizer: Tokenizer, *, ours: bool = False) -> None:
        self._tokenizer = tokenizer
        self._added = {str(token): id_ for id_, token in tokenizer.added_tokens_decoder.items()}
        self._controls = frozenset(self._added.values())
        self._end = (self._added[END],) if ours else ()
        self._aside = (self._added[ASIDE],) if ours else ()
        self._bos = _leading_bos(tokenizer)
        usable = bool(tokenizer.chat_template) and not ours
        self._room = self._pieces(_ROOM, _ROOM_WITHOUT_SYSTEM) if usable else None
        self._chat = self._pieces(_CHAT, _CHAT_WITHOUT_SYSTEM) if self._room else None
        self.has_template = self._chat is not None
        self.overhead = sum(map(len, self._room)) if self._room else len(self._bos) + len(self._aside)
        self.turn_overhead = len(self._chat[2]) + len(self._chat[3]) + 2 if self._chat else 0
        self.stop_ids = frozenset(self._end or self._stops())
        self.line_ids = lru_cache(maxsize=65_536)(self._line_ids)

    def text_ids(self, text: str) -> tuple[int, ...]:
        """Encodes text that somebody wrote: no id of it is a control token."""
        ids = self._encode(text)
        if not self._controls.isdisjoint(ids):
            ids = [id_ for part in _broken_up(text, self._added) for id_ in self._encode(part)]
        return tuple(ids)

    def _line_ids(self, text: str) -> tuple[int, ...]:
        """Encodes a line with its end. `line_ids` is this, memoised."""
        return self.text_ids(text) + self._end if self._end else self.text_ids(text + "\n")

    def start_ids(self, name: str) -> tuple[int, ...]:
        """Encodes the beginning of a line, as `Mara Vell:`, without an end."""
        return self.text_ids(name)

    def reply_ids(self, text: str, *, start: str = "") -> tuple[int, ...]:
        """Encodes a reply with the token that ends it: what training has loss on.

        Args:
            text: The bare words.
            start: The prompt's reply start; after `Mara Vell:` there is a space before the words.
        """
        end = self._end or tuple(self._turn_end()) or self.text_ids("\n")
        return self.text_ids(f" {text}" if start else text) + end

    def render(self, prompt: Prompt, invocation: Sequence[int] = ()) -> Rendered:
        """Turns a prompt into ids. `invocation` opens the tail; on a base of our own making it defaults to its own."""
        if prompt.layout == "chat":
            return self._render_chat(prompt, invocation)
        head, middle, close = self._room or (self._bos, (), ())
        shared = [*head, *self._premise_ids(prompt.premise), *middle]
        for line in prompt.lines:
            shared += self.line_ids(line.text)
        tail = [*(invocation or self._aside)]
        for part in prompt.tail:
            tail += self.line_ids(part)
        return Rendered([*shared, *tail, *close, *self.start_ids(prompt.start)], len(shared))

    def _premise_ids(self, premise: str) -> tuple[int, ...]:
        if not premise:
            return ()
        return self.text_ids(premise) if self._room else self.line_ids(premise)

    def _render_chat(self, prompt: Prompt, invocation: Sequence[int]) -> Rendered:
        """Own lines are assistant turns, everybody else's stand in user turns; the tail closes the open user turn."""
        if not self._chat:
            raise EngineError("the chat layout needs a base with a chat template; set layout = 'room'", code="layout")
        before, opened, to_role, to_others, close = self._chat
        ids, after_own, gap = [*before, *self.text_ids(prompt.premise), *opened], False, ""
        for line in prompt.lines:
            ids += to_others if after_own else ()
            ids += [*to_role, *self.text_ids(line.said)] if line.own else self.text_ids(gap + line.text)
            after_own, gap = line.own, "" if line.own else "\n"
        shared = len(ids)
        ids += [*(to_others if after_own else ()), *invocation]
        for part in prompt.tail:
            ids += self.text_ids(gap + part)
            gap = "\n"
        return Rendered([*ids, *close, *self.text_ids(prompt.start)], shared)

    # --- what the tokenizer's own template puts around the content ---------------------------------------------------

    def _pieces(self, *shapes: list[dict[str, str]]) -> list[tuple[int, ...]] | None:
        """Ids between the slots of the first shape that the template accepts (some know no system turn).

        None if it accepts none, or alters what it is given: then the base is spoken to as one without a template.
        """
        for shape in shapes:
            try:
                text = self._tokenizer.apply_chat_template(shape, tokenize=False, add_generation_prompt=True)
            except Exception:  # a template is a program of its author: it may raise anything
                continue
            slots = [slot for slot in _SLOTS if any(slot in turn["content"] for turn in shape)]
            if (pieces := _split(text, slots)) is not None:
                return [tuple(self._tokenizer.encode(piece, add_special_tokens=False)) for piece in pieces]
        return None

    def _turn_end(self) -> list[int]:
        """The id that the template puts at the end of an assistant turn, if it is a control token."""
        after = self._chat[3] if self._chat else ()
        return [after[0]] if after and after[0] in self._controls else []

    def _stops(self) -> list[int]:
        eos = self._tokenizer.eos_token_id
        return [*self._turn_end(), *([] if eos is None else [eos])]

    # --- content is never control ------------------------------------------------------------------------------------

    def _encode(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True) if text else []


_SYSTEM, _USER = {"role": "system", "content": _SLOTS[0]}, {"role": "user", "content": _SLOTS[1]}
_ROOM = [_SYSTEM, _USER]
_ROOM_WITHOUT_SYSTEM = [{"role": "user", "content": f"{_SLOTS[0]}\n{_SLOTS[1]}"}]
_TURNS = [{"role": "assistant", "content": _SLOTS[2]}, {"role": "user", "content": _SLOTS[3]}]
_CHAT = [*_ROOM, *_TURNS]
_CHAT_WITHOUT_SYSTEM = [*_ROOM_WITHOUT_SYSTEM, *_TURNS]


def _split(text: str, slots: Sequence[str]) -> list[str] | None:
    """Cuts a rendered template at its slots; None if one is missing, doubled or out of order."""
    pieces = []
    for slot in slots:
        before, found, text = text.partition(slot)
        if not found or slot in text:
            return None
        pieces.append(before)
    return [*pieces, text]


def _broken_up(text: str, tokens: Iterable[str]) -> list[str]:
    """Cuts the text inside every token that it spells, so that no part spells one."""
    spelt = "|".join(re.escape(token) for token in sorted(tokens, key=len, reverse=True))
    cuts = [match.start() + 1 for match in re.finditer(spelt, text)]
    return [text[start:end] for start, end in pairwise([0, *cuts, len(text)])]


def _leading_bos(tokenizer: Tokenizer) -> tuple[int, ...]:
    """The begin-of-text id, on bases that expect one before everything."""
    ids = tokenizer.encode("", add_special_tokens=True)
    return (ids[0],) if ids and ids[0] == tokenizer.bos_token_id else ()
