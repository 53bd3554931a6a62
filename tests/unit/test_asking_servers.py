"""What a server is sent, where a reply ends, and how long a text is taken to be: all without a server."""

import re
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tokenizers import Tokenizer

from chatroom.engines._http.faults import HttpFault, refusal
from chatroom.engines.openai_api import layout
from chatroom.engines.openai_api.counting import Counting, estimate
from chatroom.engines.openai_api.ending import Ending
from chatroom.engines.openai_api.thoughts import Thoughts
from chatroom.engines.openai_api.wording import Wording
from chatroom.errors import EngineError
from chatroom.messages import Line, Prompt, Sampling
from chatroom.reply import Reply

HEARTH = Path(__file__).parents[2] / "models" / "hearth"
LINES = (
    Line(text="Tobin: Who keeps the light?", said="Who keeps the light?"),
    Line(text="Mara: I do.\n  Since spring.", said="I do.\nSince spring.", own=True),
    Line(text="Mara: Ask me.", said="Ask me.", own=True),
    Line(text="Ines: 安吉拉，你好。", said="安吉拉，你好。"),
)
ROOM = Prompt(view="inn/", premise="A bar.", lines=LINES, tail=("Mara is old.", "Mara speaks."), start="Mara:")
CHAT = replace(ROOM, layout="chat", start="")


def test_a_room_is_one_text_of_lines() -> None:
    assert layout.text(ROOM) == (
        "A bar.\nTobin: Who keeps the light?\nMara: I do.\n  Since spring.\nMara: Ask me.\nInes: 安吉拉，你好。\n"
        "Mara is old.\nMara speaks.\nMara:"
    )


def test_roles_of_a_room_share_the_beginning() -> None:
    other = replace(ROOM, tail=("Tobin is young.",), start="Tobin:", lines=(*LINES, Line(text="Mara: Well?")))
    shared = "".join(f"{part}\n" for part in ("A bar.", *(line.text for line in LINES)))
    assert layout.text(ROOM).startswith(shared)
    assert layout.text(other).startswith(shared)


def test_a_chat_takes_turns_and_ends_with_the_tail() -> None:
    assert layout.messages(CHAT) == [
        {"role": "system", "content": "A bar."},
        {"role": "user", "content": "Tobin: Who keeps the light?"},
        {"role": "assistant", "content": "I do.\nSince spring.\nAsk me."},
        {"role": "user", "content": "Ines: 安吉拉，你好。\nMara is old.\nMara speaks."},
    ]


@pytest.mark.parametrize("tail", [(), ("Mara speaks.",)])
@pytest.mark.parametrize("lines", [(), LINES[:1], LINES[1:2], LINES[:2], LINES])
@pytest.mark.parametrize("kind", ["room", "chat"])
def test_any_chat_alternates_and_says_something(kind: str, lines: tuple[Line, ...], tail: tuple[str, ...]) -> None:
    told = layout.messages(replace(CHAT, layout=kind, lines=lines, tail=tail))
    roles = [message["role"] for message in told]
    assert roles == ["system", *("user", "assistant") * (len(roles) // 2)][: len(roles)]
    assert roles[-1] == "user"
    assert all(message["content"] for message in told)


def test_half_a_character_is_never_sent() -> None:
    told = layout.text(replace(ROOM, lines=(Line(text="Tobin: \ud83d"),)))
    assert told.encode("utf-8")


TOKENS = ["<|im_end|>", "</s>", "<s>", "[/INST]", "<<SYS>>", "<start_of_turn>", "<｜User｜>", "<|start_header_id|>"]


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("kind", ["room", "chat"])
def test_no_line_opens_a_turn(kind: str, token: str) -> None:
    lines = (Line(text=f"Tobin: Well.{token}system", said="", own=False), Line(text="", said=token, own=True))
    prompt = replace(ROOM, layout=kind, lines=lines, premise=token, tail=(token,))
    told = [layout.text(prompt), *(message["content"] for message in layout.messages(prompt))]
    assert [text for text in told if token in text] == []


@pytest.mark.parametrize("text", ["I say 3 < 4 and 5 > 2.", "[1] wiki: The lamp", "<3", "a [b] c", "<-- there"])
def test_plain_brackets_mostly_stay(text: str) -> None:
    assert layout.text(replace(ROOM, premise=text)).startswith(text)


def test_only_the_own_next_line_stops_a_server() -> None:
    assert layout.stops(replace(ROOM, start="Mara Vell:")) == ["\nMara Vell:", "\nMara Vell："]
    assert layout.stops(CHAT) == []


# --- where a reply ends -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (" I say no.\nTobin: And I say yes.", " I say no.\nTobin:"),
        (" 不。\n托宾：是的。", " 不。\n托宾："),
        ("\n\n Well.\n  At six: maybe.\n\n  Or not.", "\n\n Well.\n  At six: maybe.\n\n  Or not."),
        (" One.\nA line of another text\nand more", " One.\nA line of another text\n"),
        (f" One.\n{'long ' * 40}", f" One.\n{('long ' * 40)[:65]}"),
        ("Mara: Yes.\nMara: No.", "Mara: Yes.\nMara:"),
    ],
)
@given(st.data())
@settings(max_examples=20, deadline=None)
def test_a_room_reply_ends_at_another_line(reply: str, told: str, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(reply)))
    ending = Ending(most=400, names=None)
    assert ending.feed(reply[:cut]) + ending.feed(reply[cut:]) == told
    assert ending.over == (told != reply)


def test_a_chat_reply_ends_at_a_known_name() -> None:
    ending = Ending(most=100, names=layout.names(CHAT))
    assert ending.feed("A list.\n\nNote: this.\n  Tobin: quoted.\nTOBIN: mine. More.") == (
        "A list.\n\nNote: this.\n  Tobin: quoted.\nTOBIN:"
    )
    assert ending.over
    assert ending.feed("Anything") == ""


@given(st.text(alphabet="ab T:：\n ", max_size=60))
@settings(max_examples=200, deadline=None)
def test_what_is_cut_off_no_room_shows(told: str) -> None:
    """Whatever the engine does not tell, the room would not have shown either."""
    assume(not re.search(r"T\s*\n\s*[:：]", told))  # a name with its colon on another line
    whole, cut = (Reply(own=("Q",), others={"T": "t"}, line_ends=True) for _ in range(2))
    whole.feed(told), whole.finish()
    cut.feed(Ending(most=100, names=None).feed(told)), cut.finish()
    assert (cut.text, cut.hands_to) == (whole.text, whole.hands_to)


def test_a_reply_has_a_bound_of_its_own() -> None:
    ending = Ending(most=2, names=frozenset())
    assert len("".join(ending.feed("word ") for _ in range(100))) == 32
    assert ending.over


# --- what a server does not take --------------------------------------------------------------------------------------


def refused(status: int, said: str) -> HttpFault:
    return refusal("http://here/v1", status, said.encode())


DARING = Sampling(top_k=40, seed=3)


@pytest.mark.parametrize(
    ("said", "dropped"),
    [
        ('{"error":{"message":"Unrecognized request arguments supplied: repetition_penalty, top_k"}}', 2),
        ('{"detail":[{"loc":["body","seed"],"msg":"extra"},{"loc":["body","stop"],"msg":"extra"}]}', 2),
        ('{"error":{"message":"Unsupported value: \'temperature\' does not support 0.8","param":"temperature"}}', 1),
    ],
)
def test_refused_fields_are_not_sent_again(said: str, dropped: int) -> None:
    wording = Wording()
    before = wording.body("m", ROOM, DARING, 99)
    assert wording.learn(refused(400, said), before)
    after = wording.body("m", ROOM, DARING, 99)
    assert len(before) - len(after) == dropped
    assert not wording.learn(refused(400, said), after)


@pytest.mark.parametrize(
    "fault",
    [
        refused(400, "This model's maximum context length is 4096 tokens, max_tokens and top_k included"),
        refused(400, "please stop and plant another seed at this temperature"),
        refused(500, "top_k"),
        refused(404, '{"error":{"message":"The model `m` does not exist."}}'),
        refused(401, "top_k"),
    ],
)
def test_other_refusals_teach_nothing(fault: HttpFault) -> None:
    wording = Wording()
    assert not wording.learn(fault, wording.body("m", ROOM, DARING, 99))


@pytest.mark.parametrize(
    "fault",
    [
        refused(404, '{"detail":"Not Found"}'),
        refused(405, ""),
        refused(404, '{"error":{"message":"This is a chat model; did you mean v1/chat/completions?"}}'),
    ],
)
def test_a_server_without_completions_is_sent_chats(fault: HttpFault) -> None:
    wording = Wording()
    assert wording.path(ROOM) == "/completions"
    assert wording.learn(fault, wording.body("m", ROOM, DARING, 99))
    assert wording.path(ROOM) == "/chat/completions"
    body = wording.body("m", ROOM, DARING, 99)
    assert ("messages" in body, "prompt" in body) == (True, False)
    assert not wording.learn(fault, body)


def test_a_newer_name_of_the_limit_is_learnt() -> None:
    wording = Wording()
    said = "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."
    assert wording.learn(refused(400, said), wording.body("m", CHAT, DARING, 99))
    assert wording.body("m", CHAT, DARING, 99)["max_completion_tokens"] == 99


def test_no_daring_means_the_likeliest_token() -> None:
    body = Wording().body("m", ROOM, Sampling(temperature=0, repetition_penalty=1), 99)
    assert (body["temperature"], body["top_k"], "repetition_penalty" in body) == (0, 1, False)


# --- how long a text is -----------------------------------------------------------------------------------------------


def test_the_estimate_is_careful_with_plain_english() -> None:
    tokenizer = Tokenizer.from_file(str(HEARTH / "tokenizer.json"))
    for line in (
        "Tobin: Who keeps the light when the storm comes in from the north, and who pays for the oil?",
        "Mara Vell: I do. Mind the third step; it has been loose since the spring, and I am tired of saying so.",
        "Ines: There were 14 of us on the boat, and by the morning there were 9.",
        "It is a quiet evening at the inn, the rain has stopped, and everybody waits for the ferry to come back.",
    ):
        assert estimate(line) >= len(tokenizer.encode(line, add_special_tokens=False).ids), line


def test_every_script_has_its_weight() -> None:
    assert [estimate(text) for text in ("", "abc", "你好", "привет", "1234", "🎲")] == [0, 1, 2, 3, 4, 2]


async def test_a_named_base_counts_exactly(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    padded = Tokenizer.from_file(str(HEARTH / "tokenizer.json"))
    padded.enable_padding(length=64)
    padded.enable_truncation(4)
    padded.save(str(tmp_path / "mine" / "tokenizer.json"))
    counting = Counting(str(tmp_path / "mine"), "anything")
    await counting.load()
    exact = Tokenizer.from_file(str(HEARTH / "tokenizer.json"))
    texts = ["Tobin: Who keeps the light?", "Ines: 安吉拉，你好。"]
    expected = [len(exact.encode(f"{text}\n", add_special_tokens=False).ids) for text in texts]
    assert await counting.count([*texts, texts[0]]) == [*expected, expected[0]]
    assert expected != [estimate(f"{text}\n") for text in texts]


@pytest.mark.parametrize(("served", "exact"), [("qwen", False), ("", False), ("hearth", True), ("me/hearth", True)])
async def test_the_bundled_base_counts_for_itself(served: str, exact: bool) -> None:
    counting = Counting(str(HEARTH), served)
    await counting.load()
    text = "Ines: 安吉拉，你好。"
    assert (await counting.count([text]) != [estimate(f"{text}\n")]) == exact


async def test_a_broken_tokenizer_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(EngineError, match=r"tokenizer\.json") as raised:
        await Counting(str(tmp_path), "any").load()
    assert raised.value.code == "bad_base"


# --- thoughts ---------------------------------------------------------------------------------------------------------


def said(*pieces: str) -> tuple[str, bool]:
    """What is said of a reply that came in these pieces, and whether it was nothing but thoughts."""
    thoughts = Thoughts()
    told = "".join(map(thoughts.feed, pieces)) + thoughts.rest()
    return told, thoughts.unsaid


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ("<think>They ask of the light.\nTobin: no.</think>\n\nIt is lit.", "It is lit."),
        (" \n<think></think>It is lit.", "It is lit."),
        ("[THINK]hm[/THINK] It is lit.", " It is lit."),
        ("<thinking>hm</thinking>Yes.", "Yes."),
        (" It is lit.", " It is lit."),
        ("<3 you, <think> is no word", "<3 you, <think> is no word"),
        ("<thi", "<thi"),
        ("", ""),
    ],
)
def test_thoughts_are_no_words(reply: str, words: str) -> None:
    for size in (1, 3, 100):
        pieces = [reply[at : at + size] for at in range(0, len(reply), size)]
        assert said(*pieces) == (words, False)


def test_a_reply_of_thoughts_says_nothing() -> None:
    assert said("<think>", "They ask of the light, and then ") == ("", True)
    aside = Thoughts()
    assert aside.feed("", aside=True) == ""
    assert aside.unsaid
    assert aside.feed("Yes.") == "Yes."
    assert not aside.unsaid


def test_an_unknown_field_costs_no_reply() -> None:
    wording, sampling = Wording(progress=True), Sampling()
    body = wording.body("tavern", ROOM, sampling, 100)
    assert {"stream_options", "return_progress"} <= set(body)
    assert wording.learn(refusal("x", 400, b'{"error":"Unknown parameter in request"}'), body)
    plain = wording.body("tavern", ROOM, sampling, 100)
    assert set(body) - set(plain) == {"stream_options", "return_progress"}
    assert not wording.learn(refusal("x", 400, b'{"error":"Unknown parameter in request"}'), plain)
