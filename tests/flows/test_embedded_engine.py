"""The embedded engine as a room uses it: a real worker process on a tiny base, killed, hung and cancelled.

Below that, what its parts promise: text without half characters, lanes within their memory, adapters that don't fit.
"""

import asyncio
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers
from transformers import PreTrainedTokenizerFast

from chatroom.engines._detokenizer import Detokenizer
from chatroom.engines.base import EngineOptions
from chatroom.engines.transformers_peft import Engine
from chatroom.engines.transformers_peft.lanes import Lanes
from chatroom.engines.transformers_peft.messages import Answer, Cancel, Done, Failed, Piece, Stream, Warm
from chatroom.engines.transformers_peft.model import Model, load_model
from chatroom.engines.transformers_peft.sampling import Sampler
from chatroom.engines.transformers_peft.scheduler import Scheduler
from chatroom.engines.transformers_peft.turn import Turns
from chatroom.errors import EngineError
from chatroom.messages import Adapter, Line, Prompt, Sampling
from tests.tiny import make_adapter, make_base, make_tokenizer

ROOT = Path(__file__).parents[2]
LONG = Sampling(max_tokens=400, seed=5)
SHORT = Sampling(max_tokens=8, seed=5)


def prompt(view: str = "all", lines: int = 3, name: str = "Mara") -> Prompt:
    said = tuple(Line(text=f"Tobin: I roll the dice, number {number}.") for number in range(lines))
    return Prompt(view=view, premise="A bar by the sea.", lines=said, tail=(f"You are {name}.",), start=f"{name}:")


async def reply(engine: Engine, asked: Prompt, sampling: Sampling = SHORT, adapter: Adapter | None = None) -> str:
    return "".join([piece async for piece in engine.stream(asked, adapter=adapter, sampling=sampling)])


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return make_base(tmp_path / "base")


@pytest.fixture
def options(base: Path) -> EngineOptions:
    return EngineOptions(base=str(base), context=4096, threads=1, dtype="float32", device="cpu")


@pytest.fixture
async def engine(options: EngineOptions) -> AsyncIterator[Engine]:
    engine = Engine(options)
    await engine.start()
    yield engine
    await engine.close()


def worker_id(engine: Engine) -> int:
    assert engine._worker is not None
    assert engine._worker._process is not None
    return engine._worker._process.pid


# --- the real process -------------------------------------------------------------------------------------------------


async def test_killed_worker_fails_then_restarts(engine: Engine) -> None:
    before = await reply(engine, prompt())
    streams = [engine.stream(prompt(view), sampling=LONG) for view in ("all", "whispers")]
    for stream in streams:
        assert await anext(stream)
    os.kill(worker_id(engine), signal.SIGKILL)
    for stream in streams:
        with pytest.raises(EngineError) as raised:
            await asyncio.wait_for(_drain(stream), 20)
        assert raised.value.code == "engine_lost"
    with pytest.raises(EngineError, match="ended"):
        await engine.score(prompt(), ["Mara:"])
    await asyncio.gather(engine.start(), engine.start())
    assert await reply(engine, prompt()) == before


async def _drain(stream: AsyncIterator[str]) -> None:
    async for _ in stream:
        pass


async def test_two_views_stream_in_turns(engine: Engine) -> None:
    alone = {view: await reply(engine, prompt(view, lines)) for view, lines in (("all", 3), ("whispers", 30))}
    order: list[str] = []

    async def listen(view: str, lines: int) -> str:
        text = ""
        async for piece in engine.stream(prompt(view, lines), sampling=SHORT):
            order.append(view)
            text += piece
        return text

    both = await asyncio.gather(listen("all", 3), listen("whispers", 30))
    assert list(both) == list(alone.values())
    assert order != sorted(order)


async def test_adapter_that_misfits_spares_engine(engine: Engine, base: Path, tmp_path: Path) -> None:
    fitting = make_adapter(tmp_path / "mara", base, activated=True)
    other = make_base(tmp_path / "other", hidden_size=32)
    misfit = make_adapter(tmp_path / "misfit", other, activated=True)
    with pytest.raises(EngineError, match="misfit") as raised:
        await reply(engine, prompt(), adapter=misfit)
    assert raised.value.code == "no_adapter"
    bare = await reply(engine, prompt())
    assert await reply(engine, prompt(), adapter=fitting) != bare
    with pytest.raises(EngineError, match="misfit"):
        await reply(engine, prompt(), adapter=misfit)
    assert await reply(engine, prompt()) == bare


async def test_closing_ends_a_hung_worker(options: EngineOptions) -> None:
    engine = Engine(options)
    await engine.start()
    watch = os.pidfd_open(worker_id(engine))
    os.kill(worker_id(engine), signal.SIGSTOP)
    await engine.close()
    assert select.select([watch], [], [], 0)[0]
    os.close(watch)


async def test_closing_while_loading_ends_it(options: EngineOptions) -> None:
    engine = Engine(options)
    starting = asyncio.create_task(engine.start())
    while engine._worker is None or engine._worker._process is None:
        await asyncio.sleep(0)
    await engine.close()
    with pytest.raises(EngineError) as raised:
        await starting
    assert raised.value.code == "engine_lost"


async def test_missing_base_is_clear_error(tmp_path: Path) -> None:
    engine = Engine(EngineOptions(base=str(tmp_path / "nothing")))
    with pytest.raises(EngineError, match="nothing") as raised:
        await engine.start()
    assert raised.value.code == "bad_base"
    await engine.close()


ORPHAN = """
import asyncio, os, sys
from chatroom.engines.base import EngineOptions
from chatroom.engines.transformers_peft import Engine
async def main():
    engine = Engine(EngineOptions(base=sys.argv[1], threads=1))
    await engine.start()
    print(engine._worker._process.pid, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


def test_worker_dies_with_its_server(base: Path) -> None:
    server = subprocess.Popen(
        [sys.executable, "-c", ORPHAN, str(base)], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    with server:
        assert server.stdout
        watch = os.pidfd_open(int(server.stdout.readline()))
        server.kill()
    assert select.select([watch], [], [], 20)[0]
    os.close(watch)


def test_importing_the_engine_spares_torch() -> None:
    code = "import sys, chatroom.engines.transformers_peft; print({'torch', 'transformers'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "set()"


# --- steps, without a process -----------------------------------------------------------------------------------------


@pytest.fixture
def model(options: EngineOptions) -> Model:
    return load_model(options)


@pytest.fixture
def answers() -> list[Answer]:
    return []


@pytest.fixture
def scheduler(model: Model, answers: list[Answer]) -> Scheduler:
    return Scheduler(model, Turns(model, Lanes(model.empty_cache, 1 << 30)), answers.append)


def test_cancelled_turn_computes_nothing_more(scheduler: Scheduler, answers: list[Answer]) -> None:
    scheduler.receive(Stream(id=1, prompt=prompt(), sampling=LONG))
    while not answers:
        scheduler.step()
    scheduler.receive(Cancel(id=1))
    assert scheduler.idle
    assert [type(answer) for answer in answers] == [Piece]


def test_warming_waits_for_every_turn(scheduler: Scheduler, answers: list[Answer]) -> None:
    scheduler.receive(Warm(id=1, prompt=prompt("quiet", lines=80)))
    scheduler.step()
    scheduler.receive(Stream(id=2, prompt=prompt(), sampling=SHORT))
    while not scheduler.idle:
        scheduler.step()
    assert [answer.id for answer in answers if isinstance(answer, Done)] == [2, 1]


def test_a_reply_ends_with_the_context(model: Model) -> None:
    turns = Turns(model, Lanes(model.empty_cache, 1 << 30))
    length = len(turns.plan(prompt(), None).ids)
    model.context, known = length + 3, model.context
    try:
        sampling = Sampling(max_tokens=4096, temperature=0.0)
        pieces = list(turns.reply(prompt(), None, sampling))
    finally:
        model.context = known
    assert len(pieces) <= 3 + 1 + length // 256


def test_too_long_prompt_says_so(scheduler: Scheduler, answers: list[Answer]) -> None:
    long = msgspec.structs.replace(prompt(), tail=("word " * 6000,))
    scheduler.receive(Stream(id=1, prompt=long, sampling=Sampling(max_tokens=10)))
    scheduler.step()
    (failed,) = answers
    assert isinstance(failed, Failed)
    assert failed.code == "too_long"
    assert "4096" in failed.text


def test_lanes_stay_within_their_memory(model: Model) -> None:
    one = Lanes(model.empty_cache, 1 << 30)
    for _ in Turns(model, one).reply(prompt(), None, SHORT):
        pass
    lanes = Lanes(model.empty_cache, 2 * one.nbytes)
    turns = Turns(model, lanes)
    for view in ("a", "b", "a", "c"):
        for _ in turns.reply(prompt(view), None, SHORT):
            pass
    assert lanes.nbytes <= 2 * one.nbytes
    assert [bool(lanes.held(("", view))) for view in "abc"] == [True, False, True]


def test_lane_over_the_bound_still_answers(model: Model) -> None:
    lanes = Lanes(model.empty_cache, 1)
    assert "".join(Turns(model, lanes).reply(prompt(), None, SHORT))
    assert lanes.nbytes == 0


def test_lane_never_keeps_tail_or_reply(model: Model) -> None:
    lanes = Lanes(model.empty_cache, 1 << 30)
    steps = Turns(model, lanes).reply(prompt(), None, LONG)
    for _ in range(5):
        next(steps)
    steps.close()
    rendered = model.template.render(prompt())
    assert lanes.held(("", "all")) == rendered.ids[: rendered.shared]
    assert lanes._lanes["", "all"].cache.get_seq_length() == rendered.shared


def test_changed_adapter_is_loaded_anew(model: Model, base: Path, tmp_path: Path) -> None:
    lanes = Lanes(model.empty_cache, 1 << 30)
    turns = Turns(model, lanes)
    said = []
    for seed in (1, 2):
        adapter = make_adapter(tmp_path / "mara", base, activated=False, seed=seed)
        said.append("".join(turns.reply(prompt(), adapter, SHORT)))
        assert [key for key, _ in lanes._lanes] == [adapter.fingerprint]
    assert said[0] != said[1]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"peft_type": "IA3"}, "no LoRA"),
        ({"bias": "all"}, "biases"),
        ({"alora_invocation_tokens": [1, 2]}, "invocation"),
        ({"r": 3}, "fit"),
    ],
)
def test_unfit_adapter_says_what_is_wrong(
    model: Model, base: Path, tmp_path: Path, change: dict[str, object], says: str
) -> None:
    adapter = make_adapter(tmp_path / "mara", base, activated=True)
    config = tmp_path / "mara" / "adapter_config.json"
    config.write_text(json.dumps(json.loads(config.read_text("utf-8")) | change), "utf-8")
    with pytest.raises(EngineError, match=says) as raised:
        model.adapters.load(adapter)
    assert raised.value.code == "no_adapter"


def test_adapter_without_safetensors_is_refused(model: Model, base: Path, tmp_path: Path) -> None:
    adapter = make_adapter(tmp_path / "mara", base, activated=True)
    (tmp_path / "mara" / "adapter_model.safetensors").rename(tmp_path / "mara" / "adapter_model.bin")
    with pytest.raises(EngineError, match="safetensors"):
        model.adapters.load(adapter)


def test_base_of_other_layout_is_refused(base: Path, options: EngineOptions) -> None:
    (base / "provenance.json").write_text(json.dumps({"made_by": "chatroom", "layout": 99}), "utf-8")
    with pytest.raises(EngineError, match="layout 99") as raised:
        load_model(options)
    assert raised.value.code == "bad_base"


def test_base_without_safetensors_is_refused(base: Path, options: EngineOptions) -> None:
    (base / "model.safetensors").unlink()
    with pytest.raises(EngineError, match="can't be loaded") as raised:
        load_model(options)
    assert raised.value.code == "bad_base"


# --- text and sampling ------------------------------------------------------------------------------------------------


def sentencepiece_like() -> PreTrainedTokenizerFast:
    """A vocabulary of words that begin with a visible space, and bytes for all else, as Llama 2 has it."""
    words = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", "▁lamp", "▁the", "s", "ea"]
    tokenizer = Tokenizer(models.BPE({word: id_ for id_, word in enumerate(words)}, [], byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    strip = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(strip)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")


TOKENIZERS = {"byte level": make_tokenizer(), "sentencepiece": sentencepiece_like()}


def pieces_of(tokenizer: PreTrainedTokenizerFast, before: list[int], ids: list[int]) -> Iterator[str]:
    text = Detokenizer(tokenizer, before)
    for id_ in ids:
        yield text.add(id_)
    yield text.rest()


@pytest.mark.parametrize("kind", TOKENIZERS)
@given(text=st.text(st.sampled_from("aé 你🎲 \nseathlmp"), max_size=30))
@settings(max_examples=60, deadline=None)
def test_pieces_join_to_the_text(kind: str, text: str) -> None:
    tokenizer = TOKENIZERS[kind]
    before = tokenizer.encode("the lamp:", add_special_tokens=False)
    ids = tokenizer.encode(f"the lamp:{text}", add_special_tokens=False)
    assert ids[: len(before)] == before
    pieces = list(pieces_of(tokenizer, before, ids[len(before) :]))
    assert "".join(pieces) == text
    assert not any("\ufffd" in piece for piece in pieces)


def test_half_a_character_is_never_told() -> None:
    tokenizer = TOKENIZERS["byte level"]
    ids = tokenizer.encode("ok 🐙", add_special_tokens=False)
    assert "".join(pieces_of(tokenizer, [], ids[:-1])) == "ok "


def sampler(sampling: Sampling, *, banned: tuple[int, ...] = (), heard: tuple[int, ...] = ()) -> Sampler:
    return Sampler(sampling, heard=heard, exempt=(0,), banned=banned, vocabulary=6)


LOGITS = torch.tensor([1.0, 2.0, 3.0, 2.5, 0.5, 0.1, 99.0])


def test_greedy_takes_the_likeliest_token() -> None:
    assert sampler(Sampling(temperature=0)).pick(LOGITS) == 2


def test_banned_and_unknown_ids_never_come() -> None:
    drawn = sampler(Sampling(temperature=5, top_p=1, repetition_penalty=1), banned=(2, 3))
    assert {drawn.pick(LOGITS) for _ in range(200)} == {0, 1, 4, 5}


def test_nucleus_and_top_k_limit_choice() -> None:
    narrow = sampler(Sampling(temperature=1, top_p=0.5, repetition_penalty=1))
    assert {narrow.pick(LOGITS) for _ in range(200)} == {2, 3}
    few = sampler(Sampling(temperature=5, top_p=1, top_k=3, repetition_penalty=1))
    assert {few.pick(LOGITS) for _ in range(200)} == {1, 2, 3}


def test_repetition_penalty_spares_line_ends() -> None:
    drawn = sampler(Sampling(temperature=0, repetition_penalty=2.0), heard=(3,))
    assert [drawn.pick(LOGITS) for _ in range(3)] == [2, 1, 2]
    ends = sampler(Sampling(temperature=0, repetition_penalty=9.0))
    assert [ends.pick(torch.tensor([5.0, 4.0, 0, 0, 0, 0])) for _ in range(3)] == [0, 0, 0]


def test_seed_alone_decides_the_draw() -> None:
    first, again, other = (sampler(Sampling(seed=seed, temperature=3)) for seed in (1, 1, 2))
    drawn = [[each.pick(LOGITS) for _ in range(30)] for each in (first, again, other)]
    assert drawn[0] == drawn[1] != drawn[2]
