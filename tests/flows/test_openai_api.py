"""Roles that speak through a server behind an address: whole turns against a stand-in that can misbehave."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from chatroom.engine_pool import EnginePool
from chatroom.engines.base import EngineOptions
from chatroom.engines.openai_api import Engine
from chatroom.errors import EngineError, FolderError, SettingsError
from chatroom.messages import Adapter, Line, Prompt, Sampling
from chatroom.roles import read_role, remarks
from chatroom.settings import Settings, load_settings
from tests.stand_in.openai import Gate, StandIn, Trouble, event
from tests.table import table

PROMPT = Prompt(
    view="inn/", premise="A bar.", lines=(Line(text="Tobin: Who rows?"),), tail=("Mara speaks.",), start="Mara:"
)
SHORT = Sampling(max_tokens=8, seed=1)
KEY = "k-4242-hidden"


@pytest_asyncio.fixture
async def server() -> AsyncIterator[StandIn]:
    async with StandIn() as opened:
        yield opened


def options(server: StandIn, **more: Any) -> EngineOptions:
    return EngineOptions(**{"base": "", "address": server.address, **more})


async def started(server: StandIn, **more: Any) -> Engine:
    engine = Engine(options(server, **more))
    await engine.start()
    return engine


async def reply(engine: Engine, prompt: Prompt = PROMPT, **more: Any) -> str:
    return "".join([piece async for piece in engine.stream(prompt, sampling=SHORT, **more)])


async def failure(engine: Engine, prompt: Prompt = PROMPT, **more: Any) -> EngineError:
    with pytest.raises(EngineError) as raised:
        await reply(engine, prompt, **more)
    return raised.value


def seat(home: Path, server: StandIn, id: str = "mara", **model: str) -> Path:
    """A role folder that speaks through the server."""
    folder = home / "roles" / id
    folder.mkdir(parents=True)
    keys = {"engine": "openai_api", "base": "example/base", "address": server.address} | model
    table = "\n".join(f'{key} = "{value}"' for key, value in keys.items() if value)
    (folder / "role.toml").write_text(f'name = "{id.title()}"\n[model]\n{table}\n', "utf-8")
    return folder


# --- in a room --------------------------------------------------------------------------------------------------------


async def test_a_room_speaks_through_a_server(tmp_path: Path, server: StandIn) -> None:
    for id in ("mara", "tobin"):
        seat(tmp_path, server, id)
    async with table(tmp_path) as at:
        ann = await at.enter("Ann")
        server.replies.extend([" I say no.\nTobin: And I say yes.\nAnn: What?", " 我的话。"])
        answers = await at.say(ann, "Mara, yes or no?")
        assert [(m.author.id, m.text) for m in answers] == [("mara", "I say no."), ("tobin", "我的话。")]
    first, second = (asked.body["prompt"] for asked in server.posts())
    assert first.endswith("\nMara:")
    shared = "A storm.\nAnn: Mara, yes or no?\n"
    assert (first.startswith(shared), second.startswith(f"{shared}Mara: I say no.\n")) == (True, True)


async def test_a_role_may_ask_in_chats(tmp_path: Path, server: StandIn) -> None:
    seat(tmp_path, server, layout="chat")
    async with table(tmp_path, ("mara",)) as at:
        ann = await at.enter("Ann")
        server.replies.extend(["Lit since six.", "It is.\n\nAnd warm.\nAnn: Good."])
        await at.say(ann, "Is it lit, Mara?")
        (answer,) = await at.say(ann, "Is it, Mara?")
        assert answer.text == "It is.\n\nAnd warm."
    messages = server.posts()[1].body["messages"]
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]
    assert messages[2]["content"] == "Lit since six."


async def test_a_failed_turn_leaves_the_room_alive(tmp_path: Path, server: StandIn) -> None:
    seat(tmp_path, server)
    async with table(tmp_path, ("mara",)) as at:
        ann = await at.enter("Ann")
        server.troubles.append(Trouble(status=500, body="boom"))
        assert await at.say(ann, "Mara?") == []
        (answer,) = await at.say(ann, "Mara!")
        assert answer.text.startswith("I heard: ")


# --- what the server is -----------------------------------------------------------------------------------------------


async def test_a_server_without_completions_gets_chats(server: StandIn) -> None:
    server.paths = {"/v1/chat/completions"}
    engine = await started(server)
    assert await reply(engine) == await reply(engine) == " I heard: Tobin: Who rows?"
    assert [asked.path[4:] for asked in server.posts()] == ["completions", *["chat/completions"] * 2]
    await engine.close()


async def test_a_server_without_chats_says_so(server: StandIn) -> None:
    server.paths = {"/v1/completions"}
    engine = await started(server)
    fault = await failure(engine, Prompt(view="", premise="", lines=(), layout="chat"))
    assert (fault.code, "layout = 'room'" in str(fault)) == ("layout", True)
    await engine.close()


async def test_refused_fields_are_left_out_for_good(server: StandIn) -> None:
    server.refuses = frozenset({"repetition_penalty", "top_p"})
    engine = await started(server)
    assert await reply(engine) == await reply(engine)
    assert [len(asked.body) for asked in server.posts()] == [10, 9, 8, 8]
    await engine.close()


async def test_a_server_need_not_stream(server: StandIn) -> None:
    server.troubles.append(Trouble(body='{"choices":[{"message":{"content":"At once."},"finish_reason":"stop"}]}'))
    engine = await started(server)
    assert await reply(engine) == "At once."
    await engine.close()


@pytest.mark.parametrize(
    ("entry", "pages", "context"),
    [
        ({}, {}, 8192),
        ({"max_model_len": 2048}, {}, 2048),
        ({"max_model_len": 1 << 20}, {}, 8192),
        ({"max_model_len": -1, "context_length": "8k", "meta": [1], "owned_by": 7}, {}, 8192),
        ({"context_length": 4096, "owned_by": "someone"}, {}, 4096),
        (
            {"owned_by": "llamacpp", "meta": {"n_ctx_train": 32768}},
            {"/props": {"default_generation_settings": {"n_ctx": 1536}}},
            1536,
        ),
        ({"owned_by": "llamacpp", "meta": {"n_ctx": 4096}}, {}, 4096),
        (
            {"owned_by": "library"},
            {"/api/generate": {"done": True}, "/api/ps": {"models": [{"name": "tavern", "context_length": 4000}]}},
            4000,
        ),
        ({"owned_by": "library"}, {}, 8192),
    ],
)
async def test_the_context_is_the_servers_or_ours(
    server: StandIn, entry: dict[str, Any], pages: dict[str, Any], context: int
) -> None:
    server.models[0] |= entry
    server.pages = pages
    engine = Engine(options(server))
    assert (await engine.start()).context == context
    await engine.close()


@pytest.mark.parametrize(("served", "said"), [("mara", "no model 'mara'"), ("", "not just one")])
async def test_models_that_there_are_are_listed(served: str, said: str) -> None:
    async with StandIn("qwen", "llama") as server:
        engine = Engine(options(server, served=served))
        with pytest.raises(EngineError, match=said) as raised:
            await engine.start()
        assert raised.value.code == "bad_base"
        assert "qwen, llama" in str(raised.value)
        await engine.close()


async def test_an_adapter_is_a_model_of_the_server() -> None:
    adapter = Adapter(path="roles/mara/adapter", fingerprint="f")
    async with StandIn("base", "mara") as server:
        engine = await started(server, served="mara")
        assert await reply(engine, adapter=adapter)
        assert server.posts()[0].body["model"] == "mara"
        await engine.close()


async def test_an_adapter_folder_is_refused_with_a_way(server: StandIn) -> None:
    engine = await started(server)
    fault = await failure(engine, adapter=Adapter(path="roles/mara/adapter", fingerprint="f"))
    assert (fault.code, server.posts()) == ("no_adapter", [])
    assert "served" in str(fault)
    await engine.close()


# --- what goes wrong --------------------------------------------------------------------------------------------------

OUT_OF_MEMORY = {"error": {"message": "CUDA out of memory", "type": "internal", "code": 500}}


@pytest.mark.parametrize(
    ("trouble", "code", "said"),
    [
        (Trouble(cut=True), "engine_lost", "broke the connection off"),
        (Trouble(cut=True, after=0), "engine_lost", "broke the connection off"),
        (Trouble(raw=event({"choices": []})), "engine_lost", "broke the answer off"),
        (Trouble(raw=event(OUT_OF_MEMORY)), "engine", "CUDA out of memory"),
        (Trouble(raw=event({"object": "error", "message": "no cache"})), "engine", "no cache"),
        (Trouble(raw=event({"choices": [{"text": "", "finish_reason": "abort"}]})), "engine", "gave up"),
        (Trouble(raw=b"data: {garbage\n\n"), "engine", "no answer"),
        (Trouble(raw=b"data: 7\n\n"), "engine", "no answer"),
        (Trouble(raw=b"data: " + b"[" * 200_000 + b"\n\n"), "engine", "no answer"),
        (Trouble(raw=b"data: " + b"x" * (2 << 20)), "engine", "too long"),
        (Trouble(status=500, body="boom"), "engine", "boom"),
        (Trouble(status=401), "no_access", "remote_key"),
        (Trouble(status=404, body='{"error":{"message":"The model `tavern` was removed"}}'), "bad_base", "removed"),
        (Trouble(status=400, body='{"error":"maximum context length is 4096"}'), "too_long", "smaller `context`"),
        (Trouble(status=429, headers={"Retry-After": "600"}), "overloaded", "wait a while"),
        (Trouble(body="<html>", headers={"Content-Type": "text/html"}), "engine", "/v1"),
    ],
)
async def test_every_trouble_is_one_clear_error(server: StandIn, trouble: Trouble, code: str, said: str) -> None:
    engine = await started(server)
    server.troubles.append(trouble)
    fault = await failure(engine)
    assert (fault.code, said in str(fault), len(server.posts())) == (code, True, 1)
    assert len(str(fault)) < 500
    await engine.start()
    assert await reply(engine)
    await engine.close()


async def test_what_was_said_before_trouble_was_told(server: StandIn) -> None:
    engine = await started(server)
    server.troubles.append(Trouble(cut=True, after=3))
    pieces = engine.stream(PROMPT, sampling=SHORT)
    assert [await anext(pieces) for _ in range(3)] == [" I", " heard:", " Tobin:"]
    with pytest.raises(EngineError, match="broke"):
        await anext(pieces)
    await engine.close()


async def test_a_prompt_too_long_is_not_sent(server: StandIn) -> None:
    engine = await started(server, context=256)
    fault = await failure(engine, Prompt(view="", premise="word " * 400, lines=()))
    assert (fault.code, server.posts()) == ("too_long", [])
    await engine.close()


async def test_a_reply_is_asked_to_fit(server: StandIn) -> None:
    engine = await started(server, context=256)
    pieces = engine.stream(Prompt(view="", premise="w" * 600, lines=()), sampling=Sampling(max_tokens=160))
    assert [piece async for piece in pieces]
    assert 0 < server.posts()[0].body["max_tokens"] < 60
    await engine.close()


async def test_a_server_that_is_gone_is_asked_anew() -> None:
    server = StandIn()
    await server.open()
    port = int(server.address.rpartition(":")[2].removesuffix("/v1"))
    engine = await started(server)
    await server.close()
    assert (await failure(engine)).code == "engine_lost"
    with pytest.raises(EngineError, match="can't be reached"):
        await engine.start()
    server.models[0]["max_model_len"] = 1000
    await server.open(port)
    assert (await engine.start()).context == 1000
    assert await reply(engine)
    await engine.close()
    await server.close()


async def test_another_model_is_found_after_a_fault(server: StandIn) -> None:
    engine = await started(server)
    server.models = [{"id": "inn", "object": "model", "max_model_len": 1000}]
    assert (await failure(engine)).code == "bad_base"
    assert (await engine.start()).context == 1000
    assert await reply(engine)
    await engine.close()


LIT = {"content": "Lit."}


@pytest.mark.parametrize(
    ("thought", "words"),
    [
        ({"reasoning_content": "They ask of the light."}, LIT),
        ({"reasoning": "They ask of the light."}, LIT),
        ({"content": "<think>They ask of the light."}, {"content": "</think>Lit."}),
        ({"content": [{"type": "thinking", "thinking": []}]}, {"content": [{"type": "text", "text": "Lit."}]}),
    ],
)
async def test_thoughts_are_left_out_and_told(server: StandIn, thought: dict[str, Any], words: dict[str, Any]) -> None:
    engine = await started(server)
    for deltas in ((thought,), (thought, words)):
        told = b"".join(event({"choices": [{"delta": delta}]}) for delta in deltas)
        server.troubles.append(Trouble(raw=told + b"data: [DONE]\n\n", after=0))
    fault = await failure(engine)
    assert (fault.code, "max_tokens" in str(fault)) == ("empty", True)
    assert await reply(engine) == "Lit."
    await engine.close()


@pytest.mark.parametrize("address", ["", "http://127.0.0.1:1/v1"])
async def test_no_server_says_what_to_set(address: str) -> None:
    engine = Engine(EngineOptions(base="", address=address))
    with pytest.raises(EngineError, match=r"remote|start it"):
        await engine.start()
    await engine.close()


# --- ends that are not the model's ------------------------------------------------------------------------------------


async def test_a_closed_stream_ends_there_at_once(server: StandIn) -> None:
    engine, gate = await started(server), Gate()
    server.troubles.append(Trouble(gate=gate))
    async with aclosing(engine.stream(PROMPT, sampling=SHORT)) as pieces:
        assert await anext(pieces) == " I"
        await gate.reached.wait()
    async with asyncio.timeout(10):
        await server.gone.wait()
    await engine.close()


async def test_a_cancelled_turn_ends_there_at_once(server: StandIn) -> None:
    engine, gate = await started(server), Gate()
    server.troubles.append(Trouble(gate=gate, after=0))
    turn = asyncio.create_task(reply(engine))
    await gate.reached.wait()
    turn.cancel()
    async with asyncio.timeout(10):
        await server.gone.wait()
    assert await reply(engine)
    await engine.close()


async def test_a_reply_that_never_ends_is_ended(server: StandIn) -> None:
    engine = await started(server)
    server.troubles.append(Trouble(unending=True))
    assert len(await reply(engine)) <= 8 * 16
    async with asyncio.timeout(10):
        await server.gone.wait()
    await engine.close()


async def test_fifty_turns_leave_no_connection(server: StandIn) -> None:
    engine = await started(server)
    whole = await reply(engine)
    for number in range(50):
        async with aclosing(engine.stream(PROMPT, sampling=SHORT)) as pieces:
            for _ in range(number % 5):
                await anext(pieces)
    async with asyncio.timeout(10):
        await server.silence()
    assert (server.talking, await reply(engine)) == (0, whole)
    await engine.close()


async def test_closing_the_engine_ends_its_turns(server: StandIn) -> None:
    engine, gate = await started(server), Gate()
    server.troubles.append(Trouble(gate=gate))
    turn = asyncio.create_task(failure(engine))
    await gate.reached.wait()
    await engine.close()
    assert (await turn).code == "engine_lost"


# --- keys and addresses -----------------------------------------------------------------------------------------------


async def test_a_key_is_sent_and_never_shown(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("TAVERN_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    async with StandIn(key=KEY) as server:
        chosen = options(server, key="TAVERN_KEY")
        engine = Engine(chosen)
        await engine.start()
        assert await reply(engine)
        server.troubles.append(Trouble(raw=event({"error": f"not with {KEY}"})))
        told = [str(await failure(engine))]
        server.troubles.append(Trouble(status=400, body=f'{{"error":"not with {KEY}"}}'))
        told.append(str(await failure(engine)))
        server.key = "another"
        told.append(str(await failure(engine)))
        await engine.close()
    assert "refuses the key" in told[-1]
    assert KEY not in "".join([*told, repr(chosen), caplog.text])


@pytest.mark.parametrize("value", ["", "  ", "two\nlines", "钥匙"])
async def test_a_key_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, server: StandIn, value: str) -> None:
    monkeypatch.setenv("TAVERN_KEY", value)
    engine = Engine(options(server, key="TAVERN_KEY"))
    with pytest.raises(EngineError, match="remote_key") as raised:
        await engine.start()
    assert (raised.value.code, server.asked) == ("no_access", [])


async def test_a_key_goes_to_its_own_server_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: StandIn
) -> None:
    monkeypatch.setenv("TAVERN_KEY", KEY)
    async with StandIn() as other:
        seat(tmp_path, server, "mara", address="")
        seat(tmp_path, other, "tobin")
        pool = EnginePool(Settings(remote=server.address, remote_key="TAVERN_KEY"))
        for id in ("mara", "tobin"):
            await pool.start(read_role(tmp_path / "roles" / id, tmp_path / "models"))
        await pool.close()
        assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"
        assert "authorization" not in other.asked[0].headers


def test_roles_of_one_model_share_an_engine(tmp_path: Path) -> None:
    server = StandIn()
    server.address = "http://127.0.0.1:1/v1"
    folders = [seat(tmp_path, server, id, served=served) for id, served in (("a", "x"), ("b", "x"), ("c", "y"))]
    pool = EnginePool(Settings())
    one, two, three = (pool.engine(read_role(folder, tmp_path / "models")) for folder in folders)
    assert (one is two, one is three) == (True, False)


def test_where_a_role_speaks_is_remarked(tmp_path: Path) -> None:
    server = StandIn()
    server.address = "https://example.com/v1/"
    role = read_role(seat(tmp_path, server, served="mara"), tmp_path / "models")
    assert (role.address, role.served) == ("https://example.com/v1", "mara")
    assert any("goes to https://example.com/v1" in remark for remark in remarks(role))


BAD_ADDRESSES = [
    "127.0.0.1:8000",
    "ftp://x/v1",
    "http://",
    "http://me:secret@x/v1",
    "http://x/v1?key=1",
    "http://x:y/v1",
]


@pytest.mark.parametrize("address", BAD_ADDRESSES)
def test_an_address_that_is_none_names_its_key(tmp_path: Path, address: str) -> None:
    server = StandIn()
    server.address = address
    with pytest.raises(FolderError, match=r"role\.toml: model\.address: .*address"):
        read_role(seat(tmp_path, server), tmp_path / "models")
    with pytest.raises(SettingsError, match=r"CHATROOM_REMOTE: .*address") as raised:
        load_settings(environ={"CHATROOM_REMOTE": address}, directory=tmp_path)
    assert "secret" not in str(raised.value)


def test_settings_of_servers_are_read(tmp_path: Path) -> None:
    (tmp_path / "chatroom.toml").write_text(
        'remote = "http://127.0.0.1:11434/v1/"\nremote_key = "TAVERN_KEY"\ngpu_memory = "24GiB"\n'
        'lmdeploy = "/opt/lm deploy/python -m lmdeploy"\nlmdeploy_flags = ["--tp", "2"]\n'.replace("lm deploy", "lm")
    )
    found = load_settings(environ={}, directory=tmp_path)
    assert (found.remote, found.remote_key) == ("http://127.0.0.1:11434/v1", "TAVERN_KEY")
    assert (found.gpu_memory, found.lmdeploy) == (24 << 30, ("/opt/lm/python", "-m", "lmdeploy"))
    assert found.lmdeploy_flags == ("--tp", "2")


@pytest.mark.parametrize(
    ("variable", "value"),
    [("LMDEPLOY", "'open"), ("LMDEPLOY", " "), ("REMOTE_KEY", "sk-4242"), ("GPU_MEMORY", "much")],
)
def test_a_faulty_setting_names_its_key(tmp_path: Path, variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"CHATROOM_{variable}") as raised:
        load_settings(environ={f"CHATROOM_{variable}": value}, directory=tmp_path)
    assert "4242" not in str(raised.value)
