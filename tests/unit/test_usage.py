"""What a prompt cost: how servers say it, who may know of it, how it is shown; what was not said is never 0."""

from typing import Any

import msgspec
import pytest

from chatroom.clients._usage import usage_line
from chatroom.context import known_to
from chatroom.engines.openai_api.chunks import decode
from chatroom.frames import EndFrame, decode_server, durable, encode
from chatroom.messages import AnyEvent, Ended, Entry, Message, Passage, Running, Speaker, Usage

MARA = Speaker(id="mara", name="Mara Vell", kind="role")
OURS = frozenset({"mara", "~ann"})
TOLD = Usage(prompt=356, cached=312)


def cost(**fields: Any) -> Usage | None:
    return decode(msgspec.json.encode({"choices": []} | fields)).cost()


@pytest.mark.parametrize(
    "fields",
    [
        {"usage": {"prompt_tokens": 356, "completion_tokens": 9, "prompt_tokens_details": {"cached_tokens": 312}}},
        {"usage": {"prompt_tokens": 356, "prompt_cache_hit_tokens": 312, "prompt_cache_miss_tokens": 44}},
        {"usage": {"prompt_tokens": 356, "cached_tokens": 312}},
        {"usage": {"prompt_tokens": 356}, "timings": {"cache_n": 312, "prompt_n": 44, "prompt_ms": 1.5}},
        {"prompt_progress": {"total": 356, "cache": 312, "processed": 312, "time_ms": 0}},
    ],
)
def test_every_servers_words_are_understood(fields: dict[str, Any]) -> None:
    assert cost(**fields) == TOLD


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"usage": None},
        {"usage": {"prompt_tokens": 356, "prompt_tokens_details": None}},
        {"usage": {"prompt_tokens": 356, "prompt_tokens_details": {}}},
        {"usage": {"prompt_tokens_details": {"cached_tokens": 312}}},
        {"usage": {"prompt_tokens": 356, "prompt_tokens_details": {"cached_tokens": 357}}},
        {"usage": {"prompt_tokens": 356, "prompt_tokens_details": {"cached_tokens": -1}}},
        {"usage": {"prompt_tokens": 10**30, "prompt_tokens_details": {"cached_tokens": 10**29}}},
        {"usage": {"prompt_tokens": "many", "prompt_tokens_details": {"cached_tokens": "most"}}},
        {"usage": [1, 2], "timings": "fast", "prompt_progress": 7},
        {"timings": {"cache_n": 312}},
    ],
)
def test_what_is_not_said_is_unknown(fields: dict[str, Any]) -> None:
    assert cost(**fields) is None


def test_nothing_in_the_cache_is_no_secret() -> None:
    nothing = cost(usage={"prompt_tokens": 356, "prompt_tokens_details": {"cached_tokens": 0}})
    assert nothing == Usage(prompt=356, cached=0)


def test_a_line_tells_numbers_or_that_none_are_known() -> None:
    assert usage_line(TOLD) == "312 of 356 tokens were in memory"
    assert usage_line(Usage(prompt=1200, cached=0)) == "0 of 1,200 tokens were in memory"
    assert "not known" in usage_line(None)


# --- who may know -----------------------------------------------------------------------------------------------------


def shown(usage: Usage | None, audience: frozenset[str] | None = None) -> Usage | None:
    """What a client reads of a reply with this cost."""
    ended = Ended(at=0.0, id="t1", author=MARA, text="So.", status="complete", audience=audience, usage=usage)
    frame = decode_server(encode(durable("inn", Entry(seq=1, prev=0, event=ended))))
    assert isinstance(frame, EndFrame)
    return frame.usage


def test_a_prompt_of_public_words_is_public() -> None:
    assert shown(TOLD) == TOLD
    assert shown(TOLD, OURS) == TOLD


def test_length_of_whispers_is_not_told_around() -> None:
    whispered = msgspec.structs.replace(TOLD, audience=OURS)
    assert shown(whispered) is None
    assert shown(whispered, OURS | {"~ben"}) is None
    assert shown(whispered, OURS) == TOLD


def test_all_that_a_prompt_holds_decides() -> None:
    lines = [Message(seq=n, id="", author=MARA, text="", audience=a) for n, a in enumerate((None, OURS | {"~ben"}))]
    assert known_to(lines[:1], ()) is None
    assert known_to(lines, ()) == OURS | {"~ben"}
    assert known_to(lines, [Passage(id="p", text="", audience=OURS | {"~eve"})]) == OURS


# --- the log ----------------------------------------------------------------------------------------------------------

OLD = (
    b'{"event":"ended","at":1.0,"id":"t1","author":{"id":"mara","name":"Mara","kind":"role"},"text":"So.",'
    b'"status":"complete"}'
)


def test_older_logs_stay_readable() -> None:
    ended = msgspec.json.decode(OLD, type=AnyEvent)
    assert isinstance(ended, Ended)
    assert ended.usage is None


def test_what_is_unknown_takes_no_place() -> None:
    ended = msgspec.json.decode(OLD, type=AnyEvent)
    assert b"usage" not in msgspec.json.encode(ended)
    assert b"usage" not in msgspec.json.encode(Running(id="t1", author=MARA))
