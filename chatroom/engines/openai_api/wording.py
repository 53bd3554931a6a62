"""Prompt and sampling → the body of a request, in the words that the server was found to understand.

Servers differ in what they take: some know only chats, some refuse `top_k`. What one refuses is remembered here and
not sent again. Knows no connection.
"""

import re

import msgspec

from chatroom.engines._http import HttpFault
from chatroom.engines.openai_api import layout
from chatroom.engines.openai_api.usage import ASKED
from chatroom.messages import Prompt, Sampling

DROPPABLE = ("stream_options", "return_progress", "top_k", "repetition_penalty", "top_p", "temperature", "seed", "stop")
"""What a reply can do without, if the server refuses it."""
COMMON = {"seed", "stop", "temperature"}
"""Ordinary words: in a sentence they mean the field only where they are quoted."""

_UNKNOWN_FIELD = re.compile(
    r"(unknown|unrecogni[sz]ed|unexpected|unsupported|extra|additional) (request )?"
    r"(field|key|parameter|param|argument|input|propert|option)",
    re.IGNORECASE,
)
"""How servers say that they do not know a field, when they do not say which."""

NO_SUCH_PATH = (404, 405, 501)
"""With what servers answer that lack an endpoint."""


class Wording:
    """How one server wants to be asked; it only ever asks for less.

    Args:
        progress: Whether it can say, before the first word, how much of a prompt it still holds (llama.cpp can).
    """

    def __init__(self, *, progress: bool = False) -> None:
        self._told_on = {"stream_options": ASKED} | ({"return_progress": True} if progress else {})
        self._chat_only = False
        self._dropped: set[str] = set()
        self._limit = "max_tokens"

    def chats(self, prompt: Prompt) -> bool:
        """Whether this prompt is asked as a chat."""
        return self._chat_only or prompt.layout == "chat"

    def path(self, prompt: Prompt) -> str:
        return "/chat/completions" if self.chats(prompt) else "/completions"

    def body(self, model: str, prompt: Prompt, sampling: Sampling, most: int) -> dict[str, object]:
        """What is sent.

        Args:
            model: Its name on the server.
            most: Tokens that the context leaves for a reply.
        """
        asked: dict[str, object] = {"model": model, "stream": True, self._limit: min(sampling.max_tokens, most)}
        if self.chats(prompt):
            asked["messages"] = layout.messages(prompt)
        else:
            asked["prompt"] = layout.text(prompt)
        wanted = self._told_on | _drawn(prompt, sampling)
        return asked | {key: value for key, value in wanted.items() if key not in self._dropped}

    def learn(self, fault: HttpFault, body: dict[str, object]) -> bool:
        """Takes a refusal as a lesson; whether asking again makes sense.

        It does at most once for each field and once for the endpoint, so this comes to an end.
        """
        if fault.status in NO_SUCH_PATH and "prompt" in body and not _names_model(fault, str(body["model"])):
            self._chat_only = True
            return True
        if fault.status not in (400, 422) or is_too_long(fault):
            return False
        if "max_tokens" in body and "max_completion_tokens" in fault.said:
            self._limit = "max_completion_tokens"
            return True
        refused = {key for key in DROPPABLE if key in body and _names(fault, key)}
        if _UNKNOWN_FIELD.search(fault.said) and not any(_names(fault, key) for key in DROPPABLE):
            refused = {key for key in self._told_on if key in body}  # nobody's reply depends on these
        self._dropped |= refused
        return bool(refused)


def is_too_long(fault: HttpFault) -> bool:
    """Whether the prompt was refused for its length."""
    return bool(re.search(r"context.{0,20}(length|size|window)|too long|exceeds?.{0,40}context", fault.said.lower()))


def _drawn(prompt: Prompt, sampling: Sampling) -> dict[str, object]:
    """How tokens are drawn. Temperature 0 is said twice: LMDeploy draws even then, unless from one token."""
    greedy = sampling.temperature == 0
    drawn = msgspec.structs.asdict(sampling)
    fields = {key: drawn[key] for key in ("temperature", "top_p", "seed")}
    if greedy or sampling.top_k:
        fields["top_k"] = 1 if greedy else sampling.top_k
    if sampling.repetition_penalty != 1:
        fields["repetition_penalty"] = sampling.repetition_penalty
    if ends := layout.stops(prompt):
        fields["stop"] = ends
    return fields


def _names(fault: HttpFault, key: str) -> bool:
    """Whether a refusal names this field."""
    if key in fault.params:
        return True
    pattern = rf"['\"`‘“]{key}['\"`’”]" if key in COMMON else rf"\b{key}\b"
    return bool(re.search(pattern, fault.said))


def _names_model(fault: HttpFault, model: str) -> bool:
    """Whether a 404 is about the model; else it is about the path."""
    said = fault.said.lower()
    return "chat" not in said and ("model" in said or model.lower() in said)
