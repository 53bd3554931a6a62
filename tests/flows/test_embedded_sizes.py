"""What the plan counts for the embedded engine is what the engine takes: a real base, loaded, beside its plan."""

from pathlib import Path
from typing import Literal

import pytest

from chatroom.engine_plan import Machine, PlannedEngine, Wish, costs, plan, sizes
from chatroom.engine_plan.machine_here import has_half_units
from chatroom.engine_plan.measure import measure_adapter, measure_weights
from chatroom.engine_plan.wishes import SMALL_CPU_BASE, Kind
from chatroom.engines.base import EngineOptions
from chatroom.engines.transformers_peft import cache, decode_weights, int4, model, packed
from chatroom.messages import Adapter
from tests.tiny import make_adapter, make_base

GIB, CONTEXT = 1 << 30, 1024
Dtype = Literal["float32", "bfloat16"]


def planned(base: Path, *adapters: Adapter, dtype: Dtype, packs: bool = False) -> PlannedEngine:
    """The plan for one role without an adapter, and one with each."""
    weights = measure_weights(base, "base")
    kinds: list[tuple[Kind, int]] = [("none", 0)]
    for adapter in adapters:
        kinds.append(("alora" if adapter.invocation else "lora", measure_adapter(Path(adapter.path), "a")[0]))
    wishes = [
        Wish(role=str(at), weights=_packing(weights, packs), kind=kind, adapter=size, context=CONTEXT, int4=packs)
        for at, (kind, size) in enumerate(kinds)
    ]
    machine = Machine(gpu=False, memory=8 * GIB, free=8 * GIB, dtype=dtype, half_units=has_half_units())
    (engine,) = plan(wishes, machine).engines
    return engine


def _packing(weights: sizes.Weights, packs: bool) -> sizes.Weights:
    return sizes.Weights(**{name: getattr(weights, name) for name in weights.__struct_fields__} | {"packs": packs})


def loaded(base: Path, *adapters: Adapter, dtype: Dtype, quantization: Literal["none", "int4"]) -> model.Model:
    """The engine's model after every role has begun to speak."""
    options = EngineOptions(base=str(base), context=CONTEXT, dtype=dtype, device="cpu", quantization=quantization)
    found = model.load_model(options)
    for adapter in adapters:
        found.adapters.load(adapter)
    for weights in ("", *(adapter.fingerprint for adapter in adapters)):
        for _ in found.prepare(weights):
            pass
    return found


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("packs", [False, True], ids=["16 bit", "int4"])
def test_copies_take_what_is_planned(tmp_path: Path, dtype: Dtype, packs: bool) -> None:
    base = make_base(tmp_path / "base")
    adapters = [make_adapter(tmp_path / name, base, activated=name == "Ada") for name in ("Ada", "Bo")]
    engine = planned(base, *adapters, dtype=dtype, packs=packs)
    found = loaded(base, *adapters, dtype=dtype, quantization="int4" if engine.packs else "none")
    head = measure_weights(base, "base").end if dtype == "bfloat16" and has_half_units() else 0
    assert engine.packs == packs
    biases = (found.decoding_bytes + head) / engine.decoding - 1  # what the plan leaves out
    assert 0 <= biases < 0.02


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_weights_and_adapters_take_what_is_planned(tmp_path: Path, dtype: Dtype) -> None:
    base = make_base(tmp_path / "base", tie_word_embeddings=True)
    adapters = [make_adapter(tmp_path / name, base, activated=name == "Ada") for name in ("Ada", "Bo")]
    found = loaded(base, *adapters, dtype=dtype, quantization="none")
    weights = {weight.data_ptr(): weight.nbytes for weight in found.adapters._peft.parameters()}
    assert sum(weights.values()) == planned(base, *adapters, dtype=dtype).weight_bytes


def test_a_transcript_takes_what_is_planned(tmp_path: Path) -> None:
    base = make_base(tmp_path / "base")
    found = loaded(base, dtype="float32", quantization="none")
    held = found.empty_cache()
    found.forward([3] * (CONTEXT // 2 + 1), held, "", 0)
    assert cache.cache_bytes(held) == planned(base, dtype="float32").cache


def test_plan_and_engine_mean_the_same() -> None:
    assert has_half_units() == packed.has_half_units()
    assert SMALL_CPU_BASE == model.SMALL
    assert costs.HEAD_SHARE == decode_weights.HEAD_SHARE
    assert costs.FIRST_POSITIONS == cache.FIRST_POSITIONS
    assert sizes.ROWS_HERE == int4.ROWS
    assert tuple(size for size in reversed(int4.GROUPS) if size <= decode_weights.GROUP) == sizes.GROUPS_HERE
