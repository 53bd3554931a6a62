"""Weights with an adapter in them say what the adapter beside its base says; never those of another, never old ones.

The reference is the same engine with no memory for such weights: it decodes with PEFT's layers.
"""

import shutil
import warnings
from itertools import zip_longest
from pathlib import Path

import msgspec
import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from chatroom.engines.base import EngineOptions
from chatroom.engines.transformers_peft.decode_weights import DecodeWeights
from chatroom.engines.transformers_peft.decoders import Plain, decoder_of
from chatroom.engines.transformers_peft.lanes import Lanes
from chatroom.engines.transformers_peft.model import Model, load_model
from chatroom.engines.transformers_peft.packed import has_half_units
from chatroom.engines.transformers_peft.turn import Steps, Turns
from chatroom.errors import EngineError
from chatroom.messages import Adapter, Line, Prompt, Sampling
from tests.tiny import TARGETS, make_adapter, make_base

PLENTY = 1 << 30
CLOSE = 1e-4
GREEDY = Sampling(max_tokens=24, temperature=0, seed=1)
KINDS = {"qwen2": {}, "llama": {}, "mistral": {"sliding_window": 64}}
"""The last one decodes with transformers' own layers."""


def load(base: Path, memory: int, **options: str) -> Model:
    given = {"dtype": "float32"} | options
    return load_model(EngineOptions(base=str(base), context=2048, device="cpu", memory=memory, **given))  # type: ignore[arg-type]


def prompt(name: str = "Ada", lines: int = 4) -> Prompt:
    said = tuple(Line(text=f"Tobin: I roll the dice, number {number}.") for number in range(lines))
    return Prompt(view="all", premise="A bar by the sea.", lines=said, tail=(f"You are {name}.",), start=f"{name}:")


def steps(model: Model, adapter: Adapter | None, asked: Prompt | None = None) -> Steps:
    turns = Turns(model, Lanes(model.empty_cache, PLENTY))
    return turns.reply(asked or prompt(), adapter, GREEDY)


def reply(model: Model, adapter: Adapter | None, asked: Prompt | None = None) -> str:
    return "".join(steps(model, adapter, asked))


def logits(model: Model, adapter: Adapter | None, tokens: range = range(20, 30)) -> torch.Tensor:
    """What comes next after each of some tokens, decoded behind a prompt; (T, V)."""
    turns = Turns(model, Lanes(model.empty_cache, PLENTY))
    plan, lanes = turns.plan(prompt(), adapter), Lanes(model.empty_cache, PLENTY)
    with lanes.lane(plan.key, plan.shared_ids) as lane:
        for _ in turns.encode(lane, plan, len(plan.ids)):
            pass
        for _ in model.prepare(plan.weights):
            pass
        return torch.cat([turns.forward(lane, plan, [token]) for token in tokens])


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return make_base(tmp_path / "base")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("activated", [False, True], ids=["LoRA", "aLoRA"])
def test_merged_decode_equals_adapter_decode(tmp_path: Path, kind: str, activated: bool) -> None:
    base = make_base(tmp_path / "base", kind, ours=kind == "qwen2", template=kind != "qwen2", **KINDS[kind])
    adapter = make_adapter(tmp_path / "Ada", base, activated=activated)
    merged, beside = load(base, PLENTY), load(base, 0)
    assert (logits(merged, adapter) - logits(beside, adapter)).abs().max() < CLOSE
    assert merged.decoding_bytes > 0 == beside.decoding_bytes
    assert reply(merged, adapter) == reply(beside, adapter)
    assert reply(merged, None) == reply(beside, None) != reply(merged, adapter)


def test_adapter_on_some_layers_shares_others(base: Path, tmp_path: Path) -> None:
    config = LoraConfig(r=4, lora_alpha=16, target_modules=["q_proj", "lm_head"], use_rslora=True)
    adapter = saved(config, base, tmp_path / "Ada")
    merged, beside = load(base, PLENTY), load(base, 0)
    assert (logits(merged, adapter) - logits(beside, adapter)).abs().max() < CLOSE
    whole = make_adapter(tmp_path / "Bo", base, activated=False)
    other = load(base, PLENTY)
    reply(other, whole)
    assert 0 < merged.decoding_bytes < other.decoding_bytes


def test_adapter_that_does_more_stays_beside(base: Path, tmp_path: Path) -> None:
    adapter = saved(LoraConfig(r=4, target_modules=TARGETS, use_dora=True), base, tmp_path / "Ada")
    model = load(base, PLENTY)
    assert (logits(model, adapter) - logits(load(base, 0), adapter)).abs().max() < CLOSE
    assert model.decoding_bytes == 0


def test_two_adapters_at_once_keep_apart(base: Path, tmp_path: Path) -> None:
    roles = {
        name: make_adapter(tmp_path / name, base, activated=name == "Bo", seed=len(name)) for name in ("Ada", "Bo")
    }
    alone = [reply(load(base, 0), adapter, prompt(name)) for name, adapter in roles.items()]
    model = load(base, PLENTY)
    for _ in range(2):  # once while their weights are being made, once with them
        running = [steps(model, adapter, prompt(name)) for name, adapter in roles.items()]
        rounds = zip_longest(*running, fillvalue="")
        assert ["".join(pieces) for pieces in zip(*rounds, strict=True)] == alone


def test_memory_stays_within_its_bound(base: Path, tmp_path: Path) -> None:
    roles = [make_adapter(tmp_path / f"role{number}", base, activated=False, seed=number) for number in range(1, 5)]
    alone = [reply(load(base, 0), role) for role in roles]
    first = load(base, PLENTY)
    reply(first, roles[0])
    bound = round(2.5 * first.decoding_bytes)
    model = load(base, bound)
    running = [steps(model, role) for role in roles]
    spoken = [""] * len(roles)
    for pieces in zip_longest(*running, fillvalue=""):
        assert model.decoding_bytes <= bound
        spoken = [said + piece for said, piece in zip(spoken, pieces, strict=True)]
    assert spoken == alone
    assert model.decoding_bytes == 2 * first.decoding_bytes


def test_too_small_a_bound_makes_none(base: Path, tmp_path: Path) -> None:
    adapter = make_adapter(tmp_path / "Ada", base, activated=True)
    model = load(base, 1 << 10)
    assert reply(model, adapter) == reply(load(base, PLENTY), adapter)
    assert model.decoding_bytes == 0


def test_changed_adapter_is_never_old(base: Path, tmp_path: Path) -> None:
    old = make_adapter(tmp_path / "Ada", base, activated=False, seed=1)
    model = load(base, PLENTY)
    before, size = reply(model, old), model.decoding_bytes
    shutil.rmtree(old.path)
    new = make_adapter(tmp_path / "Ada", base, activated=False, seed=2)
    assert new.fingerprint != old.fingerprint
    assert reply(model, new) == reply(load(base, 0), new) != before
    assert model.decoding_bytes == size


def test_turn_of_replaced_adapter_ends(base: Path, tmp_path: Path) -> None:
    old = make_adapter(tmp_path / "Ada", base, activated=False)
    model = load(base, PLENTY)
    reply(model, old)
    turn = steps(model, old)
    for _ in range(3):
        next(turn)
    reply(model, msgspec.structs.replace(old, fingerprint="edited"))
    with pytest.raises(EngineError, match="replaced while it spoke"):
        list(turn)


def test_cancelled_turn_leaves_making_to_others(base: Path, tmp_path: Path) -> None:
    adapter = make_adapter(tmp_path / "Ada", base, activated=False)
    alone = reply(load(base, 0), adapter)
    model = load(base, PLENTY)
    first, second = steps(model, adapter), steps(model, adapter)
    for _ in range(3):  # both have spoken once, and their weights are half made
        next(first)
        piece = next(second)
    assert piece == ""
    assert model.decoding_bytes == 0
    first.close()
    assert alone.endswith("".join(second))
    assert model.decoding_bytes > 0


def test_four_bits_decode_and_rows_read(tmp_path: Path) -> None:
    base = make_base(tmp_path / "base", hidden_size=128, initializer_range=0.05)
    adapter = make_adapter(tmp_path / "Ada", base, activated=True, width=0.05)
    exact, small = load(base, PLENTY), load(base, PLENTY, quantization="int4")
    for role in (adapter, None):
        wanted, got = logits(exact, role), logits(small, role)
        assert 0 < (got - wanted).std() < 0.3 * wanted.std()
        assert reply(small, role)
    assert 0 < small.decoding_bytes < exact.decoding_bytes
    first = [next(steps(model, adapter)) for model in (exact, small)]
    assert first[0] == first[1]


@pytest.mark.skipif(not has_half_units(), reason="this processor does not compute in bfloat16")
def test_packed_weights_equal_rows(base: Path) -> None:
    rows = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16).eval()
    decoder, cache = decoder_of(rows, 2048), load(base, 0).empty_cache
    weights = DecodeWeights(decoder_of(rows, 2048), memory=PLENTY, int4=False)
    assert list(weights.make("", {}))
    packed = weights.find("")
    assert packed is not None
    assert weights.nbytes > 0
    with torch.inference_mode():
        caches = [cache(), cache()]
        for each in caches:
            Plain(rows)(torch.tensor([range(3, 40)]), each)
        wanted, got = (each(torch.tensor([[7]]), held) for each, held in zip((decoder, packed), caches, strict=True))
    assert (got.float() - wanted.float()).abs().max() < 0.05 * wanted.float().std()


def saved(config: LoraConfig, base: Path, folder: Path) -> Adapter:
    """An adapter of any kind, its weights random."""
    plain = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = get_peft_model(plain, config)
        torch.manual_seed(5)
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=0.15)
        model.save_pretrained(folder)
    return Adapter(path=str(folder), fingerprint=folder.name, invocation=())
